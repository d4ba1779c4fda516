"""CapsNet: primary capsules, routing by agreement, decoder (Sabour et al., arXiv:1710.09829)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.networks.readouts.precision import full_precision

SIDE = 28
"""Side of the images that the layers' sizes are made for, in pixels."""

DIMENSIONS = 16
"""Of a finding's capsule."""

_DIM_IN = 8
_TYPES = 32
_ITERATIONS = 3
_EPS = 1e-8  # of squared lengths: below it a capsule is as good as zero


def squash(vectors: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
    """Shrink each vector to a length in [0, 1), its direction kept (Eq. 1).

    The gradient is finite at the zero vector too.
    """
    squared = vectors.square().sum(dim=-1, keepdim=True)
    return vectors * (squared + _EPS).sqrt() / (1 + squared)


def length_logits(vectors: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
    """The logit of each squashed vector's length, which is a probability already.

    `|squash(s)| = |s|^2 / (1 + |s|^2)`, so its logit is `log |s|^2`: no precision is lost by
    taking the logarithm of a length near 1, and `sigmoid` gives the length back.
    """
    return (vectors.square().sum(dim=-1) + _EPS).log()


def couplings(agreement: Float[Tensor, "b i j"]) -> Float[Tensor, "b i j"]:
    """How each input capsule i shares its vote among the output capsules j (Eq. 3)."""
    return agreement.softmax(dim=2)


def route(
    votes: Float[Tensor, "b i j d"], *, iterations: int = _ITERATIONS
) -> Float[Tensor, "b j d"]:
    """Output capsules before squashing, by routing each sample on its own (Procedure 1).

    All iterations but the last only decide on the couplings, through which no gradient flows.
    """
    agreement = torch.zeros_like(votes[..., 0])
    fixed = votes.detach()
    for _ in range(iterations - 1):
        outputs = squash(_weighted(fixed, couplings(agreement)))
        agreement = agreement + torch.einsum("bijd,bjd->bij", fixed, outputs)
    return _weighted(votes, couplings(agreement))


class ClassCapsules(nn.Module):
    """Feature maps of the first layer to one capsule per class: all of a CapsNet but its start."""

    def __init__(self, classes: int, channels: int = 256) -> None:
        super().__init__()
        self.primary = nn.Conv2d(channels, _TYPES * _DIM_IN, kernel_size=9, stride=2)
        places = ((SIDE - 9 + 1) - 9) // 2 + 1
        inputs = _TYPES * places * places
        # Far smaller than usual: votes that are long from the start leave nothing to agree on.
        self.transform = nn.Parameter(0.01 * torch.randn(inputs, classes * DIMENSIONS, _DIM_IN))

    def forward(self, feature_map: Float[Tensor, "b k 20 20"]) -> Float[Tensor, "b j 16"]:
        """Class capsules before squashing; in fp32 from the primary capsules on."""
        primary = self.primary(feature_map)
        with full_precision(primary):
            places = primary.to(self.transform.dtype).unflatten(1, (_TYPES, _DIM_IN))
            inputs = squash(places.movedim(2, -1).flatten(1, 3))
            votes = torch.einsum("bid,ind->bin", inputs, self.transform)
            outputs: Tensor = route(votes.unflatten(2, (-1, DIMENSIONS)))
            return outputs


class CapsNet(nn.Module):
    """The whole network on 28 x 28 images in [0, 1] (Sec. 4): conv, primary, class capsules."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 256, kernel_size=9)
        self.capsules = ClassCapsules(classes)

    def forward(self, images: Float[Tensor, "b 1 28 28"]) -> Float[Tensor, "b j 16"]:
        """Class capsules before squashing."""
        capsules: Tensor = self.capsules(torch.relu(self.conv1(images)))
        return capsules


class Decoder(nn.Module):
    """Class capsules to the image (Sec. 4.1), all but those of the true labels masked."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(classes * DIMENSIONS, 512),
            nn.ReLU(),
            nn.Linear(512, 1024),
            nn.ReLU(),
            nn.Linear(1024, SIDE * SIDE),
            nn.Sigmoid(),
        )

    def forward(
        self, capsules: Float[Tensor, "b j 16"], targets: Float[Tensor, "b j"]
    ) -> Float[Tensor, "b 1 28 28"]:
        """The reconstruction, in [0, 1].

        Args:
            capsules: squashed.
            targets: 1 where a label is true; of several, every one shows its capsule.
        """
        shown = capsules * targets.unsqueeze(-1)
        return self.layers(shown.flatten(1)).view(-1, 1, SIDE, SIDE)  # type: ignore[no-any-return]


def _weighted(
    votes: Float[Tensor, "b i j d"], coupling: Float[Tensor, "b i j"]
) -> Float[Tensor, "b j d"]:
    return torch.einsum("bij,bijd->bjd", coupling, votes)
