"""The results as the paper behind this project lays them out: one row per branch, by finding."""

from collections.abc import Mapping
from typing import Any

from pipeline.errors import ArtifactError
from pipeline.findings import FINDINGS
from pipeline.params import Member

Metrics = dict[str, Any]

BRANCHES = ("global", "local", "fusion")

SHORT = {
    "Atelectasis": "Atel", "Cardiomegaly": "Card", "Effusion": "Effu", "Infiltration": "Infi",
    "Mass": "Mass", "Nodule": "Nodu", "Pneumonia": "Pneu", "Pneumothorax": "Pthx",
    "Consolidation": "Cons", "Edema": "Edem", "Emphysema": "Emph", "Fibrosis": "Fibr",
    "Pleural_Thickening": "PlTh", "Hernia": "Hern",
}  # fmt: skip


def paper_tables(evaluate: Metrics, members: Mapping[str, Member]) -> str:
    """Test AUROC of every member's branches in two Markdown tables, and the ensemble's beneath.

    The first holds members whose branches have one backbone, the second those that mix two.
    Columns are found by the findings' names; the best of a column is bold.

    Args:
        evaluate: metrics/evaluate.json.
        members: the pairs of backbones that it is of, by name.

    Raises:
        ArtifactError: a member is not in the metrics, so that these are of another run.
    """
    missing = [name for name in members if f"{name}.fusion" not in evaluate]
    if missing:
        raise ArtifactError(
            f"metrics/evaluate.json has no {', '.join(missing)}; it is of another params.yaml. "
            "`dvc repro evaluate` brings both together"
        )
    alike = {name: one for name, one in members.items() if one.global_ == one.local}
    mixed = {name: one for name, one in members.items() if name not in alike}
    parts = [
        _table("One backbone in both branches", evaluate, alike),
        _table("Different backbones", evaluate, mixed),
        _caption(evaluate),
    ]
    return "\n\n".join(part for part in parts if part)


def _table(title: str, evaluate: Metrics, members: Mapping[str, Member]) -> str:
    if not members:
        return ""
    rows = {
        f"{_pair(member)} | {branch}": evaluate[f"{name}.{branch}"]
        for name, member in members.items()
        for branch in BRANCHES
    }
    columns = {name: [one["auroc"].get(name) for one in rows.values()] for name in FINDINGS}
    columns["mean"] = [one["mean_auroc"] for one in rows.values()]
    cells = zip(*(_marked(column) for column in columns.values()), strict=True)
    head = ["backbones", "branch", *(SHORT.get(name, name) for name in columns)]
    lines = [
        f"**{title}**",
        "",
        f"| {' | '.join(head)} |",
        "|" + "---|" * len(head),
        *(f"| {name} | {' | '.join(row)} |" for name, row in zip(rows, cells, strict=True)),
    ]
    return "\n".join(lines)


def _pair(member: Member) -> str:
    if member.global_ == member.local:
        return member.global_
    return f"{member.global_} + {member.local}"


def _marked(column: list[float | None]) -> list[str]:
    """Three decimals, the best in bold; a finding with one class only has none."""
    best = max((value for value in column if value is not None), default=None)
    return [
        "–" if value is None else f"**{value:.3f}**" if value == best else f"{value:.3f}"
        for value in column
    ]


def _caption(evaluate: Metrics) -> str:
    test, ensemble = evaluate["test"], evaluate["ensemble"]
    low, high = ensemble.get("mean_auroc_low"), ensemble.get("mean_auroc_high")
    interval = "" if low is None else f" (95 % interval {low:.3f} to {high:.3f})"
    names = ", ".join(f"{short} {name}" for name, short in SHORT.items() if short != name)
    return (
        f"AUROC on {test['images']:,} test images of {test['patients']:,} patients. The members' "
        f"soft vote: mean {ensemble['mean_auroc']:.3f}{interval}; age, sex and view alone: "
        f"{evaluate['metadata_only']['mean_auroc']:.3f}.\n{names}."
    )
