"""What stands in the place of a member and of a method in tables of localisation."""

BASELINE = "baseline"
"""In the place of a member: a baseline without an image."""

NOISE = "random_map"
"""A baseline: maps of random numbers."""

CEILING = "grid_ceiling"
"""In the place of a method: the best box of whole cells of the member's heatmaps."""

FITTED, RANDOMISED, FINE = "_fitted", "_randomised", "_fine"
"""Behind a method's name: its thresholds are fitted, one a finding, on the other half of the
patients; its network has random weights; it shows an earlier layer with finer cells."""

_SPOKEN = {FITTED: "threshold fitted", RANDOMISED: "random weights", FINE: "finer layer"}


def is_control(method: str) -> bool:
    """Whether it is no way to localise: random weights, or what the grid allows."""
    return RANDOMISED in method or method.startswith(CEILING)


def is_fitted(method: str) -> bool:
    """Whether its thresholds are fitted on the other half of the patients."""
    return method.endswith(FITTED)


def spoken(method: str) -> str:
    """A method's name as prose: its own, and then what stands behind it."""
    for suffix, word in _SPOKEN.items():
        if method.endswith(suffix):
            return f"{spoken(method.removesuffix(suffix))}, {word}"
    return "best box of whole cells" if method == CEILING else method
