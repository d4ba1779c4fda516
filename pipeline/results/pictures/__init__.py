"""Radiographs under heatmaps, ready for pages."""
