"""Measures, and how uncertain they are."""
