"""Branches of timm's networks of tokens, for batches of any size."""

from jaxtyping import Float
from torch import Tensor, nn

from pipeline.networks.backbones.timm_backbone import TimmFeatures
from pipeline.networks.branch import Branch


class TokenMaps(nn.Module):
    """`TimmFeatures`, whose `len` of a batch is the one number that it is traced with."""

    def __init__(self, features: TimmFeatures) -> None:
        super().__init__()
        self.network = features.network

    def forward(self, images: Float[Tensor, "b c s s"]) -> Float[Tensor, "b k ..."]:
        """Maps of what stands for patches."""
        maps: Tensor = self.network.forward_features(images)  # type: ignore[operator]
        if maps.ndim == 3:
            patches = maps[:, getattr(self.network, "num_prefix_tokens", 0) :]
            side = round(patches.shape[1] ** 0.5)
            maps = patches.transpose(1, 2).unflatten(2, (side, side))
        elif getattr(self.network, "output_fmt", "NCHW") == "NHWC":
            maps = maps.permute(0, 3, 1, 2)
        return maps


def take_any_batch(module: nn.Module) -> None:
    """Let the branches within a module be traced for batches of any size, in place."""
    for part in module.modules():
        if isinstance(part, Branch) and isinstance(part.features, TimmFeatures):
            part.features = TokenMaps(part.features)
