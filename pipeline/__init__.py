"""Chest X-ray diagnosis after AG-CNN: pure functions, in the order in which data meets them."""
