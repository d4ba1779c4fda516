"""Results as the page shows them: rows, cells and words."""
