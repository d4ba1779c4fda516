"""A packaged model as a card (Mitchell et al. 2019, arXiv:1810.03993)."""

from collections.abc import Mapping

from pipeline.predict.about.description import Description, Score

USE = (
    "For research. Not a medical device: no decision about a patient may rest on it.",
    "For frontal radiographs of the chest, PA or AP, of adults mostly, as ChestX-ray14 has them.",
)
SYNTHETIC = "Trained on a synthetic cohort: it knows nothing of real radiographs."
MINED = (
    "Labels of ChestX-ray14 were mined from reports; its authors take more than 90 % for right."
)


def model_card(about: Description, backbones: Mapping[str, str]) -> str:
    """Markdown.

    Args:
        about: the model.
        backbones: of `read_backbones`.
    """
    images = ", ".join(f"{name} {count:,}" for name, count in about.cohort.images.items())
    members = "; ".join(
        f"{name} ({backbones.get(name, 'networks not here')}"
        f"{', trained through its branches' if at != name else ''})"
        for name, at in about.members.items()
    )
    source = SYNTHETIC if about.cohort.is_synthetic else MINED
    lines = [
        "# A model of chest radiographs",
        "",
        *(f"- {line}" for line in (*USE, source)),
        "",
        f"- Members: {members}; they vote by {about.vote}; heatmaps are {about.shown}'s.",
        f"- Images: {images}; SHA-256 of their tables {about.cohort.digest[:12]}.",
        f"- Cached images of {about.image_side} px; crops by {about.crop.method}, "
        f"{about.crop.input_size} px.",
        f"- Exported from git revision: {about.revision or 'none, it was not exported'}.",
        "",
        "| finding | test AUROC | 95 % interval | positives | call at raw p, by Youden |",
        "|---|---|---|---|---|",
    ]
    for finding in about.findings:
        score, at = about.scores.get(finding), about.calls[finding].thresholds.get("youden")
        cells = [*_cells(score), "–" if at is None else f"{at:.3f}"]
        lines.append(f"| {finding.replace('_', ' ')} | {' | '.join(cells)} |")
    lines.append(f"| **mean** | {' | '.join(_cells(about.mean))} | |")
    return "\n".join(lines)


def _cells(score: Score | None) -> list[str]:
    if score is None:
        return ["–", "–", "–"]
    interval = "–" if score.low is None else f"{score.low:.3f} to {score.high:.3f}"
    return [
        f"{score.auroc:.3f}",
        interval,
        "" if score.positives is None else f"{score.positives:,}",
    ]
