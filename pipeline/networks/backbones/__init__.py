"""The networks under a branch, and the grid of their feature maps."""
