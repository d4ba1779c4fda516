"""Examples in memory, by batches."""
