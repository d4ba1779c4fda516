"""The first layer of a network that was trained on images of other channels, or another scale."""

import torch
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


def shrink_input(network: nn.Module, by: float) -> None:
    """Let a network give for images divided by `by` what it gave for the images, in place.

    Behind a convolution without a bias all maps are smaller by as much, and the batch
    normalisation that follows takes it up: in its statistics, and in its weights what its epsilon
    then is too large by. The convolution's weights keep their size, and so an optimiser's steps
    their meaning.

    Raises:
        ValueError: the network does not begin with such a convolution and normalisation.
    """
    first, norm = _convolution_and_norm(network)
    if first is None or norm is None or first.bias is not None:
        raise ValueError("expected a convolution without a bias, then a batch normalisation")
    mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
    wide = variance.double()
    with torch.no_grad():
        norm.weight.mul_(((wide + norm.eps * by**2) / (wide + norm.eps)).sqrt())
        mean.div_(by)
        variance.div_(by**2)


def _convolution_and_norm(network: nn.Module) -> tuple[nn.Conv2d | None, nn.BatchNorm2d | None]:
    layers = [one for one in network.modules() if isinstance(one, nn.Conv2d | nn.BatchNorm2d)]
    first, second = (*layers, None, None)[:2]
    return (
        first if isinstance(first, nn.Conv2d) else None,
        second if isinstance(second, nn.BatchNorm2d) else None,
    )
