"""Who may see what: the only rooms that know Cedar."""
