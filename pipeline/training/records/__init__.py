"""What is kept of a training: curves, snapshots, the epoch."""
