"""What a run reached, in three sentences that say no more than its intervals do."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.base.members import SYSTEMS_BESIDE
from pipeline.results.evaluation.headline import mean_aurocs
from pipeline.results.localisation.methods import BASELINE, NOISE, is_control, spoken

Metrics = dict[str, Any]

CHANCE = 0.5

WITHOUT_IMAGE = {
    "centre_box": "a box in the middle",
    "constant_box": "one box for all findings",
    "per_finding_box": "one box per finding",
    NOISE: "a map of random numbers",
}
"""Baselines of localisation, as prose."""

_ABOVE, _BELOW, _APART = "is above", "is below", "cannot be told apart from"

_MOST_NAMED = 3


def verdict(systems: Metrics, methods: Metrics) -> list[str]:
    """What the run finds, what it misses, and where its heatmaps stand: plain sentences.

    One thing is above or below another where the 95 % interval says so, which is paired where both
    were measured. Without intervals, numbers stand beside each other.

    Args:
        systems: metrics/systems.json.
        methods: metrics/methods.json; empty without boxes.
    """
    return [_reached(systems), _best_and_worst(systems), _localised(methods)]


def best_map(methods: Metrics) -> tuple[str, str] | None:
    """Member and method of the heatmap of greatest mean IoU; None without boxes."""
    return max(_maps(methods), key=lambda one: _mean_iou(methods, *one), default=None)


def best_without_image(methods: Metrics) -> str:
    """The baseline that every lead in `methods` is over."""
    names: list[str] = list(methods[BASELINE])
    return max(names, key=lambda name: _mean_iou(methods, BASELINE, name))


def _maps(methods: Metrics) -> list[tuple[str, str]]:
    """Every heatmap and threshold of every member; neither crops nor controls are that."""
    return [
        (owner, name)
        for owner, entries in methods.items()
        for name in entries
        if owner != BASELINE and name != "crop" and not is_control(name)
    ]


def _mean_iou(methods: Metrics, owner: str, method: str) -> float:
    iou: float = methods[owner][method]["mean"]["iou"]
    return iou


def _reached(systems: Metrics) -> str:
    entry, test = systems["ensemble"], systems["test"]
    low, high = _ends(entry, "mean_auroc")
    within = "" if low is None else f" (95 % interval {low:.3f} to {high:.3f})"
    images, patients = _count(test["images"], "test image"), _count(test["patients"], "patient")
    reached = f"reaches a mean AUROC of {entry['mean_auroc']:.3f}{within}"
    return f"{_subject(systems)} {reached} on {images} of {patients}{_worth(systems)}."


def _subject(systems: Metrics) -> str:
    """An ensemble, unless one member votes alone."""
    votes = [
        name
        for name in mean_aurocs(systems)
        if name not in SYSTEMS_BESIDE and not name.endswith((".global", ".local"))
    ]
    return "The ensemble" if len(votes) > 1 else f"The only member, {votes[0].partition('.')[0]},"


def _worth(systems: Metrics) -> str:
    """A mean AUROC against chance and the ceiling; without a ceiling, beside the floor."""
    entry, ceiling = systems["ensemble"], systems.get("ceiling", {}).get("mean_auroc")
    low, high = _ends(entry, "mean_auroc")
    if (entry["mean_auroc"] if low is None else low) <= CHANCE:
        best = f"; the best that anyone could reach here is {ceiling:.3f}" if ceiling else ""
        return f", which {_beside_chance(low, high)} chance ({CHANCE}){best}"
    if "share_of_ceiling" in entry:
        way = f"{100 * entry['share_of_ceiling']:.0f} % of the way from chance"
        return f": {way} to the best that anyone could reach here ({ceiling:.3f})"
    if "metadata_only" in systems:
        floor = systems["metadata_only"]
        alone = _estimate(floor["mean_auroc"], *_ends(floor, "mean_auroc"))
        return f", where age, gender and view alone reach {alone}"
    return ""


def _beside_chance(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "is not above"
    return _standing(low - CHANCE, high - CHANCE)


def _best_and_worst(systems: Metrics) -> str:
    aurocs = systems["ensemble"]["auroc"]
    order = sorted(aurocs, key=aurocs.__getitem__, reverse=True)
    named = [f"{_prose(name)} ({aurocs[name]:.2f})" for name in order]
    left_out = _left_out(systems["excluded"])
    if len(named) == 1:
        why = f", as {left_out}" if left_out else ""
        said = f"The only finding that can be scored is {named[0]}{why}"
    else:
        most = min(2, len(named) // 2)
        whose = f"Of {len(named)} findings ({left_out}), its" if left_out else "Its"
        best, worst = _joined(named[:most]), _joined(named[::-1][:most])
        said = f"{whose} AUROC is highest for {best}, and lowest for {worst}"
    return f"{said}{_fusion(systems['delta'])}."


def _left_out(findings: Sequence[str]) -> str:
    if not findings:
        return ""
    few = len(findings) <= _MOST_NAMED
    named = _joined(map(_prose, findings)) if few else f"{len(findings)} others"
    return f"{named} {'has' if len(findings) == 1 else 'have'} not both classes here"


def _fusion(delta: Mapping[str, Metrics]) -> str:
    """Each member's fusion and its global branch, as far as intervals say."""
    pairs = [
        (one["mean_auroc"], one["low"], one["high"])
        for name, one in delta.items()
        if ".fusion - " in name and "low" in one
    ]
    if not pairs:
        return ""
    found = Counter(_standing(low, high) for _, low, high in pairs)
    first, *others = [kind for kind in (_ABOVE, _BELOW, _APART) if kind in found]
    if len(pairs) == 1:
        return f"; fusion {first} its global branch: {_estimate(*pairs[0], sign='+')}"
    if not others:
        every = "any" if first == _APART else "each"
        return f"; fusion {first} its global branch in {every} of {len(pairs)} members"
    said = [f"{first} its global branch in {found[first]} of {len(pairs)} members"]
    return f"; fusion {_joined([*said, *(f'{kind} it in {found[kind]}' for kind in others)])}"


