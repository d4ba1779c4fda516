"""From the evidence of a finding in every cell to its logit: other means than the plain one.

`E_f = w_f A` is what each cell says of finding f: its class activation map (arXiv:1512.04150).
Behind global average pooling its plain mean is the logit, less the bias. Here are other means of
the same map. A sharper mean lets few cells decide, so that a small lesion is not averaged away,
and training corrects the map where it is high.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from pipeline.networks.readouts.precision import full_precision

Evidence = Float[Tensor, "b f h w"]
FeatureMaps = Float[Tensor, "b k h w"]
OfFindings = Float[Tensor, "b f"]
Bias = Float[Tensor, " f"]

SHARPNESS = 5.0
"""r of log-sum-exp: 0 is the mean, infinity the maximum."""

POWER = 3.0
"""p with which the generalised mean starts, as its authors' does."""


class LogSumExp(nn.Module):
    """`log(mean(exp(r E))) / r` (arXiv:1411.6228, Eq. 5): between mean and maximum."""

    def forward(self, evidence: Evidence, _maps: FeatureMaps, _bias: Bias) -> OfFindings:
        """Logits less the bias."""
        cells = evidence.flatten(2)
        return (torch.logsumexp(SHARPNESS * cells, -1) - math.log(cells.shape[-1])) / SHARPNESS


class ProbabilisticCam(nn.Module):
    """The mean of E, each cell weighed by its own probability (PCAM, arXiv:2005.14480, Eq. 4)."""

    def forward(self, evidence: Evidence, _maps: FeatureMaps, bias: Bias) -> OfFindings:
        """Logits less the bias."""
        cells = evidence.flatten(2)
        weights = functional.logsigmoid(cells + bias[:, None]).softmax(-1)  # sigmoid over its sum
        return (weights * cells).sum(-1)


class Attention(nn.Module):
    """The mean of E, each cell weighed by what its features ask for (arXiv:1802.04712, Eq. 7).

    A softmax over the cells, of one learnt direction per finding; it starts as the plain mean.
    """

    def __init__(self, channels: int, findings: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(findings, channels))

    def forward(self, evidence: Evidence, maps: FeatureMaps, _bias: Bias) -> OfFindings:
        """Logits less the bias."""
        weights = torch.einsum("bkhw,fk->bfhw", maps, self.query).flatten(2).softmax(-1)
        return (weights * evidence.flatten(2)).sum(-1)


class Mean(nn.Module):
    """The plain mean of E."""

    def forward(self, evidence: Evidence, _maps: FeatureMaps, _bias: Bias) -> OfFindings:
        """Logits less the bias."""
        return evidence.mean(dim=(2, 3))


class GeneralisedMean(nn.Module):
    """Maps whose plain mean is `mean(A^p)^(1/p)` (arXiv:1711.02512, Eq. 3): `A^p` to that scale.

    p is learnt, one for all channels.
    """

    def __init__(self) -> None:
        super().__init__()
        self.power = nn.Parameter(torch.tensor(POWER))

    def forward(self, maps: FeatureMaps) -> FeatureMaps:
        """Maps of the same shape."""
        raised = maps.clamp_min(1e-6) ** self.power
        mean = raised.mean(dim=(2, 3), keepdim=True)
        return raised / mean * mean ** (1 / self.power)


class EvidencePooling(nn.Module):
    """The readout that pools evidence: `[mean of each feature map (k), logits (f)]`.

    The means are what the fusion head joins, beside the logits, which the branch's head picks.
    """

    def __init__(
        self, channels: int, findings: int, *, pool: nn.Module, reshape: nn.Module | None = None
    ) -> None:
        super().__init__()
        start = nn.Linear(channels, findings)
        self.weight = start.weight
        self.bias = nn.Parameter(torch.zeros(findings))
        self.reshape = reshape or nn.Identity()
        self.pool = pool

    def evidence(self, maps: FeatureMaps) -> Evidence:
        """The class activation maps, which `pool` makes the logits of."""
        return torch.einsum("bkhw,fk->bfhw", self.reshape(maps), self.weight)

    def forward(self, maps: FeatureMaps) -> Float[Tensor, "b d"]:
        """Mean features and logits, in fp32."""
        maps = maps.float()
        with full_precision(maps):
            pooled: OfFindings = self.pool(self.evidence(maps), maps, self.bias)
            return torch.cat([maps.mean(dim=(2, 3)), pooled + self.bias], dim=1)
