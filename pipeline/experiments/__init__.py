"""Experiments side by side: asked of DVC, compared, and the same one under several seeds."""
