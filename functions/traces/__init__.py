"""Every access and act, told to those whom it concerns."""
