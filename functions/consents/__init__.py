"""What holders decide: who may read, who never may, what an emergency may do."""
