"""Probabilities against labels."""
