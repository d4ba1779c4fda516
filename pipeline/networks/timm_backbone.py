"""Backbones from timm, which need not be installed."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.errors import ParamsError
from pipeline.networks.backbone import Backbone

TIMM = "timm:"

_ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.GELU, nn.Hardswish, nn.LeakyReLU, nn.PReLU)


class TimmFeatures(nn.Module):
    """A timm network's feature maps as (b, k, h, w), whatever its own layout is."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Float[Tensor, "b c s s"]) -> Float[Tensor, "b k ..."]:
        """Maps before timm's own pooling; of tokens, those that stand for patches."""
        maps: Tensor = self.network.forward_features(images)  # type: ignore[operator]
        if maps.ndim == 3:
            patches = maps[:, getattr(self.network, "num_prefix_tokens", 0) :]
            side = round(patches.shape[1] ** 0.5)
            return patches.transpose(1, 2).reshape(len(maps), -1, side, side)
        if getattr(self.network, "output_fmt", "NCHW") == "NHWC":
            return maps.permute(0, 3, 1, 2)
        return maps


def timm_backbone(name: str, *, output_stride: int, input_size: int) -> Backbone:
    """Any timm model that has feature maps and a pooled head, randomly initialised.

    Raises:
        ParamsError: timm is missing, has no such model, the model has no feature maps, or cells
            of more than `output_stride` pixels.
    """
    network = _create(name, input_size)
    features = TimmFeatures(network)
    maps = _probe(name, features, input_size)
    if input_size / maps.shape[-1] > output_stride:
        network = _create(name, input_size, output_stride=output_stride)
        features = TimmFeatures(network)
        maps = _probe(name, features, input_size)
    known = _timm().get_pretrained_cfg(name)
    blocks, unused = _blocks(network, maps)
    _drop(network, unused)
    return Backbone(
        network,
        features,
        blocks,
        maps.shape[1],
        (*unused, *(f"{name}." for name in _names(known.classifier))),
        tuple(known.mean),
        tuple(known.std),
    )


def timm_weights(name: str) -> dict[str, Tensor]:
    """The state dict that timm publishes for a model, from its cache or downloaded.

    Raises:
        OSError: it is not in the cache and cannot be fetched.
        RuntimeError: timm publishes none.
    """
    network: nn.Module = _timm().create_model(name, pretrained=True)
    return dict(network.state_dict())


def _timm() -> Any:
    try:
        import timm  # noqa: PLC0415
    except ImportError:
        raise ParamsError(
            "backbones timm:<name> need timm, which is not installed: pip install timm"
        ) from None
    return timm


def _create(name: str, input_size: int, **options: Any) -> nn.Module:
    timm = _timm()
    if not timm.is_model(name):
        near = timm.list_models(f"*{name.split('_', maxsplit=1)[0]}*")[:5]
        hint = f"; near it: {', '.join(near)}" if near else ""
        raise ParamsError(f"timm has no model {name!r}{hint}")
    known = timm.get_pretrained_cfg(name)
    if known is not None and known.fixed_input_size:
        options["img_size"] = input_size
    try:
        network: nn.Module = timm.create_model(name, num_classes=0, **options)
    except (TypeError, AssertionError, NotImplementedError) as error:
        asked = ", ".join(f"{key} {value}" for key, value in options.items())
        raise ParamsError(f"timm:{name} cannot be built with {asked} ({error})") from None
    _let_grow(network)
    return network


def _let_grow(network: nn.Module) -> None:
    """Leave a last ReLU6 to the branch's ReLU, as in `mobilenet_v2` and for its reason."""
    named = [(n, m) for n, m in network.named_modules() if isinstance(m, _ACTIVATIONS)]
    name, last = named[-1] if named else ("", network)
    if isinstance(last, nn.ReLU6):
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, nn.Identity())


def _probe(name: str, features: TimmFeatures, input_size: int) -> Float[Tensor, "1 k h w"]:
    """Feature maps of a black image, with the graph that says which weights they need."""
    try:
        maps: Tensor = features.eval()(torch.zeros(1, 3, input_size, input_size))
    except (RuntimeError, AssertionError, AttributeError) as error:
        raise ParamsError(
            f"timm:{name} makes no feature maps of {input_size} x {input_size} pixels ({error})"
        ) from None
    features.train()
    if maps.ndim != 4:
        raise ParamsError(f"timm:{name} has no feature maps, but an output {tuple(maps.shape)}")
    return maps


def _names(classifier: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (classifier,) if isinstance(classifier, str) else tuple(classifier or ())


def _blocks(
    network: nn.Module, maps: Float[Tensor, "1 k h w"]
) -> tuple[tuple[nn.Module, ...], tuple[str, ...]]:
    """Timm's own coarse groups of layers, first to last; and the names that no map needs."""
    from timm.models import group_parameters  # noqa: PLC0415

    named = dict(network.named_parameters())
    grads = torch.autograd.grad(maps.sum(), list(named.values()), allow_unused=True)
    needed = {name for name, grad in zip(named, grads, strict=True) if grad is not None}
    matcher = network.group_matcher(coarse=True)  # type: ignore[operator]
    groups = [
        [name for name in group if name in needed]
        for _, group in sorted(group_parameters(network, matcher).items())
    ]
    groups = [group for group in groups if group]
    if len(groups) > 1 and all(named[name].ndim < 2 for name in groups[-1]):
        groups[-2] += groups.pop()  # a last normalisation belongs to what it normalises
    return tuple(_block(network, group) for group in groups), tuple(sorted(named.keys() - needed))


def _drop(network: nn.Module, names: tuple[str, ...]) -> None:
    """Take layers behind timm's pooling out: nobody would train or use them."""
    for owner in {name.rpartition(".")[0] for name in names} - {""}:
        parent, _, child = owner.rpartition(".")
        setattr(network.get_submodule(parent), child, nn.Identity())


def _block(network: nn.Module, names: list[str]) -> nn.Module:
    """The layers that own the named parameters; parameters of a container as such."""
    layers: dict[str, nn.Module] = {}
    loose = nn.ParameterList()
    for name in names:
        owner, _, _ = name.rpartition(".")
        module = network.get_submodule(owner)
        if next(module.children(), None) is None:
            layers[owner] = module
        else:
            loose.append(network.get_parameter(name))
    return nn.ModuleList([*layers.values(), loose])
