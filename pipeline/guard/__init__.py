"""A stage alone at its work, and refused when what it depends on changed meanwhile."""
