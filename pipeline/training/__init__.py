"""From shards and targets to weights."""
