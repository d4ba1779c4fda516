"""The page of two runs beside each other: one self-contained HTML file."""

from pipeline.results.beside.revision_files import RunFiles
from pipeline.results.beside.two_runs import TwoRuns
from pipeline.results.evaluation.scores import MEAN
from pipeline.results.pictures.gallery import Picture
from pipeline.results.report.pages import environment
from pipeline.results.report.verdict import verdict
from pipeline.results.report.views.box_table import Estimate
from pipeline.results.report.views.strip import strip
from pipeline.results.report.views.subgroup_view import scale_of

TEMPLATE = "two_runs.html.jinja"


def render_two_runs(
    this: RunFiles, other: RunFiles, found: TwoRuns, *, names: tuple[str, str]
) -> str:
    """The whole page as HTML.

    Args:
        this: the run under study.
        other: the one that it is compared with.
        found: of `compare_runs`.
        names: of both.
    """
    estimates = [row.difference.estimate for row in found.findings if row.difference]
    return (
        environment("pipeline.results.beside")
        .get_template(TEMPLATE)
        .render(
            names=names,
            strips=[_strip(run) for run in (this, other)],
            verdicts=[verdict(run.systems, run.methods) for run in (this, other)],
            found=found,
            mean=MEAN,
            scale=scale_of([*estimates, Estimate(0.0, None, None)]),
            pictures=_beside(this, other),
        )
    )


def _strip(run: RunFiles) -> list[tuple[str, str]]:
    counted = {"images": len(run.images), "patients": int(run.images["patient_id"].nunique())}
    return strip(run.settings, counted, made="ceiling" in run.systems)


def _beside(this: RunFiles, other: RunFiles) -> list[tuple[str, Picture, Picture]]:
    """The median test images of the findings that both show."""
    theirs = {picture.finding: picture for picture in other.gallery.examples}
    return [
        (picture.finding, picture, theirs[picture.finding])
        for picture in this.gallery.examples
        if picture.finding in theirs
    ]
