"""Heatmaps, crops and boxes."""
