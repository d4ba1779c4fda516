"""Heatmaps and crops against radiologists' boxes."""
