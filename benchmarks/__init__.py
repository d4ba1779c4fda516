"""How fast training is, and what that is worth: `make bench`, or `python -m benchmarks`."""
