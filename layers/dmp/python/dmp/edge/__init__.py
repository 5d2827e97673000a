"""Where the outside meets the use cases: HTTP, FHIR, CDA, tokens, settings, logs."""