def _localised(methods: Metrics) -> str:
    best = best_map(methods)
    if best is None:
        return "No test image has a radiologist's box, so how well heatmaps localise is not known."
    (owner, method), count = best, len(_maps(methods))
    name, _, how = spoken(method).partition(", ")
    drawn = f"{name} of {owner} ({how})" if how else f"{name} of {owner}"
    mean, bar = methods[owner][method]["mean"], best_without_image(methods)
    which = f"The best of {count} heatmap variants" if count > 1 else "The only heatmap"
    has = f"has a mean IoU of {_estimate(mean['iou'], *_ends(mean, 'iou'))}"
    beside = _beside(mean, _mean_iou(methods, BASELINE, bar), WITHOUT_IMAGE[bar])
    return f"{which} on {_count(mean['n'], 'boxed case')}, {drawn}, {has}, {beside}."


def _beside(mean: Metrics, iou: float, baseline: str) -> str:
    low, high = _ends(mean, "lead")
    other = f"the {iou:.3f} of {baseline} that sees no image"
    if low is None or high is None:
        return f"beside {other}"
    return f"which {_standing(low, high)} {other}: {_estimate(mean['lead'], low, high, sign='+')}"


def _standing(low: float, high: float) -> str:
    """What the interval of a difference allows to say."""
    if low > 0:
        return _ABOVE
    return _BELOW if high < 0 else _APART


def _ends(entry: Metrics, name: str) -> tuple[float | None, float | None]:
    return entry.get(f"{name}_low"), entry.get(f"{name}_high")


def _estimate(value: float, low: float | None, high: float | None, *, sign: str = "") -> str:
    within = "" if low is None else f" ({low:{sign}z.3f} to {high:{sign}z.3f})"
    return f"{value:{sign}z.3f}{within}"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _prose(finding: str) -> str:
    return finding.replace("_", " ")


def _joined(words: Iterable[str]) -> str:
    """`a, b and c`."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last
