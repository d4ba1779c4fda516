"""An evaluation as text that fits a terminal."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from pipeline.base.findings import FINDINGS
from pipeline.results.evaluation.calibration_errors import what_gets_worse
from pipeline.results.evaluation.evaluation import Evaluation
from pipeline.results.evaluation.files.systems import FLOORS
from pipeline.results.evaluation.operating import RULES
from pipeline.results.evaluation.scores import MEAN
from pipeline.results.report.views.literature import WORKS, Work, why_not_comparable

_WIDTH = 26


def scorecard(evaluation: Evaluation, subject: str, test_images: Iterable[str]) -> str:
    """All tables of one system, and its differences from others."""
    parts = [
        _findings(evaluation, subject),
        _systems(evaluation, subject),
        _differences(evaluation),
        _calibration(evaluation, subject),
        _thresholds(evaluation, subject),
        _subgroups(evaluation),
        _literature(evaluation, subject, test_images),
    ]
    return "\n\n".join(part for part in parts if part)


def _findings(evaluation: Evaluation, subject: str) -> str:
    about = evaluation.metrics["test"]
    table = _of_test(evaluation.tables["scores"], subject)
    rows = {
        measure: table[table["measure"] == measure].set_index("finding")
        for measure in ("auroc", "auprc")
    }
    head = (
        f"{subject}: {about['images']:,} images of {about['patients']:,} patients\n"
        f"{'':<{_WIDTH}}positives  share   AUROC  95 % interval      DeLong             "
        "AUPRC  95 % interval"
    )
    lines = [head]
    for finding in rows["auroc"].index:
        auroc, auprc = rows["auroc"].loc[finding], rows["auprc"].loc[finding]
        counted = " " * 16
        if finding != MEAN:
            share = auroc["positives"] / auroc["images"]
            counted = f"{auroc['positives']:>9,} {share:>6.1%}"
        name = f"mean of {len(rows['auroc']) - 1}" if finding == MEAN else _spoken(finding)
        delong = _interval(auroc["delong_low"], auroc["delong_high"])
        digits = 4 if finding == MEAN else 3
        lines.append(
            f"{name:<{_WIDTH}}{counted}   {_estimate(auroc, digits=digits):<23}   "
            f"{delong:<16}   {_estimate(auprc, digits=digits)}"
        )
    excluded = evaluation.metrics["excluded"]
    if excluded:
        lines.append(f"In no mean, not predicted or not of both classes: {', '.join(excluded)}")
    lines.append(
        "Intervals: bootstrap over patients (percentile). DeLong's takes images for independent,\n"
        "too narrow where patients have several. AUPRC compares with the share of positives."
    )
    return "\n".join(lines)


def _systems(evaluation: Evaluation, subject: str) -> str:
    means = evaluation.tables["scores"].query(
        "split == 'test' and finding == @MEAN", local_dict={"MEAN": MEAN}
    )
    others = [name for name in means["system"].unique() if name != subject]
    lines = [f"{'beside it, means':<{_WIDTH}}                   AUROC  95 % interval"]
    for name in others:
        row = means[means["system"].eq(name) & means["measure"].eq("auroc")].iloc[0]
        lines.append(f"{name:<{_WIDTH}}                   {_estimate(row)}")
    lines += [f"{name}: {_FLOORS_MEAN[name]}." for name in FLOORS if name in others]
    absent = [name for name in FLOORS if name not in others]
    if absent:
        lines.append(
            f"No {' and no '.join(absent)}: all patients of the labels are predicted, so that "
            "none is left to fit on."
        )
    return "\n".join(lines)


_FLOORS_MEAN = {
    "metadata_only": "age, gender and view alone, fitted on other patients",
    "shuffled": "these predictions, dealt out anew among the images",
    "prevalence": "one number for all images, of other patients",
}


def _differences(evaluation: Evaluation) -> str:
    table = evaluation.tables["comparisons"]
    if table.empty:
        return ""
    parts = []
    pairs = table[["system", "against"]].drop_duplicates().itertuples(index=False)
    for one, other in pairs:
        rows = table[table["system"].eq(one) & table["against"].eq(other)]
        auroc = rows[rows["measure"] == "auroc"]
        lines = [
            f"{one} - {other}",
            f"{'':<{_WIDTH}}  AUROC    95 % interval        p      DeLong's p",
        ]
        lines += [
            f"{_spoken(row['finding']):<{_WIDTH}}  {row['value']:+.4f}  "
            f"{_interval(row['low'], row['high'], signed=True, digits=4):<20} {_p(row['p'])}  "
            f"{_p(row['delong_p'])}"
            for row in auroc.to_dict("records")
        ]
        parts.append("\n".join(lines))
    note = (
        "Paired over patients; p-values are of single tests, not adjusted for their number. "
        "DeLong's\ntakes images for independent."
    )
    return "\n\n".join([*parts, note])


def _calibration(evaluation: Evaluation, subject: str) -> str:
    table = evaluation.tables["calibration"]
    rows = table[table["system"] == subject]
    if rows.empty:
        return ""
    has_val = evaluation.metrics["val"]["images"] > 0
    raw, new = rows["ece"].mean(), rows["ece_calibrated"].mean()
    after = f", {new:.3f} after calibration on the validation images" if has_val else ""
    said = f"Expected calibration error, mean over findings: {raw:.3f}{after}."
    worse = what_gets_worse(rows).get(subject)
    return f"{said}\nCalibration makes it worse: {worse}." if worse else said


def _thresholds(evaluation: Evaluation, subject: str) -> str:
    table = evaluation.tables["thresholds"]
    rows = table[table["system"] == subject]
    if rows.empty:
        return (
            "No validation images, so nothing to calibrate or to choose thresholds on "
            "(--validation names a file)."
        )
    parts = []
    for rule in RULES:
        wide = rows[rows["rule"] == rule]
        lines = [
            f"{'threshold by ' + rule:<{_WIDTH}}  at      sensitivity             specificity"
            "             PPV                     NPV"
        ]
        for finding in FINDINGS:
            cells = wide[wide["finding"] == finding]
            if len(cells):
                shares = "   ".join(f"{_estimate(cell):<21}" for _, cell in cells.iterrows())
                lines.append(
                    f"{_spoken(finding):<{_WIDTH}}  {cells['threshold'].iloc[0]:.3f}   {shares}"
                )
        parts.append("\n".join(line.rstrip() for line in lines))
    note = "Chosen on validation images; they do not transfer unchanged to another case mix."
    return "\n\n".join([*parts, note])


def _subgroups(evaluation: Evaluation) -> str:
    cells, gaps = evaluation.tables["subgroups"], evaluation.tables["gaps"]
    means = cells[cells["finding"] == MEAN]
    lines = [f"{'subgroups, mean AUROC':<{_WIDTH}}images  patients   AUROC  95 % interval"]
    for name, groups in means.groupby("grouping", sort=False):
        lines.append(f"{name}")
        for row in groups.to_dict("records"):
            value = row["reason"] if pd.isna(row["auroc"]) else _estimate(row, "auroc")
            sizes = f"{row['images']:>6,}  {row['patients']:>8,}"
            lines.append(f"  {row['group']:<{_WIDTH - 2}}{sizes}   {value}")
        gap = gaps[gaps["grouping"].eq(name) & gaps["finding"].eq(MEAN)].iloc[0]
        lines.append(f"  {_gap(gap)}")
    lines.append("Means are over the findings that all groups of a division can show.")
    return "\n".join(lines)


def _gap(gap: pd.Series) -> str:
    if pd.isna(gap["gap"]):
        return f"no gap: {gap['reason']}"
    how = ", best less worst, chosen afterwards" if gap["chosen"] else ""
    within = _interval(gap["low"], gap["high"], signed=True)
    return f"{gap['group']} - {gap['other']}: {gap['gap']:+.3f}  {within}{how}"


def _literature(evaluation: Evaluation, subject: str, test_images: Iterable[str]) -> str:
    entry = evaluation.metrics[subject]
    reason = why_not_comparable(test_images, entry["auroc"])
    if reason:
        return reason
    rows = [(work.mean_auroc, _work(work)) for work in WORKS if work.split == "official"]
    ordered = sorted([*rows, (entry["mean_auroc"], f"> {subject}")], reverse=True)
    others = [(work.mean_auroc, _work(work)) for work in WORKS if work.split == "random"]
    return "\n".join(
        [
            "on the official test list, mean AUROC",
            *(f"  {value:.3f}  {name}" for value, name in ordered),
            "on random splits, not comparable",
            *(f"  {value:.3f}  {name}" for value, name in others),
        ]
    )


def _work(work: Work) -> str:
    return f"{work.name} ({work.source}{f', {work.year}' if work.year else ''})"


def _of_test(scores: pd.DataFrame, system: str) -> pd.DataFrame:
    return scores[scores["split"].eq("test") & scores["system"].eq(system)]


def _p(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.3f}"


def _spoken(finding: str) -> str:
    return finding.replace("_", " ")


def _estimate(row: Mapping[Any, Any] | pd.Series, name: str = "value", *, digits: int = 3) -> str:
    if pd.isna(row[name]):
        return "–"
    return f"{row[name]:.{digits}f}  {_interval(row['low'], row['high'], digits=digits)}"


def _interval(low: float, high: float, *, signed: bool = False, digits: int = 3) -> str:
    if pd.isna(low):
        return ""
    form = f"{'+' if signed else ''}.{digits}f"
    return f"{low:{form}} to {high:{form}}"
