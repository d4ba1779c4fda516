"""A run beside another one, and beside where it comes from."""
