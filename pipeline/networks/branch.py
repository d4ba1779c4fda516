"""A branch: normalise -> features -> explicit ReLU -> readout -> linear head."""

import logging
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.base.grid import Grid
from pipeline.errors import ArtifactError
from pipeline.networks.backbones.backbone import Backbone
from pipeline.networks.backbones.centring import centre_grid
from pipeline.networks.backbones.pyramid import with_pyramid
from pipeline.networks.backbones.receptive_field import measure_grid
from pipeline.networks.backbones.zoo import CAPSNET, CASCADE, build_backbone, is_cascade
from pipeline.networks.readouts.pooling import EvidencePooling
from pipeline.networks.readouts.precision import full_precision
from pipeline.networks.readouts.readout import POOLINGS, PickLogits, Readout, capsules, cascade
from pipeline.networks.standardise import standardised
from pipeline.networks.weights import Weights, load_branch, load_capsnet, load_published
from pipeline.networks.xrv_start import load_xrv

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BranchSpec:
    """All that is needed, beside weights, to build a branch again and to feed it."""

    backbone: str
    """An entry of `BACKBONES`, `timm:<name>`, or one of these with `_capsnet` behind it."""
    findings: tuple[str, ...]
    """The names of the logits, in order."""
    output_stride: int
    """Most input pixels per cell of the feature maps."""
    input_size: int
    """Side of the images it is trained on, in pixels."""
    standardise: bool
    """Whether every image is brought to the same mean and spread, so that exposure is none of
    the network's business; otherwise grey levels are taken as they are."""
    centred: bool = True
    """Whether the grid of its feature maps is brought to the middle of the image (`centring`)."""
    pooling: str = "average"
    """How evidence becomes a logit, of a branch without capsules: an entry of `POOLINGS`."""
    pyramid: int = 0
    """Most input pixels per cell of a pyramid's finest level; 0 for none."""

    def about(self) -> dict[str, Any]:
        """The JSON-able description that goes into a checkpoint."""
        return asdict(self)


@runtime_checkable
class Pooling(Protocol):
    """What looks at images as a branch does: a branch, or one that looks twice."""

    def pooled(self, images: Float[Tensor, "b a s t"]) -> Float[Tensor, "b k"]:
        """Features of grey images in [0, 1]."""

    def logits(self, pooled: Float[Tensor, "b k"]) -> Float[Tensor, "b f"]:
        """Logits of such features."""


