"""What names may stand in params.yaml: of backbones, weights, methods, losses and members."""

import difflib
import re
from typing import Annotated, Literal

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from pipeline.base.members import NOT_MEMBERS, STUDIED

BACKBONES = (
    "resnet18", "resnet50", "resnext50", "resnext101", "densenet121", "mobilenet_v2",
    "mobilenet_v3", "convnext_tiny", "efficientnet_v2_s", "capsnet",
)  # fmt: skip
"""The entries of `pipeline.networks.backbones.zoo.BACKBONES`."""


TIMM = "timm:"
"""Before the name of a network of timm's, which `pipeline.params.sources` asks timm for."""


def _backbone(name: str) -> str:
    base = name.removesuffix("_capsnet")
    if base in BACKBONES and name != "capsnet_capsnet":
        return name
    if base.startswith(TIMM):
        return name
    cascades = [f"{one}_capsnet" for one in BACKBONES if one != "capsnet"]
    near = difflib.get_close_matches(name, [*BACKBONES, *cascades], n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise PydanticCustomError(
        "backbone",
        "unknown backbone; {hint}There are {names}, timm:<name>, and each but capsnet with "
        "_capsnet behind it",
        {"hint": hint, "names": ", ".join(BACKBONES)},
    )


def is_cascade(backbone: str) -> bool:
    """Whether a branch with this backbone ends in a CapsNet that is pretrained on its own."""
    return backbone.endswith("_capsnet")


def has_stages(backbone: str) -> bool:
    """Whether a pyramid can stand on its stages; of timm's networks that is known once built."""
    return backbone != "capsnet"


def takes_any_size(backbone: str) -> bool:
    """Whether it is known, without building it, that its weights serve inputs of every size."""
    return not backbone.startswith(TIMM) or backbone in _CONVOLUTIONS_ALONE


_CONVOLUTIONS_ALONE = ("timm:tf_efficientnet_lite0",)
"""Of timm's networks, many of which are built for one size."""

Backbone = Annotated[str, AfterValidator(_backbone)]
"""`timm:<name>`, an entry of `pipeline.networks.backbones.zoo.BACKBONES`, or one as a cascade."""

XRV = "xrv:"
"""Before the name of a network of torchxrayvision, where weights are named."""

XRV_NETWORKS = (
    "densenet121-res224-all",
    "densenet121-res224-nih",
    "densenet121-res224-pc",
    "densenet121-res224-chex",
    "densenet121-res224-rsna",
    "densenet121-res224-mimic_nb",
    "densenet121-res224-mimic_ch",
    "resnet50-res512-all",
)
"""By the names that torchxrayvision gives them: a backbone, the side in pixels, the cohorts."""


def _weight_source(source: str) -> str:
    name = source.removeprefix(XRV)
    if name == source or name in XRV_NETWORKS:
        return source
    near = difflib.get_close_matches(name, XRV_NETWORKS, n=3)
    hint = f"did you mean {' or '.join(f'{XRV}{one}' for one in near)}? " if near else ""
    raise PydanticCustomError(
        "weights",
        "torchxrayvision has no such network; {hint}There are {names}",
        {"hint": hint, "names": ", ".join(XRV_NETWORKS)},
    )


def backbone_of_weights(source: str) -> str | None:
    """The only backbone that weights are of, by their name alone; None if that says nothing."""
    return source.removeprefix(XRV).partition("-")[0] if source.startswith(XRV) else None


WeightSource = Annotated[str, AfterValidator(_weight_source)]
"""`none`, `imagenet`, `xrv:<name>` or the path of a file."""

PoolingName = Literal["average", "lse", "pcam", "attention", "gem"]
"""The entries of `pipeline.networks.readouts.readout.POOLINGS`."""

HeatmapMethod = Literal[
    "attention", "cam", "gradcam", "gradcam_pp", "xgradcam", "layercam", "scorecam"
]
"""An entry of `pipeline.attention.heatmap.HEATMAPS`."""

HeatmapLayer = Literal["last", 4, 8, 16]
"""What `pipeline.networks.layers.find_layer` takes."""

Threshold = float | Literal["otsu"]
"""Of a heatmap scaled to [0, 1]; or found from its own histogram (Otsu 1979)."""

RegionRule = Literal["peak", "largest"]
"""An entry of `pipeline.attention.crop.REGIONS`."""

LossName = Literal["bce", "weighted_bce", "wcel", "focal", "asymmetric", "margin"]
"""An entry of `pipeline.training.losses.LOSSES`."""

PROPER_LOSSES = ("bce",)
"""Those of least loss where a probability is the share of positives; the others shift it."""

FusionHead = Literal["linear", "mlp"]
"""An entry of `pipeline.fusion.head.HEADS`."""

ScheduleName = Literal["one_cycle", "cosine", "plateau", "constant"]
"""An entry of `pipeline.training.schedule.SCHEDULES`."""

KeepRule = Literal["loss", "auroc", "last"]
"""An entry of `pipeline.training.records.kept.KEEP`."""

CalibrationMethod = Literal["platt", "temperature"]
"""An entry of `pipeline.results.evaluation.calibration.CALIBRATIONS`."""

VoteRule = Literal["mean", "rank"]
"""An entry of `pipeline.results.evaluation.vote.VOTES`."""


def plain_path(path: str) -> str:
    """A path that dvc.yaml may put between double quotes, where a shell must take it as it is."""
    if found := sorted(set(re.findall(r'["$`\\\x00-\x1f\x7f]', path))):
        raise PydanticCustomError(
            "path",
            "holds {found}, which a shell would not take as it stands; rename the folder, or make "
            "a link to it with a plain name",
            {"found": ", ".join(map(repr, found))},
        )
    return path


def studied_first(members: list[str]) -> list[str]:
    """The list, once it is sure that it begins with the member under study."""
    if members[:1] != [STUDIED]:
        raise PydanticCustomError("order", f"must begin with {STUDIED}")
    return members


def member_name(name: str) -> str:
    """A member's name is that of its section, its folders, its stages and its systems."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
        raise PydanticCustomError(
            "name", "must be a letter, then letters, digits, _ or -: it becomes a folder"
        )
    if name in NOT_MEMBERS:
        raise PydanticCustomError("name", "means something else in metrics/; rename the member")
    return name
