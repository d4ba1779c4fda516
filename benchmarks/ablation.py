"""What each change of the training brings: `python -m benchmarks.ablation`, some seeds.

Trains global branches on the cohort of this checkout, of params.yaml as it stands (`dvc repro
split` first), and compares each with the same one without the change. What is no setting of
params.yaml is written here: only what helps becomes one. A run that is kept is not run again.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from unittest import mock

import torch
import typer
import yaml
from jaxtyping import Float
from timm.models._efficientnet_blocks import DepthwiseSeparableConv, InvertedResidual
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.resnet import BasicBlock
from torchvision.ops import stochastic_depth
from torchvision.transforms.v2.functional import gaussian_blur

from benchmarks.cohort import (
    Cohort,
    Figures,
    mean_of,
    of_variants,
    read_cohort,
    run_all,
    spread,
    told_less,
    told_less_by_seed,
)
from benchmarks.machine import describe_machine
from benchmarks.table import markdown
from pipeline.networks.augment import Tensors, augmentation
from pipeline.networks.branch import Branch
from pipeline.networks.mirror import mirrored
from pipeline.params.whole import Params, parse_params
from pipeline.training.branches import BranchTask
from pipeline.training.fit import Task, fit
from pipeline.training.losses import build_loss
from pipeline.training.plan import build_plan
from pipeline.training.prediction_tables import predict_table

Changes = Mapping[str, Any]
"""By keys of params.yaml, joined by dots."""


def _as_it_is(branch: Branch) -> nn.Module:
    return branch


def _no_other(task: Task) -> Task:
    return task


@dataclass(frozen=True)
class Change:
    """One row of the table."""

    params: Changes = field(default_factory=dict)
    epochs: int = 1
    """Times as many."""
    network: Callable[[Branch], nn.Module] = _as_it_is
    """What is trained in place of the branch, or the branch with something done to it."""
    task: Callable[[Task], Task] = _no_other
    """What is learnt in place of a task."""
    slower: float = 1.0
    """Each block's learning rate is that of the block behind it times this."""
    first: Changes | None = None
    """Another training before it, with these changes, whose weights it starts with."""


def smoothed(task: Task, share: float = 0.1) -> Task:
    """Labels moved a share of the way to their prevalence (arXiv:1512.00567, Sec. 7)."""
    prevalence = task.train.targets.mean(0)

    def loss(logits: Tensor, truth: Tensor) -> Tensor:
        return task.loss(logits, torch.lerp(truth, prevalence.to(truth), share))

    return replace(task, loss=loss)


class Mixed:
    """Each image mixed with another one of its batch, and their losses with them."""

    def __init__(self, task: Task, *, patch: bool, alpha: float = 0.4) -> None:
        self._task, self._patch = task, patch
        self._share = torch.distributions.Beta(alpha, alpha)
        self._drawn: tuple[Tensor, Tensor] | None = None

    @classmethod
    def up(cls, task: Task) -> Task:
        """Mixup (arXiv:1710.09412)."""
        return cls(task, patch=False)._as_task()

    @classmethod
    def cut(cls, task: Task) -> Task:
        """CutMix (arXiv:1905.04899)."""
        return cls(task, patch=True)._as_task()

    def _as_task(self) -> Task:
        return replace(self._task, augment=self._augment, loss=self._loss)

    def _augment(self, inputs: Tensors, drawn: Float[Tensor, "9 b"]) -> Tensors:
        (images,) = self._task.augment(inputs, drawn)
        other = torch.randperm(len(images))
        share = self._share.sample((len(images),))
        if self._patch:
            inside = rectangles(images, 1 - share)
            share = 1 - inside.float().mean((1, 2, 3))
            images = torch.where(inside, images[other], images)
        else:
            part = share[:, None, None, None].to(images)
            images = part * images + (1 - part) * images[other]
        self._drawn = share, other
        return (images,)

    def _loss(self, logits: Tensor, truth: Tensor) -> Tensor:
        if not logits.requires_grad or self._drawn is None:  # validation
            return self._task.loss(logits, truth)
        share, other = self._drawn
        part = share[:, None].to(truth)
        return self._task.loss(logits, part * truth + (1 - part) * truth[other])


def rectangles(
    images: Float[Tensor, "b c h w"], areas: Float[Tensor, " b"]
) -> Float[Tensor, "b 1 h w"]:
    """Which pixels are in a rectangle of that share of each image, wherever it lies."""
    height, width = images.shape[-2:]
    stretch = torch.exp(torch.empty_like(areas).uniform_(-0.5, 0.5))
    tall, wide = areas.sqrt() * stretch, areas.sqrt() / stretch
    middle_y, middle_x = torch.rand_like(areas), torch.rand_like(areas)
    rows = (torch.arange(height) + 0.5) / height - middle_y[:, None]
    columns = (torch.arange(width) + 0.5) / width - middle_x[:, None]
    inside = (rows.abs() < tall[:, None] / 2)[:, :, None] & (columns.abs() < wide[:, None] / 2)[
        :, None
    ]
    return inside[:, None]


