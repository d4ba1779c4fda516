"""Backbones from timm, which need not be installed."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.errors import ArtifactError, ParamsError
from pipeline.networks.backbones.backbone import IMAGENET_MEAN, IMAGENET_STD, Backbone
from pipeline.networks.backbones.receptive_field import measure_grid

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

    def stage_modules(self) -> list[nn.Module]:
        """The last module before each of the network's strides, first to last.

        None of a network whose channels stand last in them.
        """
        if getattr(self.network, "output_fmt", "NCHW") != "NCHW":
            return []
        named = dict(self.network.named_modules())
        listed = getattr(self.network, "feature_info", None) or []
        return [named[one["module"]] for one in listed if one.get("module") in named]

    @property
    def has_stage_maps(self) -> bool:
        """Whether `stage_maps` can tell them."""
        return hasattr(self.network, "forward_intermediates")

    def stage_maps(self, images: Float[Tensor, "b c s s"]) -> list[Float[Tensor, "b k i j"]]:
        """What `stage_modules` give, and behind them the feature maps."""
        final, inner = self.network.forward_intermediates(images)  # type: ignore[operator]
        return [*inner, final]


def timm_backbone(name: str, *, output_stride: int, input_size: int) -> Backbone:
    """Any timm model that has feature maps and a pooled head, randomly initialised.

    Raises:
        ParamsError: timm is missing, has no such model, the model has no feature maps, or cells
            of more than `output_stride` pixels.
    """
    network = _create(name, input_size)
    stride = _stride(name, network, input_size)
    if stride > output_stride:
        network = _finer(name, stride, output_stride=output_stride, input_size=input_size)
    features = TimmFeatures(network)
    maps = _probe(name, features, input_size)
    known = _timm().get_pretrained_cfg(name)
    blocks, unused = _blocks(network, maps)
    dropped = _drop(network, unused)
    return Backbone(
        network,
        features,
        blocks,
        maps.shape[1],
        (*dropped, *(f"{name}." for name in _names(known))),
        tuple(known.mean) if known else IMAGENET_MEAN,
        tuple(known.std) if known else IMAGENET_STD,
    )


def timm_weights(name: str, *, input_size: int) -> dict[str, Tensor]:
    """The state dict that timm publishes for a model, as timm loads it at this input size.

    From PyTorch's cache, or downloaded into it.

    Raises:
        ArtifactError: timm publishes none as safetensors, or it cannot be fetched.
    """
    known = _timm().get_pretrained_cfg(name)
    source = known.hf_hub_id if known else None
    if not source:
        raise ArtifactError(f"timm publishes no weights for {name}; say none, or name a file")
    path = Path(torch.hub.get_dir()) / "checkpoints" / source / "model.safetensors"
    if not path.is_file():
        _download(source, path)
    network = _create(
        name, input_size, pretrained=True, pretrained_cfg_overlay={"file": str(path)}
    )
    return dict(network.state_dict())


def timm_state(name: str) -> dict[str, Tensor]:
    """The state dict of a model as it is published, its classifier included, but random."""
    return dict(_timm().create_model(name).state_dict())


def _download(source: str, path: Path) -> None:
    """Once, without the hub client's minutes of retries."""
    from huggingface_hub import hf_hub_url  # noqa: PLC0415

    address = hf_hub_url(source, path.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(address, str(path), progress=False)
    except OSError as error:
        raise ArtifactError(
            f"{address} could not be fetched ({error}); put {path.name} into {path.parent}, or "
            "name its path in params.yaml"
        ) from None


def _stride(name: str, network: nn.Module, input_size: int) -> float:
    features = TimmFeatures(network)
    _probe(name, features, input_size)
    _, grid = measure_grid(features, torch.zeros(1, 3, input_size, input_size))
    return round(grid.step * input_size, 3)


def _finer(name: str, stride: float, *, output_stride: int, input_size: int) -> nn.Module:
    """The network with dilation in place of strides, where timm offers it."""
    try:
        network = _create(name, input_size, output_stride=output_stride)
        stride = _stride(name, network, input_size)
    except ParamsError:
        pass  # the stride says it all
    else:
        if stride <= output_stride:
            return network
    raise ParamsError(
        f"timm:{name} has cells of {stride:g} pixels, and timm offers none of {output_stride}; "
        f"set output_stride of the global or local branch to {32 if stride > 16 else 16}"
    )


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
    except (TypeError, AssertionError, NotImplementedError, RuntimeError) as error:
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


def _names(known: Any) -> tuple[str, ...]:
    """Of timm's classifiers; some have two."""
    classifier = known.classifier if known else None
    return (classifier,) if isinstance(classifier, str) else tuple(classifier or ())


def _blocks(
    network: nn.Module, maps: Float[Tensor, "1 k h w"]
) -> tuple[tuple[nn.Module, ...], tuple[str, ...]]:
    """Timm's own coarse groups of layers, first to last; and the parameters that no map needs."""
    named = dict(network.named_parameters())
    grads = torch.autograd.grad(maps.sum(), list(named.values()), allow_unused=True)
    needed = [name for name, grad in zip(named, grads, strict=True) if grad is not None]
    groups = [
        [name for name in group if name in needed] for group in _groups(network, list(named))
    ]
    groups = [group for group in groups if group]
    if len(groups) > 1 and all(named[name].ndim < 2 for name in groups[-1]):
        last = groups.pop()  # a last normalisation belongs to what it normalises
        groups[-1] += last
    place = {name: number for number, group in enumerate(groups) for name in group}
    blocks = [nn.ModuleList() for _ in groups]
    _deal(network, "", place, blocks)
    return tuple(blocks), tuple(name for name in named if name not in place)


def _groups(network: nn.Module, names: list[str]) -> list[list[str]]:
    """Names of parameters by timm's coarse matcher; by top-level layers where it has none."""
    from timm.models import group_parameters  # noqa: PLC0415

    try:
        matcher = network.group_matcher(coarse=True)  # type: ignore[operator]
        found = group_parameters(network, matcher)
    except (AttributeError, TypeError, KeyError, AssertionError):
        tops = dict.fromkeys(name.partition(".")[0] for name in names)
        return [[name for name in names if name.partition(".")[0] == top] for top in tops]
    return [found[number] for number in sorted(found)]


def _deal(
    module: nn.Module, prefix: str, place: dict[str, int], blocks: list[nn.ModuleList]
) -> None:
    """Give each block the largest modules whose parameters are all its own, and loose ones."""
    for name, _ in module.named_parameters(prefix.rstrip("."), recurse=False):
        if name in place:
            blocks[place[name]].append(nn.ParameterList([module.get_parameter(_last(name))]))
    for name, child in module.named_children():
        path = f"{prefix}{name}."
        owners = {number for key, number in place.items() if key.startswith(path)}
        if len(owners) == 1:
            blocks[owners.pop()].append(child)
        elif owners:
            _deal(child, path, place, blocks)


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _drop(network: nn.Module, names: tuple[str, ...]) -> tuple[str, ...]:
    """Take layers behind timm's pooling out: nobody would train or use them.

    Returns:
        Prefixes of what is gone, in the network's state dict.
    """
    owners = sorted({name.rpartition(".")[0] for name in names} - {""})
    outer = [one for one in owners if not any(one.startswith(f"{other}.") for other in owners)]
    for owner in outer:
        parent, _, child = owner.rpartition(".")
        setattr(network.get_submodule(parent), child, nn.Identity())
    return tuple(f"{owner}." for owner in outer)
