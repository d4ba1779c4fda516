"""Backbones, branches and the fusion head."""
