"""External validation as text that fits a terminal."""

import pandas as pd

from pipeline.external.transfer import Transfer
from pipeline.results.evaluation.scores import MEAN
from pipeline.results.report.views.evaluation_view import known
from pipeline.results.terminal.aligned import aligned
from pipeline.results.terminal.spans import gained, within

_HEAD = (
    "", "positives", "share", "AUROC here", "own AUROC", "own - here", "sensitivity",
    "specificity", "predicted",
)  # fmt: skip

_NOTE = """\
own: of the model's test images. Sensitivity and specificity are at the model's own thresholds,
predicted is its mean calibrated probability, which should be the share. Intervals: bootstrap over
patients; of differences from both intervals (Zou and Donner 2008)."""


def transfer_lines(transfer: Transfer) -> str:
    """The table by finding, and what is not judged."""
    lines = [_row(row, len(transfer.table) - 1) for _, row in transfer.table.iterrows()]
    parts = [aligned([_HEAD, *lines]), _NOTE]
    parts += [
        f"not judged: {finding.replace('_', ' ')}: {why}"
        for finding, why in transfer.not_judged.items()
    ]
    return "\n".join(parts)


def _row(row: pd.Series, findings: int) -> tuple[str, ...]:
    is_mean = row["finding"] == MEAN
    return (
        f"mean of {findings}" if is_mean else row["finding"].replace("_", " "),
        "" if is_mean else f"{row['positives']:,.0f}",
        f"{row['observed']:.1%}",
        within(*_ends(row, "auroc", "low", "high")),
        within(*_ends(row, "own_auroc", "own_low", "own_high")),
        gained(*_ends(row, "drop", "drop_low", "drop_high")),
        f"{row['sensitivity']:.2f}",
        f"{row['specificity']:.2f}",
        f"{row['predicted']:.1%}",
    )


def _ends(row: pd.Series, *names: str) -> list[float | None]:
    return [known(row[name]) for name in names]
