"""Every backbone side by side: what it costs, and what an epoch of it reaches."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipeline.base.findings import FINDINGS
from pipeline.networks.branch import BranchSpec, build_branch
from pipeline.params.whole import Params
from pipeline.training.branches import fit_branch, prior_logits
from pipeline.training.data.examples import Examples
from pipeline.training.state import Epoch
from pipeline.zoo.describe import Description, describe

log = logging.getLogger(__name__)

SIZE = 224
"""Side of the images for which costs are told, in pixels: the field's usual one."""

HEAD = f"""\
| backbone | parameters | GFLOPs at {SIZE} | feature maps | stride | val AUROC | images/s |
|---|---|---|---|---|---|---|"""


@dataclass(frozen=True)
class Entry:
    """A backbone's row."""

    cost: Description
    epoch: Epoch


def train_zoo(
    names: Iterable[str], examples: dict[str, Examples], params: Params
) -> Iterator[Entry]:
    """Each backbone trained for one epoch as a global branch, from random weights.

    Args:
        names: of the backbones, in the order in which they are trained.
        examples: images at `train.input_size`.
        params: for `train` and `global`, of which only one epoch is run.
    """
    one_epoch = params.global_.model_copy(update={"epochs": 1, "head_epochs": 0})
    for name in names:
        log.info("%s", name)
        spec = BranchSpec(
            name,
            FINDINGS,
            output_stride=one_epoch.output_stride,
            input_size=params.train.input_size,
            standardise=params.train.standardise,
        )
        prior = prior_logits(examples["train"], params.train)
        branch = build_branch(spec, weights=None, prior_logits=prior, seed=params.seed)
        (epoch,) = fit_branch(branch, examples, params.train, one_epoch, seed=params.seed)
        yield Entry(describe(name, size=SIZE), epoch)


def table(entries: Iterable[Entry]) -> str:
    """In Markdown."""
    return "\n".join([HEAD, *(_row(entry) for entry in entries)])


def _row(entry: Entry) -> str:
    cost, epoch = entry.cost, entry.epoch
    cells = [
        f"`{cost.backbone}`",
        f"{cost.parameters / 1e6:.1f} M",
        f"{cost.multiply_adds / 1e9:.2f}",
        f"{cost.channels:,} x {cost.cells} x {cost.cells}",
        f"{cost.stride:.0f} px",
        f"{epoch.val_auroc:.3f}",
        f"{epoch.images_per_second:,.0f}",
    ]
    return f"| {' | '.join(cells)} |"
