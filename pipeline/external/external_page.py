"""The page of external validation: one self-contained HTML file."""

import base64
from collections.abc import Sequence

from pipeline.external.external_cohort import ExternalCohort
from pipeline.external.external_predictions import Said
from pipeline.external.transfer import SHARES, Transfer
from pipeline.external.transfer_chart import transfer_chart
from pipeline.predict.about.description import Description
from pipeline.results.report.evaluation_part import SINGLE
from pipeline.results.report.pages import environment
from pipeline.results.report.views.evaluation_view import estimate_in
from pipeline.results.report.views.subgroup_view import grouping_views

TEMPLATE = "external.html.jinja"


def render_external(
    about: Description,
    cohort: ExternalCohort,
    said: Said,
    transfer: Transfer,
    *,
    folder: str,
    model: str,
    verdict: Sequence[str],
) -> str:
    """The whole page as HTML.

    Args:
        about: the model.
        cohort: that it was tried on.
        said: what it said of the cohort.
        transfer: how right that was.
        folder: the cohort's, as a person named it.
        model: likewise.
        verdict: sentences of `transfer_verdict`.
    """
    tables = transfer.evaluation.tables
    views = grouping_views(tables["subgroups"], tables["gaps"])
    chart = base64.b64encode(transfer_chart(transfer.table).encode()).decode()
    return (
        environment(__package__)
        .get_template(TEMPLATE)
        .render(
            about=about,
            source=cohort.source,
            left_out=cohort.left_out,
            images=len(cohort.index),
            patients=int(cohort.index["patient_id"].nunique()),
            said=said,
            folder=folder,
            model=model,
            verdict=verdict,
            rows=transfer.table.to_dict("records"),
            estimate_in=estimate_in,
            shares=SHARES,
            chart=f"data:image/svg+xml;base64,{chart}",
            groupings=[one for one in views if one.name in SINGLE],
            not_judged=transfer.not_judged,
        )
    )
