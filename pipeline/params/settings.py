"""What of params.yaml names a run: the first line of its page."""

from pathlib import PurePosixPath
from typing import Any

from pipeline.params.merging import made_by
from pipeline.params.whole import Params


def settings(params: Params, text: str) -> dict[str, Any]:
    """Recipe, cohort, networks and seed, JSON-able.

    Args:
        params: as checked.
        text: of the file, whose first line names the recipe that it was made by.
    """
    is_own = PurePosixPath(params.ingest.source) == PurePosixPath("data/phantom")
    return {
        "recipe": made_by(text),
        "source": params.ingest.source,
        "cohort_seed": params.phantom.seed if is_own else None,
        "members": {
            name: params.members[name].model_dump(by_alias=True, mode="json")
            for name in params.ensemble.members
        },
        "input_px": params.train.input_size,
        "epochs": {"global": params.global_.epochs, "local": params.local.epochs},
        "seed": params.seed,
    }
