"""One module per verb: it decides, writes the trace, and only then answers."""
