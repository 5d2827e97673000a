"""What operations staff see and do: never content, never a patient."""
