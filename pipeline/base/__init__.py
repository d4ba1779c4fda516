"""What all rooms share: findings, seeds, grids, files, shards and tables."""
