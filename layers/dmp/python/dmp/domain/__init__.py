"""What the shared medical record is, in the standard library's terms alone."""
