"""What the use cases ask for, kept in AWS: one module per table, bucket or queue."""
