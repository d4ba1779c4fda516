"""A branch: normalise -> features -> explicit ReLU -> global average pooling -> linear head."""

import logging
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.errors import ArtifactError
from pipeline.networks.backbone import build_backbone
from pipeline.networks.weights import load_weights

log = logging.getLogger(__name__)

# ImageNet statistics of RGB in [0, 1] (torchvision), kept for grey images broadcast to three
# channels so that pretrained weights see the inputs that they were trained on.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class BranchSpec:
    """All that is needed, beside weights, to build a branch again and to feed it."""

    backbone: str
    """An entry of `BACKBONES`."""
    findings: tuple[str, ...]
    """The names of the logits, in order."""
    output_stride: int
    """Input pixels per cell of the feature maps."""
    input_size: int
    """Side of the images it is trained on, in pixels."""
    standardise: bool
    """Whether every image is brought to the same mean and spread, so that exposure is none of
    the network's business; otherwise grey levels are taken as they are."""

    def about(self) -> dict[str, Any]:
        """The JSON-able description that goes into a checkpoint."""
        return asdict(self)


class Branch(nn.Module):
    """The global or the local branch of AG-CNN (arXiv:1801.09927, Sec. 3.1)."""

    def __init__(self, features: nn.Sequential, channels: int, spec: BranchSpec) -> None:
        super().__init__()
        self.spec = spec
        self.features = features
        self.head = nn.Linear(channels, len(spec.findings))
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1))
        self.mean: Tensor
        self.std: Tensor

    @property
    def blocks(self) -> list[nn.Module]:
        """The parts of `features`, first to last, as unfreezing releases them from the end."""
        return list(self.features.children())

    def feature_map(self, images: Float[Tensor, "b 1 s t"]) -> Float[Tensor, "b k h w"]:
        """Non-negative feature maps of grey images in [0, 1].

        The ReLU is explicit and out of place: what is pooled, what heatmaps read and what the
        fusion head sees is one and the same tensor.
        """
        return torch.relu(self.features(self._normalised(images)))

    def _normalised(self, images: Float[Tensor, "b 1 s t"]) -> Float[Tensor, "b 3 s t"]:
        """To zero mean and unit spread: of ImageNet, or of each image itself."""
        if not self.spec.standardise:
            return (images.expand(-1, 3, -1, -1) - self.mean) / self.std
        images = images.float()
        mean = images.mean(dim=(2, 3), keepdim=True)
        std = images.std(dim=(2, 3), keepdim=True, correction=0).clamp(min=1 / 255)
        return ((images - mean) / std).expand(-1, 3, -1, -1)

    def pooled(self, images: Float[Tensor, "b 1 s t"]) -> Float[Tensor, "b k"]:
        """Globally averaged feature maps: what the fusion head joins."""
        return self.feature_map(images).mean(dim=(2, 3))

    def forward(self, images: Float[Tensor, "b 1 s t"]) -> Float[Tensor, "b f"]:
        """Logits of grey images in [0, 1].

        The head computes in the precision of its weights, whatever the features are in: steps of
        bf16 are as large as the differences between images in a rare finding's logit.
        """
        pooled = self.pooled(images).to(self.head.weight.dtype)
        with torch.autocast(pooled.device.type, enabled=False):
            logits: Tensor = self.head(pooled)
        return logits


def build_branch(spec: BranchSpec, *, weights: dict[str, Tensor] | None, seed: int) -> Branch:
    """A branch that is ready to be trained.

    Args:
        spec: what to build.
        weights: a state dict in torchvision's layout, or None for a random initialisation.
        seed: of the random initialisation; the global generator is left as it was.

    Raises:
        ParamsError: unknown backbone, or weights that do not fit it.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        built = build_backbone(spec.backbone, output_stride=spec.output_stride)
        branch = Branch(built.features, built.channels, spec)
    if weights is not None:
        load_weights(built, weights)
    return branch


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
        log.info("starts anew: the global branch is a %s", about["backbone"])
        return
    branch.load_state_dict(state)
    log.info("starts with the weights of the global branch")


def restore_branch(state: dict[str, Tensor], about: dict[str, Any]) -> Branch:
    """The branch that a checkpoint holds, in eval mode.

    Raises:
        ArtifactError: the checkpoint is of another kind of network.
    """
    expected = {field.name for field in fields(BranchSpec)}
    if about.keys() != expected:
        raise ArtifactError(
            f"the checkpoint is not of a branch: it describes {sorted(about)}, expected "
            f"{sorted(expected)}"
        )
    spec = BranchSpec(**{**about, "findings": tuple(about["findings"])})
    branch = build_branch(spec, weights=None, seed=0)
    branch.load_state_dict(state)
    return branch.eval()
