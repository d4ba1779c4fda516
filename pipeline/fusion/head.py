"""The fusion head: pooled features of both branches and what is known of the patient."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.errors import ArtifactError
from pipeline.networks.branch import Branch, Pooling, load_whole, unfold_branch
from pipeline.networks.mirror import Mirrored
from pipeline.networks.readouts.precision import full_precision
from pipeline.networks.readouts.readout import PickLogits


@dataclass(frozen=True)
class FusionSpec:
    """All that is needed, beside weights and branches, to build a fusion head again."""

    head: str
    """An entry of `HEADS`."""
    inputs: int
    """Pooled features of both branches and columns of metadata."""
    findings: tuple[str, ...]
    """The names of the logits, in order."""
    hidden: int
    dropout: float

    def about(self) -> dict[str, Any]:
        """The JSON-able description that goes into a checkpoint."""
        return asdict(self)


class LinearFusion(nn.Module):
    """Linear head on `[global pooled, local pooled, metadata]` (AG-CNN, Sec. 3.1, Eq. 4)."""

    def __init__(self, spec: FusionSpec) -> None:
        super().__init__()
        self.head = nn.Linear(spec.inputs, len(spec.findings))

    def forward(self, joined: Float[Tensor, "b d"]) -> Float[Tensor, "b f"]:
        """Logits."""
        logits: Tensor = self.head(joined)
        return logits


class MlpFusion(nn.Module):
    """The linear head and, added to its logits, those of a hidden layer with dropout.

    The hidden layer's share is nothing before training: it can only add to what the linear head
    knows.
    """

    def __init__(self, spec: FusionSpec) -> None:
        super().__init__()
        self.head = nn.Linear(spec.inputs, len(spec.findings))
        last = nn.Linear(spec.hidden, len(spec.findings))
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.mlp = nn.Sequential(
            nn.LayerNorm(spec.inputs),  # pooled features of two networks differ in scale
            nn.Linear(spec.inputs, spec.hidden),
            nn.ReLU(),
            nn.Dropout(spec.dropout),
            last,
        )

    def forward(self, joined: Float[Tensor, "b d"]) -> Float[Tensor, "b f"]:
        """Logits."""
        logits: Tensor = self.head(joined) + self.mlp(joined)
        return logits


Fusion = LinearFusion | MlpFusion

HEADS: dict[str, Callable[[FusionSpec], Fusion]] = {"linear": LinearFusion, "mlp": MlpFusion}


class JointFusion(nn.Module):
    """Both branches and the fusion head as one network, to be trained through."""

    def __init__(self, global_: Pooling, local: Pooling, fusion: Fusion) -> None:
        super().__init__()
        self.global_ = global_
        self.local = local
        self.fusion = fusion

    def forward(
        self,
        images: Float[Tensor, "b a s s"],
        crops: Float[Tensor, "b a t t"],
        metadata: Float[Tensor, "b m"],
    ) -> Float[Tensor, "b f"]:
        """Logits of grey images and their crops in [0, 1]; the head computes in fp32."""
        pooled = (self.global_.pooled(images), self.local.pooled(crops))
        joined = torch.cat([part.float() for part in (*pooled, metadata)], dim=1)
        with full_precision(joined):
            logits: Tensor = self.fusion(joined)
        return logits


def join_branches(global_: Branch, local: Branch, fusion: Fusion) -> JointFusion:
    """One network to be trained: the branches' own heads, which nobody asks then, are frozen."""
    for branch in (global_, local):
        branch.head.requires_grad_(requires_grad=False)
    return JointFusion(global_, local, fusion)


def build_fusion(
    spec: FusionSpec,
    global_: nn.Linear | PickLogits,
    local: nn.Linear | PickLogits,
    *,
    seed: int,
) -> Fusion:
    """A fusion head that starts as the mean of both branches' logits.

    From there, training can only be for the better: a randomly initialised head has to find
    again, from few positives, what the branches' own heads already know.

    Args:
        spec: what to build.
        global_: head of the global branch.
        local: head of the local branch, with the same findings.
        seed: of what is random in a hidden layer; the global generator is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fusion = HEADS[spec.head](spec)
    known = [global_.weight / 2, local.weight / 2]
    pooled = sum(weight.shape[1] for weight in known)
    unknown = torch.zeros(len(spec.findings), spec.inputs - pooled)
    with torch.no_grad():
        fusion.head.weight.copy_(torch.cat([*known, unknown], dim=1))
        fusion.head.bias.copy_((global_.bias + local.bias) / 2)
    return fusion


def restore_fusion(state: dict[str, Tensor], about: dict[str, Any]) -> Fusion | JointFusion:
    """The fusion head that a checkpoint holds, with its branches if they learnt with it.

    In eval mode.

    Raises:
        ArtifactError: the checkpoint is of another kind of network.
    """
    if not {"fusion", "global", "local"} <= about.keys():
        described = ", ".join(sorted(about))
        raise ArtifactError(f"the checkpoint is not of a fusion head: it describes {described}")
    spec = about["fusion"]
    with torch.random.fork_rng(devices=[]):
        fusion = HEADS[spec["head"]](FusionSpec(**{**spec, "findings": tuple(spec["findings"])}))
    network: Fusion | JointFusion = fusion
    if any(name.startswith("global_.") for name in state):
        global_, local = (unfold_branch(about[name]) for name in ("global", "local"))
        network = JointFusion(global_, local, fusion)
    load_whole(network, state)
    return network.eval()


def mirrored_branches(fusion: Fusion | JointFusion, *, on: bool) -> Fusion | JointFusion:
    """`fusion` with branches that look twice if `on`; a head of stored features has none."""
    if on and isinstance(fusion, JointFusion):
        return JointFusion(Mirrored(fusion.global_), Mirrored(fusion.local), fusion.fusion)
    return fusion
