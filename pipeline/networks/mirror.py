"""Test-time flip: what a branch sees is the mean over an image and its mirror image."""

from jaxtyping import Float
from torch import Tensor, nn

from pipeline.networks.branch import Branch, Pooling


class Mirrored(nn.Module):
    """A branch that looks at each image twice, and pools the mean of both."""

    def __init__(self, branch: Pooling) -> None:
        super().__init__()
        self.branch = branch

    def pooled(self, images: Float[Tensor, "b 1 s t"]) -> Float[Tensor, "b k"]:
        """Mean pooled features of an image and its mirror image."""
        return (self.branch.pooled(images) + self.branch.pooled(images.flip(-1))) / 2

    def logits(self, pooled: Float[Tensor, "b k"]) -> Float[Tensor, "b f"]:
        """Logits of such features; of a linear head, the mean of the logits of both."""
        return self.branch.logits(pooled)

    def forward(self, images: Float[Tensor, "b 1 s t"]) -> Float[Tensor, "b f"]:
        """Logits of images."""
        return self.logits(self.pooled(images))


def mirrored(branch: Branch, *, on: bool) -> Branch | Mirrored:
    """`branch`, which looks twice if `on`."""
    return Mirrored(branch) if on else branch
