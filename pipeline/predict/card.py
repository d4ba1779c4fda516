"""A packaged model as a card (Mitchell et al. 2019, arXiv:1810.03993)."""

from pipeline.predict.description import Description, Score

USE = (
    "For research. Not a medical device: no decision about a patient may rest on it.",
    "For frontal radiographs of the chest, PA or AP, of adults mostly, as ChestX-ray14 has them.",
    "Labels of its training images were mined from reports, and are wrong in about one of ten.",
)


def model_card(about: Description) -> str:
    """Markdown."""
    images = ", ".join(f"{name} {count:,}" for name, count in about.cohort.images.items())
    members = ", ".join(
        f"{name} (through its branches)" if at != name else name
        for name, at in about.members.items()
    )
    lines = [
        "# A model of chest radiographs",
        "",
        *(f"- {line}" for line in USE),
        "",
        f"- Members: {members}; their vote is the {about.vote} of their probabilities.",
        f"- Images: {images}; SHA-256 of their tables {about.cohort.digest[:12]}.",
        f"- Cached images of {about.image_side} px; crops by {about.crop.method}, "
        f"{about.crop.size} px.",
        f"- Git revision: {about.revision or 'not exported, so none'}.",
        "",
        "| finding | test AUROC | 95 % interval | positives | call at p, by Youden |",
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
