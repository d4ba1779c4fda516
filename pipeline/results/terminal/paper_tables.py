"""The results as the paper behind this project lays them out: one row per branch, by finding."""

from collections.abc import Mapping
from typing import Any

from pipeline.base.findings import FINDINGS
from pipeline.base.lock_file import locked_stages
from pipeline.errors import ArtifactError

Metrics = dict[str, Any]

BRANCHES = ("global", "local", "fusion")

SHORT = {
    "Atelectasis": "Atel", "Cardiomegaly": "Card", "Effusion": "Effu", "Infiltration": "Infi",
    "Mass": "Mass", "Nodule": "Nodu", "Pneumonia": "Pneu", "Pneumothorax": "Pthx",
    "Consolidation": "Cons", "Edema": "Edem", "Emphysema": "Emph", "Fibrosis": "Fibr",
    "Pleural_Thickening": "PlTh", "Hernia": "Hern",
}  # fmt: skip


Pair = tuple[str, str]
"""Backbones of the global and of the local branch."""


def voting_pairs(lock: Mapping[str, Any]) -> dict[str, Pair]:
    """Each voting member's backbones, as the run knew them that made the metrics.

    Args:
        lock: dvc.lock, which is committed with metrics/systems.json.

    Raises:
        ArtifactError: it is not of a whole run.
    """
    try:
        stages = locked_stages(lock)
        members = stages["evaluate"]["params"]["params.yaml"]["ensemble"]["members"]
        return {
            name: (_backbone(stages, name, "global"), _backbone(stages, name, "local"))
            for name in members
        }
    except KeyError as error:
        raise ArtifactError(f"dvc.lock: has no {error}; `dvc repro` first") from None


def _backbone(stages: Mapping[str, Any], member: str, branch: str) -> str:
    known = stages[f"train_{branch}@{member}"]["params"]["params.yaml"]
    return str(known[f"{member}.{branch}"])


def paper_tables(systems: Metrics, members: Mapping[str, Pair]) -> str:
    """Test AUROC of every member's branches in two Markdown tables, and the ensemble's beneath.

    The first holds members whose branches have one backbone, the second those that mix two.
    Columns are found by the findings' names; the best of a column is bold.

    Args:
        systems: metrics/systems.json.
        members: their backbones, by name.

    Raises:
        ArtifactError: a member is not in the metrics, so that these are of another run.
    """
    missing = [name for name in members if f"{name}.fusion" not in systems]
    if missing:
        raise ArtifactError(
            f"metrics/systems.json has no {', '.join(missing)}; it is of another run than "
            "dvc.lock. `dvc repro evaluate` brings both together"
        )
    alike = {name: pair for name, pair in members.items() if pair[0] == pair[1]}
    mixed = {name: one for name, one in members.items() if name not in alike}
    parts = [
        _table("One backbone in both branches", systems, alike),
        _table("Different backbones", systems, mixed),
        _caption(systems),
    ]
    return "\n\n".join(part for part in parts if part)


def _table(title: str, systems: Metrics, members: Mapping[str, Pair]) -> str:
    if not members:
        return ""
    rows = [(name, branch) for name in members for branch in BRANCHES]
    entries = [systems[f"{name}.{branch}"] for name, branch in rows]
    columns = {name: [one["auroc"].get(name) for one in entries] for name in FINDINGS}
    columns["mean"] = [one["mean_auroc"] for one in entries]
    cells = zip(*(_marked(column) for column in columns.values()), strict=True)
    head = ["backbones", "member", "branch", *(SHORT.get(name, name) for name in columns)]
    lines = [
        f"**{title}**",
        "",
        f"| {' | '.join(head)} |",
        "|" + "---|" * len(head),
        *(
            f"| {_pair(members[name])} | {name} | {branch} | {' | '.join(row)} |"
            for (name, branch), row in zip(rows, cells, strict=True)
        ),
    ]
    return "\n".join(lines)


def _pair(pair: Pair) -> str:
    return pair[0] if pair[0] == pair[1] else " + ".join(pair)


def _marked(column: list[float | None]) -> list[str]:
    """Three decimals, the best in bold; a finding with one class only has none."""
    best = max((value for value in column if value is not None), default=None)
    return [
        "–" if value is None else f"**{value:.3f}**" if value == best else f"{value:.3f}"
        for value in column
    ]


def _caption(systems: Metrics) -> str:
    test, ensemble = systems["test"], systems["ensemble"]
    low, high = ensemble.get("mean_auroc_low"), ensemble.get("mean_auroc_high")
    interval = "" if low is None else f" (95 % interval {low:.3f} to {high:.3f})"
    names = ", ".join(f"{short} {name}" for name, short in SHORT.items() if short != name)
    return (
        f"AUROC on {test['images']:,} test images of {test['patients']:,} patients. The members' "
        f"soft vote: mean {ensemble['mean_auroc']:.3f}{interval}; age, gender and view alone: "
        f"{systems['metadata_only']['mean_auroc']:.3f}.\n{names}."
    )
