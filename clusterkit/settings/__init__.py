"""What a node is told by file, environment and arguments, as one checked value."""
