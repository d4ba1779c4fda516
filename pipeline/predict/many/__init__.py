"""Many files: which, one after another, and what becomes of them."""
