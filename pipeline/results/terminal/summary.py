"""What a run reached, in a table that fits a terminal."""

from typing import Any

from pipeline.base.members import STUDIED
from pipeline.results.evaluation.headline import mean_aurocs
from pipeline.results.localisation.methods import BASELINE, is_control
from pipeline.results.terminal.spans import ends, gained

Metrics = dict[str, Any]

_NEXT = """
Look next:
  report/index.html                                  the whole run on one page
  dvc metrics show                                   the figures (dvc metrics diff: against HEAD)
  {runs:<49}  runs and learning curves"""


def summarise(systems: Metrics, methods: Metrics, *, runs: str) -> str:
    """The systems by mean test AUROC, the heatmaps by mean IoU, and where to look next.

    Args:
        systems: metrics/systems.json.
        methods: metrics/methods.json.
        runs: where MLflow's runs are seen: a command, or an address.
    """
    return "\n".join([_systems(systems), "", _localisation(methods), _NEXT.format(runs=runs)])


def _systems(systems: Metrics) -> str:
    test, aurocs = systems["test"], mean_aurocs(systems)
    head = f"{test['images']:,} test images of {test['patients']:,} patients"
    share = "of ceiling" if "ceiling" in aurocs else ""
    rows = [f"{head:<44}  mean AUROC  95 % interval     {share}"]
    rows += [_system(name, systems[name]) for name in _best_first(aurocs)]
    return "\n".join(row.rstrip() for row in rows)


def _system(name: str, entry: Metrics) -> str:
    interval = ends(entry.get("mean_auroc_low"), entry.get("mean_auroc_high"))
    share = entry.get("share_of_ceiling")
    return f"  {name:<42}  {entry['mean_auroc']:.3f}       {interval:<16}  " + (
        "" if share is None else f"{share:.1%}"
    )


def _localisation(methods: Metrics) -> str:
    """Of the member under study and of baselines without an image; others are in the file."""
    shown = {
        f"{owner}.{method}": entry["mean"]
        for owner in (STUDIED, BASELINE)
        for method, entry in methods.get(owner, {}).items()
        if not is_control(method)
    }
    if not shown:
        return "no radiologists' boxes on these images: nothing to localise against"
    return by_iou(shown, head="against the radiologists' boxes")


def by_iou(shown: dict[str, Metrics], *, head: str) -> str:
    """Mean IoU and the lead over boxes without an image of each system, best first.

    Args:
        shown: of each system the means over findings, as in metrics/methods.json.
        head: what stands above the systems.
    """
    order = _best_first({name: entry["iou"] for name, entry in shown.items()})
    lines = [_row(name, shown[name]) for name in order]
    return "\n".join(
        [f"{head:<44}  mean IoU    95 % interval     lead over boxes without an image", *lines]
    )


def _row(name: str, entry: Metrics) -> str:
    interval = ends(entry.get("iou_low"), entry.get("iou_high"))
    lead = gained(entry["lead"], entry.get("lead_low"), entry.get("lead_high"))
    return f"  {name:<42}  {entry['iou']:.3f}       {interval:<14}    {lead}"


def _best_first(values: dict[str, float]) -> list[str]:
    return sorted(values, key=values.__getitem__, reverse=True)