def before(task: Task, change: Callable[[Tensor], Tensor]) -> Task:
    """Images changed before they are augmented otherwise."""

    def augment(inputs: Tensors, drawn: Float[Tensor, "9 b"]) -> Tensors:
        return task.augment(tuple(map(change, inputs)), drawn)

    return replace(task, augment=augment)


def other_greys(images: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 h w"]:
    """Two of gamma, blur and noise for each batch, as RandAugment draws (arXiv:1909.13719)."""
    kinds = (_gamma, partial(gaussian_blur, kernel_size=[3, 3]), _noise)
    for kind in torch.randperm(len(kinds))[:2]:
        images = kinds[int(kind)](images)
    return images


def _gamma(images: Tensor) -> Tensor:
    return images.pow(torch.exp(torch.empty(len(images), 1, 1, 1).uniform_(-0.4, 0.4)))


def _noise(images: Tensor) -> Tensor:
    return (images + 0.03 * torch.randn_like(images)).clamp(0, 1)


def erased(images: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 h w"]:
    """A rectangle of each image lost in its mean (arXiv:1708.04896)."""
    inside = rectangles(images, torch.empty(len(images)).uniform_(0.02, 0.2))
    return torch.where(inside, images.mean((1, 2, 3), keepdim=True), images)


def with_dropout(branch: Branch, share: float = 0.2) -> Branch:
    """Whole feature maps dropped before they are read (arXiv:1411.4280, Sec. 3.2)."""
    branch.features.register_forward_hook(
        lambda module, _, maps: functional.dropout2d(maps, share, training=module.training)
    )
    return branch


def with_stochastic_depth(branch: Branch, share: float = 0.1) -> Branch:
    """Residual blocks skipped, the deeper the more often (arXiv:1603.09382)."""
    residuals = [*filter(None, map(_residual_of, branch.modules()))]
    for place, residual in enumerate(residuals, start=1):
        chance = share * place / len(residuals)
        residual.register_forward_hook(
            lambda module, _, maps, chance=chance: stochastic_depth(
                maps, chance, "row", training=module.training
            )
        )
    return branch


def _residual_of(block: nn.Module) -> nn.Module | None:
    """The last layer of what a block adds to its input; None of a block that adds nothing."""
    residual: nn.Module | None = None
    if isinstance(block, BasicBlock):
        residual = block.bn2
    elif isinstance(block, (DepthwiseSeparableConv, InvertedResidual)) and block.has_skip:
        residual = block.drop_path
    return residual


class Coupled(nn.Module):
    """Logits that hear of each other: a residual layer behind the head, which starts as none."""

    def __init__(self, branch: Branch) -> None:
        super().__init__()
        self.branch = branch
        findings = len(branch.spec.findings)
        self.coupling = nn.Linear(findings, findings)
        nn.init.zeros_(self.coupling.weight)
        nn.init.zeros_(self.coupling.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.branch(images)
        coupled: Tensor = self.coupling(logits - self.branch.prior)
        return logits + coupled


CHANGES: dict[str, Change] = {
    "none": Change(),
    "average pooling, no pyramid": Change({"global.pooling": "average", "global.pyramid": 0}),
    "twice the epochs": Change(epochs=2),
    "cosine": Change({"global.schedule": "cosine"}),
    "mean of weights (EMA .98)": Change({"train.ema": 0.98}),
    "twice the epochs, cosine, EMA": Change(
        {"global.schedule": "cosine", "train.ema": 0.98}, epochs=2
    ),
    "epoch of highest AUROC kept": Change({"train.keep": "auroc"}),
    "layer-wise rates (x .7 a block)": Change(slower=0.7),
    "half the batch": Change({"train.batch_size": 16}),
    "weight decay .1": Change({"train.weight_decay": 0.1}),
    "dropout of maps (.2)": Change(network=with_dropout),
    "stochastic depth (.1)": Change(network=with_stochastic_depth),
    "label smoothing (.1)": Change(task=smoothed),
    "mixup": Change(task=Mixed.up),
    "CutMix": Change(task=Mixed.cut),
    "grey levels: gamma, blur, noise": Change(task=partial(before, change=other_greys)),
    "random erasing": Change(task=partial(before, change=erased)),
    "contrast (.2)": Change({"train.augment.contrast": 0.2}),
    "random resized crops (.3)": Change({"train.augment.crop": 0.3}),
    "shift .05, scale .1": Change({"train.augment.shift": 0.05, "train.augment.scale": 0.1}),
    "flip, and mean of both at test": Change(
        {"train.augment.flip": 0.5, "train.flip_at_predict": True}
    ),
    "twice the epochs, flip, mean of both": Change(
        {"train.augment.flip": 0.5, "train.flip_at_predict": True}, epochs=2
    ),
    "asymmetric loss": Change({"train.loss": "asymmetric"}),
    "focal loss": Change({"train.loss": "focal"}),
    "coupled findings": Change(network=Coupled),
    "128 px": Change({"train.input_size": 128}),
    "2 epochs at 64 px, then 1": Change(
        {"global.epochs": 1}, first={"global.epochs": 2, "train.input_size": 64}
    ),
    "4 epochs at 64 px, then 1": Change(
        {"global.epochs": 1}, first={"global.epochs": 4, "train.input_size": 64}
    ),
}
"""By what is changed."""


def with_changes(params: Mapping[str, Any], *changes: Changes) -> Params:
    """The values of a params file with others, checked."""
    values = yaml.safe_load(yaml.safe_dump(dict(params)))
    for key, value in (pair for one in changes for pair in one.items()):
        *sections, last = key.split(".")
        section = values
        for name in sections:
            section = section[name]
        section[last] = value
    return parse_params(values, name="params.yaml, changed")


def changed(params: Mapping[str, Any], change: Change) -> Params:
    """The values of a params file with those of a row."""
    longer = {"global.epochs": params["global"]["epochs"] * change.epochs}
    return with_changes(params, longer, change.params)


def run_change(cohort: Cohort, params: Mapping[str, Any], name: str, seed: int) -> Figures:
    """Train one global branch with a change, and judge it on test images."""
    change = CHANGES[name]
    cfg = changed(params, change)
    task = cohort.global_task(cfg, seed=seed)
    start = time.process_time()
    if change.first is not None:
        earlier = cohort.global_task(with_changes(params, change.first), seed=seed)
        task.branch.load_state_dict(_trained(earlier, Change()).state_dict())
    network = _trained(task, change)
    minutes = (time.process_time() - start) / 60
    seeing = mirrored(network, on=cfg.train.flip_at_predict) if network is task.branch else network
    return {
        "minutes": minutes,
        "auroc": cohort.test_aurocs(predict_table(seeing, task.examples)),
    }


def _trained(task: BranchTask, change: Change) -> nn.Module:
    train, params = task.train, task.params
    fitted = build_loss(train.loss, task.examples["train"].targets, train.losses)
    augment = augmentation(train.augment, alpha=train.standardise)
    plain = Task(task.examples["train"], task.examples["val"], fitted.loss, augment)
    plan = build_plan(train, params, precision=train.precision, seed=task.seed)
    network = change.network(task.branch)
    with ExitStack() as stack:
        if change.slower != 1:
            layered = _rates(torch.optim.AdamW, task.branch, change.slower)
            stack.enter_context(mock.patch.object(torch.optim, "AdamW", layered))
        for _ in fit(network, change.task(plain), plan):
            pass
    return network


def _rates(optimizer: Callable[..., Any], branch: Branch, factor: float) -> Callable[..., Any]:
    """The optimiser with a learning rate for each block, the head's as it is given."""

    def build(_: Any, *, lr: float, **others: Any) -> Any:
        blocks = [list(one.parameters()) for one in branch.blocks]
        inside = {id(one) for block in blocks for one in block}
        groups = [[one for one in branch.parameters() if id(one) not in inside], *blocks[::-1]]
        return optimizer(
            [{"params": own, "lr": lr * factor**depth} for depth, own in enumerate(groups)],
            lr=lr, **others,
        )  # fmt: skip

    return build


def table(runs: Sequence[Figures]) -> str:
    """In Markdown: a row for each change; means over seeds."""
    head = [
        "change", "seeds", "test AUROC (lowest, highest seed)", "difference (95 % of patients)",
        "lowest and highest seed", "CPU minutes",
    ]  # fmt: skip
    rows = [head]
    changes = of_variants(runs)
    for name, own in changes.items():
        usual = changes["none"]
        less = ["", ""]
        if name != "none":
            less = [told_less(own, usual), told_less_by_seed(own, usual)]
        minutes = f"{mean_of(own, 'minutes'):.1f}"
        rows.append([name, str(len(own)), spread(own), *less, minutes])
    return markdown(rows)


def main(
    changes: Annotated[
        str, typer.Option(help="Rows, separated by semicolons; `none` is always among them.")
    ] = ";".join(CHANGES),
    seeds: Annotated[int, typer.Option(help="Of weights and batches: 1, 2, ...")] = 3,
    kept: Annotated[Path, typer.Option(help="JSON lines, one a run.")] = Path("ablation.jsonl"),
) -> None:
    """Train and judge each change under each seed, and print the table of all of them."""
    names = dict.fromkeys(["none", *changes.split(";")])
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    runs = run_all(names, seeds, kept, partial(run_change, read_cohort(Path()), params))
    print(f"{describe_machine()}\n\n{table(runs)}")  # noqa: T201


if __name__ == "__main__":
    typer.run(main)
