"""The first line of the page: what names a run."""

from typing import Any

Settings = dict[str, Any]
"""Of `pipeline.params.settings`."""


def strip(settings: Settings, counted: dict[str, int], *, made: bool) -> list[tuple[str, str]]:
    """Names and texts.

    Args:
        settings: data/settings.json.
        counted: images and patients of the cohort.
        made: whether the cohort is synthetic.
    """
    many = f"{counted['images']:,} images of {counted['patients']:,} patients"
    seed = settings["cohort_seed"]
    source = "synthetic" if made else settings["source"]
    cohort = f"{source}{'' if seed is None else f', seed {seed}'}: {many}"
    epochs = settings["epochs"]
    return [
        ("recipe", settings["recipe"] or "params.yaml"),
        ("cohort", cohort),
        *((name, _networks(one)) for name, one in settings["members"].items()),
        ("input", f"{settings['input_px']} px"),
        ("epochs", f"{epochs['global']} + {epochs['local']}"),
        ("seed", str(settings["seed"])),
    ]


def _networks(member: Settings) -> str:
    """Both branches' backbones, and what they start from."""
    first, second = (_network(member, one) for one in ("global", "local"))
    return f"{first}, twice" if first == second else f"{first} + {second}"


def _network(member: Settings, branch: str) -> str:
    weights = member["weights"][branch]
    return member[branch] if weights == "none" else f"{member[branch]} from {weights}"