class Branch(nn.Module):
    """The global or the local branch of AG-CNN (arXiv:1801.09927, Sec. 3.1)."""

    def __init__(
        self,
        backbone: Backbone,
        readout: Readout,
        head: nn.Linear | PickLogits,
        grid: Grid,
        spec: BranchSpec,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.grid = grid
        self.blocks = backbone.blocks
        self.features = backbone.features
        self.readout = readout
        self.head = head
        self.register_buffer("prior", torch.zeros(len(spec.findings)))
        self.register_buffer("mean", torch.tensor(backbone.mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(backbone.std).view(1, -1, 1, 1))
        self.prior: Tensor
        """Logits of an image of which nothing is known: what is usual for each finding; infinite
        for one that was never learnt, as no label was known."""
        self.mean: Tensor
        self.std: Tensor

    def feature_map(self, images: Float[Tensor, "b a s t"]) -> Float[Tensor, "b k h w"]:
        """Non-negative feature maps of grey images in [0, 1]."""
        return self.maps_of(self.normalised(images))

    def maps_of(self, normalised: Float[Tensor, "b c s t"]) -> Float[Tensor, "b k h w"]:
        """Non-negative feature maps of what `normalised` has made of images.

        The ReLU is explicit and out of place: what is pooled, what heatmaps read and what the
        fusion head sees is one and the same tensor.
        """
        return torch.relu(self.features(normalised))

    def normalised(self, images: Float[Tensor, "b a s t"]) -> Float[Tensor, "b c s t"]:
        """Broadcast to the network's channels, to zero mean and unit spread.

        Those are of the images that it was pretrained on, or of each image itself. A second
        channel is alpha, as `standardised` takes it.

        Raises:
            ValueError: there are more channels.
        """
        if images.shape[1] > 2:
            raise ValueError(f"expected grey, or grey and alpha; found {images.shape[1]} channels")
        if not self.spec.standardise:
            return (images[:, :1] - self.mean) / self.std
        return standardised(images).expand(-1, self.mean.shape[1], -1, -1)

    def pooled(self, images: Float[Tensor, "b a s t"]) -> Float[Tensor, "b d"]:
        """What the readout makes of the feature maps, and what the fusion head joins."""
        pooled: Tensor = self.readout(self.feature_map(images))
        return pooled

    def start_at(self, logits: Float[Tensor, " f"]) -> None:
        """Let the head give these logits before it has learnt anything else, and keep them.

        A capsule's logit is its length, which no bias shifts: they are only kept then.
        """
        self.prior.copy_(logits)
        bias = self.head.bias if isinstance(self.head, nn.Linear) else None
        if isinstance(self.readout, EvidencePooling):
            bias = self.readout.bias
        if bias is not None:
            with torch.no_grad():
                bias.copy_(logits.nan_to_num(posinf=0.0))

    def forward(self, images: Float[Tensor, "b a s t"]) -> Float[Tensor, "b f"]:
        """Logits of grey images in [0, 1]."""
        return self.logits(self.pooled(images))

    def logits(self, pooled: Float[Tensor, "b k"]) -> Float[Tensor, "b f"]:
        """Logits of pooled features.

        The head computes in the precision of its weights, whatever the features are in: steps of
        bf16 are as large as the differences between images in a rare finding's logit.
        """
        pooled = pooled.to(self.head.weight.dtype)
        with full_precision(pooled):
            logits: Tensor = self.head(pooled)
        return logits


def build_branch(
    spec: BranchSpec,
    *,
    weights: Weights | None,
    seed: int,
    prior_logits: Float[Tensor, " f"] | None = None,
    capsnet: dict[str, Tensor] | None = None,
) -> Branch:
    """A branch that is ready to be trained.

    Args:
        spec: what to build.
        weights: where its backbone starts, or None for a random initialisation.
        seed: of the random initialisation; the global generator is left as it was.
        prior_logits: what a head gives before it has learnt anything, unless `weights` bring one.
        capsnet: where a cascade's CapsNet starts, pretrained; empty for every other branch. None
            starts it at random.

    Raises:
        ParamsError: unknown backbone, or weights that do not fit it.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone, branch = _assemble(spec)
    if prior_logits is not None:
        branch.start_at(prior_logits)
    if capsnet is not None:
        load_capsnet(branch.readout, capsnet)
    if weights is not None:
        _start(branch, backbone, weights)
    return branch


def _start(branch: Branch, backbone: Backbone, weights: Weights) -> None:
    if weights.about is not None:  # another run's, which may bring head and capsules
        load_branch(branch, branch.spec.about(), weights)
    elif weights.outputs is None:
        load_published(backbone, weights.state, name=branch.spec.backbone)
    else:
        load_xrv(branch, branch.spec.about(), backbone, weights)


def _assemble(spec: BranchSpec) -> tuple[Backbone, Branch]:
    backbone = build_backbone(
        spec.backbone.removesuffix(CASCADE),
        output_stride=spec.output_stride,
        input_size=spec.input_size,
    )
    image = torch.zeros(1, len(backbone.mean), spec.input_size, spec.input_size)
    if spec.centred:
        centre_grid(backbone.features, image)
    if spec.pyramid:
        backbone, grid = with_pyramid(backbone, image, spec.pyramid, name=spec.backbone)
    else:
        _, grid = measure_grid(backbone.features, image)
    if spec.backbone == CAPSNET:
        readout, head = capsules(len(spec.findings))
    elif is_cascade(spec.backbone):
        readout, head = cascade(backbone.channels, len(spec.findings))
    else:
        readout, head = POOLINGS[spec.pooling](backbone.channels, len(spec.findings))
    return backbone, Branch(backbone, readout, head, grid, spec)


def adopt(branch: Branch, state: dict[str, Tensor], about: dict[str, Any], *, start: str) -> None:
    """Let the local branch start with what the global one has learnt, head included.

    Nothing is done unless `start` is "global" and both have the same backbone: weights of
    another one would mean nothing.

    Args:
        branch: the local branch.
        state: the global branch's weights.
        about: the global branch's description.
        start: `local.start` of params.yaml.
    """
    if start != "global":
        return
    if about["backbone"] != branch.spec.backbone:
        log.warning(
            "does not start as the global branch ended, which is a %s, but from its own weights; "
            "expected the same backbone in both branches for that",
            about["backbone"],
        )
        return
    load_branch(branch, branch.spec.about(), Weights(state, about))
    log.info("starts with the weights of the global branch")


def restore_branch(state: dict[str, Tensor], about: dict[str, Any]) -> Branch:
    """The branch that a checkpoint holds, in eval mode.

    Raises:
        ArtifactError: the checkpoint is of another kind of network.
    """
    branch = unfold_branch(about)
    load_whole(branch, state)
    return branch.eval()


def load_whole(network: nn.Module, state: dict[str, Tensor]) -> None:
    """Load all weights of a network with branches; files from before they kept a prior lack it."""
    own = network.state_dict()
    priors = {name: own[name] for name in own if name.rpartition(".")[2] == "prior"}
    network.load_state_dict(priors | state)


_BEFORE: dict[str, Any] = {"centred": False, "pooling": "average", "pyramid": 0}
"""Of a checkpoint from before there was a choice."""


def unfold_branch(about: dict[str, Any], *, seed: int = 0) -> Branch:
    """The branch that a checkpoint describes, with random weights in place of its own.

    Raises:
        ArtifactError: it describes another kind of network.
    """
    about = _BEFORE | about
    expected = {field.name for field in fields(BranchSpec)}
    if about.keys() != expected:
        raise ArtifactError(
            f"the checkpoint is not of a branch: it describes {sorted(about)}, expected "
            f"{sorted(expected)}"
        )
    spec = BranchSpec(**{**about, "findings": tuple(about["findings"])})
    return build_branch(spec, weights=None, seed=seed)
