"""Anybody's boxes and heatmaps, in files, against the radiologists' boxes."""
