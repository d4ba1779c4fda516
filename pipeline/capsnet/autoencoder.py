"""A CapsNet with its decoder: what is pretrained before a cascade is joined to its backbone."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.networks.readouts.capsule import CapsNet, Decoder, length_logits, squash


class CapsuleAutoencoder(nn.Module):
    """CapsNet and decoder, trained together (Sabour et al., arXiv:1710.09829, Sec. 4.1)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.capsnet = CapsNet(classes)
        self.decoder = Decoder(classes)

    def forward(
        self, images: Float[Tensor, "b 1 28 28"], targets: Float[Tensor, "b j"]
    ) -> Float[Tensor, "b d"]:
        """`[logits (j), squared error of the reconstruction, summed over pixels (1)]`.

        Args:
            images: in [0, 1].
            targets: the true labels, whose capsules the decoder is shown.
        """
        capsules = self.capsnet(images)
        decoded = self.decoder(squash(capsules), targets)
        error = (decoded - images).square().sum(dim=(1, 2, 3))
        return torch.cat([length_logits(capsules), error.unsqueeze(1)], dim=1)

    def reconstruct(
        self, images: Float[Tensor, "b 1 28 28"], targets: Float[Tensor, "b j"]
    ) -> Float[Tensor, "b 1 28 28"]:
        """The images as their true labels' capsules describe them."""
        pixels: Tensor = self.decoder(squash(self.capsnet(images)), targets)
        return pixels


def build_autoencoder(classes: int, *, seed: int) -> CapsuleAutoencoder:
    """A randomly initialised one; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CapsuleAutoencoder(classes)
