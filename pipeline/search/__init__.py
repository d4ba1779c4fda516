"""Trials of other params, each trained as the stage of its branch would, and the best of them."""
