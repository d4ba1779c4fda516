"""The first layer of a network that was trained on images with other channels than ours."""

from jaxtyping import Float
from torch import Tensor, nn

State = dict[str, Tensor]


def first_layer(network: nn.Module) -> str | None:
    """The name, in the state dict, of the weights of the first convolution; None without any."""
    names = (name for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d))
    return next((f"{name}.weight" for name in names), None)


def fit_channels(weight: Float[Tensor, "k c h w"], channels: int) -> Float[Tensor, "k d h w"]:
    """Weights for other `channels` whose response to a grey image is that of `weight`.

    All channels of a grey image are alike. So the sum over channels decides on the response, and
    each of the wanted channels gets an equal part of it. Weights of as many channels, and those of
    which neither layer takes grey, are left as they are.
    """
    if weight.shape[1] == channels or 1 not in (weight.shape[1], channels):
        return weight
    return (weight.sum(dim=1, keepdim=True) / channels).repeat(1, channels, 1, 1)
