"""params.yaml as frozen, strict models: no defaults, unknown keys refused."""

import difflib
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from pipeline.errors import ParamsError

Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


BACKBONES = (
    "resnet18", "resnet50", "resnext50", "resnext101", "densenet121", "mobilenet_v2",
    "mobilenet_v3", "convnext_tiny", "efficientnet_v2_s", "capsnet",
)  # fmt: skip
"""The entries of `pipeline.networks.zoo.BACKBONES`."""


def _backbone(name: str) -> str:
    base = name.removesuffix("_capsnet")
    if base in BACKBONES and name != "capsnet_capsnet":
        return name
    if base.startswith("timm:"):
        _expect_timm(base.removeprefix("timm:"))
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


def _expect_timm(model: str) -> None:
    """Make sure, before anything runs, that timm is there and has the model."""
    try:
        import timm  # noqa: PLC0415
    except ImportError:
        raise PydanticCustomError(
            "timm", "needs timm, which is not installed: pip install timm"
        ) from None
    if not timm.is_model(model):
        near = difflib.get_close_matches(model, timm.list_models(), n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise PydanticCustomError("timm", "timm has no such model{hint}", {"hint": hint})


Backbone = Annotated[str, AfterValidator(_backbone)]
"""An entry of `pipeline.networks.zoo.BACKBONES`, `timm:<name>`, or one of these as a cascade."""

HeatmapMethod = Literal["attention", "cam"]
"""An entry of `pipeline.attention.heatmap.HEATMAPS`."""

LossName = Literal["bce", "weighted_bce", "focal", "asymmetric", "margin"]
"""An entry of `pipeline.training.losses.LOSSES`."""

FusionHead = Literal["linear", "mlp"]
"""An entry of `pipeline.networks.fusion.HEADS`."""

ScheduleName = Literal["one_cycle", "plateau", "constant"]
"""An entry of `pipeline.training.schedule.SCHEDULES`."""


STUDIED = "model"
"""The member under study."""

NOT_MEMBERS = (
    "baseline", "ceiling", "delta", "excluded", "metadata_only", "prevalence", "test", "val",
)  # fmt: skip
"""What stands beside members and systems in metrics/*.json and is no section of params.yaml."""

_MEMBERS = "sections that ensemble.members names"  # never a key of the file


def _distinct(values: list[Any]) -> list[Any]:
    if len(set(values)) < len(values):
        raise PydanticCustomError("distinct", "names one thing twice")
    return values


def _studied_first(members: list[str]) -> list[str]:
    if members[:1] != [STUDIED]:
        raise PydanticCustomError("order", f"must begin with {STUDIED}")
    return members


def _member_name(name: str) -> str:
    """A member's name is that of its section, its folders, its stages and its systems."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
        raise PydanticCustomError(
            "name", "must be a letter, then letters, digits, _ or -: it becomes a folder"
        )
    if name in _sections():
        raise PydanticCustomError("name", "is another section of this file; rename the member")
    if name in NOT_MEMBERS:
        raise PydanticCustomError("name", "means something else in metrics/; rename the member")
    return name


class Section(BaseModel):
    """A part of params.yaml."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class PhantomParams(Section):
    """The made cohort."""

    seed: Annotated[int, Field(ge=0)]
    patients: Annotated[int, Field(ge=50)]
    """Number of patients; images are about 1.7 times as many."""
    size_px: Annotated[int, Field(ge=128)]
    """Side of the square original PNGs."""
    label_noise: Fraction
    """Share of labels that the text mining got wrong, relative to a finding's positives."""
    prevalence_scale: Annotated[float, Field(gt=0)]
    """Multiplies the real prevalences, so that a small cohort has enough of each finding."""


class IngestParams(Section):
    """Radiographs to shards."""

    source: str
    """Folder of the cohort, in any of the layouts described in the README."""
    size: Annotated[int, Field(ge=32)]
    """Side of the square cached images, in pixels."""
    partial: bool
    """Whether images of the table may be missing from the folder."""
    on_bad_image: Literal["fail", "skip"]
    """What to do with an image that cannot be decoded."""
    workers: Annotated[int, Field(ge=0)]
    """Decoding threads; 0 means one per core."""


class SplitParams(Section):
    """Patient-disjoint split."""

    seed: Annotated[int, Field(ge=0)]
    """Of the order among equal patients; apart from the seed of weights and batches, so that
    networks of several seeds are judged on the same patients."""
    val_fraction: Annotated[float, Field(gt=0, lt=0.5)]
    """Share of the patients outside the test set who are held out for validation."""
    test_fraction: Annotated[float, Field(gt=0, lt=0.5)]
    """Share of all patients held out for test; used only when there are no official lists."""
    min_positives: Annotated[int, Field(ge=0)]
    """Fewest validation positives of any finding that has enough patients."""


class WeightSources(Section):
    """What each branch starts from: "none", "imagenet" or the path of a file of weights."""

    global_: str = Field(alias="global")
    local: str


class Member(Section):
    """One pair of backbones; a section of params.yaml that `ensemble.members` names."""

    global_: Backbone = Field(alias="global")
    local: Backbone
    weights: WeightSources


class EnsembleParams(Section):
    """Who votes."""

    members: Annotated[
        list[Annotated[str, AfterValidator(_member_name)]],
        AfterValidator(_distinct),
        AfterValidator(_studied_first),
    ]
    """The sections that are members; a stage of a member runs for each of them."""


class LossParams(Section):
    """Numbers of the losses that have some."""

    focal_gamma: Annotated[float, Field(ge=0)]
    """How little an image counts of which the network is sure already."""
    asymmetric_gamma_positive: Annotated[float, Field(ge=0)]
    asymmetric_gamma_negative: Annotated[float, Field(ge=1)]
    asymmetric_shift: Annotated[float, Field(gt=0, lt=1)]
    """Probability below which a negative costs nothing."""


class TrainParams(Section):
    """What every training stage shares."""

    input_size: Annotated[int, Field(ge=32)]
    """Side of the network's input, in pixels; the cache is resized to it on the fly."""
    batch_size: Annotated[int, Field(ge=2)]
    weight_decay: Annotated[float, Field(ge=0)]
    loss: LossName
    losses: LossParams
    precision: Literal["auto", "fp32", "bf16"]
    """Of forward and backward passes; the loss is always fp32."""
    standardise: bool
    """Each image to zero mean and unit spread, in place of ImageNet's statistics for all."""
    flip: Annotated[float, Field(ge=0, le=1)]
    """Probability of a horizontal flip; it mirrors the heart."""
    rotation_degrees: Annotated[float, Field(ge=0, le=45)]
    """Uniform within plus and minus this."""
    patience: Positive
    """Epochs without a better validation loss after which training stops."""


class LearningParams(Section):
    """What every network that is trained has of its own."""

    epochs: Positive
    """At most so many."""
    learning_rate: Annotated[float, Field(gt=0)]
    schedule: ScheduleName


class BranchParams(LearningParams):
    """What the global and the local branch do not share."""

    head_epochs: Annotated[int, Field(ge=0)]
    """First epochs, in which only the classification layer learns; then one more block per
    epoch is released, last first."""
    output_stride: Literal[8, 16, 32]
    """Input pixels per cell of the heatmap."""


class LocalParams(BranchParams):
    """What only the local branch has."""

    start: Literal["weights", "global"]
    """From `weights`, or from the trained global branch where the member's backbones agree."""


class HeatmapParams(Section):
    """Which grids are written."""

    methods: Annotated[list[HeatmapMethod], Field(min_length=1), AfterValidator(_distinct)]


class CropParams(Section):
    """Heatmap to crop."""

    method: HeatmapMethod
    """The heatmap that draws the crop; one of `heatmap.methods`."""
    threshold: Fraction
    """tau of AG-CNN, applied to a heatmap scaled to [0, 1]."""
    margin: Annotated[float, Field(ge=0, le=1)]
    """Added on every side, as a share of the box's own side."""
    min_side: Annotated[float, Field(ge=0, le=1)]
    """Smallest side of a crop, as a share of the image."""
    size: Annotated[int, Field(ge=32)]
    """Side of the written crops, in pixels: the local branch's input."""


class CapsnetParams(LearningParams):
    """The cascades' CapsNet, before it is joined to a backbone."""

    reconstruction: Annotated[float, Field(ge=0)]
    """Weight of the squared error, summed over pixels, beside the margin loss."""


class FusionParams(LearningParams):
    """The head that joins both branches."""

    head: FusionHead
    hidden: Positive
    """Units of the mlp's hidden layer."""
    dropout: Fraction
    """Of the mlp's hidden layer."""
    finetune: bool
    """Whether the branches learn with the head, from the images; else they are frozen, and what
    they pool is computed once per image."""
    features: Annotated[list[Literal["age", "gender", "view"]], AfterValidator(_distinct)]


class EvaluateParams(Section):
    """Metrics."""

    bootstrap: Annotated[int, Field(ge=0)]
    """Replicates of the patient bootstrap; 0 writes no intervals."""


class IouParams(Section):
    """Localisation against the radiologists' boxes."""

    threshold: Fraction
    """Of a heatmap scaled to [0, 1]; fixed beforehand, since all boxes are on test images."""


class ReportParams(Section):
    """The page."""

    examples: Annotated[int, Field(ge=0)]
    """Radiographs shown per finding."""


class Params(Section):
    """The whole of params.yaml."""

    seed: Annotated[int, Field(ge=0)]
    phantom: PhantomParams
    ingest: IngestParams
    split: SplitParams
    members: dict[str, Member] = Field(validation_alias=_MEMBERS)
    """Those that `ensemble.members` names in its order, the one under study first; then others."""
    ensemble: EnsembleParams
    train: TrainParams
    global_: BranchParams = Field(alias="global")
    local: LocalParams
    capsnet: CapsnetParams
    fusion: FusionParams
    heatmap: HeatmapParams
    crop: CropParams
    evaluate: EvaluateParams
    iou: IouParams
    report: ReportParams

    @model_validator(mode="before")
    @classmethod
    def _gather_members(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        names = _named_members(values)
        others = {key: value for key, value in values.items() if key not in names}
        return others | {_MEMBERS: {name: values.get(name) for name in names}}

    @model_validator(mode="after")
    def _the_crop_s_heatmap_is_written(self) -> "Params":
        if self.crop.method not in self.heatmap.methods:
            raise PydanticCustomError(
                "crop.method",
                "{method} is not among heatmap.methods ({methods}); add it there",
                {"method": self.crop.method, "methods": ", ".join(self.heatmap.methods)},
            )
        return self

    @model_validator(mode="after")
    def _no_weights_are_named_that_nobody_reads(self) -> "Params":
        for name, member in self.members.items():
            adopts = self.local.start == "global" and member.global_ == member.local
            if adopts and member.weights.local != "none":
                raise PydanticCustomError(
                    f"{name}.weights.local",
                    "would not be read: with local.start: global the local branch starts as the "
                    "global one, whose backbone it shares; say none, or local.start: weights",
                )
        return self

    @model_validator(mode="after")
    def _the_backbone_learns_before_the_end(self) -> "Params":
        for key, one in (("global", self.global_), ("local", self.local)):
            if one.head_epochs >= one.epochs:
                raise PydanticCustomError(
                    f"{key}.head_epochs",
                    "{head} of {all} epochs for the head alone leave none for the backbone",
                    {"head": one.head_epochs, "all": one.epochs},
                )
        return self

    @model_validator(mode="after")
    def _a_transformer_starts_at_its_own_size(self) -> "Params":
        sizes = {self.train.input_size, self.crop.size}
        for name, member in self.members.items():
            alike = member.global_ == member.local and member.local.startswith("timm:")
            if self.local.start == "global" and alike and len(sizes) > 1:
                raise PydanticCustomError(
                    "crop.size",
                    "{crop} is not train.input_size ({size}): with local.start: global, timm's "
                    "networks, many of which are built for one size, need both alike ({member})",
                    {"crop": self.crop.size, "size": self.train.input_size, "member": name},
                )
        return self

    @model_validator(mode="after")
    def _cells_tile_the_input(self) -> "Params":
        size, stride = self.train.input_size, self.global_.output_stride
        if size % stride:
            raise PydanticCustomError(
                "train.input_size",
                "{size} is no multiple of global.output_stride ({stride}); heatmaps would not "
                "line up with the image. Use {below} or {above}",
                {
                    "size": size,
                    "stride": stride,
                    "below": size - size % stride,
                    "above": size - size % stride + stride,
                },
            )
        return self


def _named_members(values: dict[Any, Any]) -> list[str]:
    """The sections to be read as members, whatever else is wrong with `ensemble.members`."""
    ensemble = values.get("ensemble")
    listed = ensemble.get("members") if isinstance(ensemble, dict) else None
    names = [STUDIED, *(listed if isinstance(listed, list) else [])]
    unlisted = [name for name, value in values.items() if _is_member(value)]
    named = dict.fromkeys(name for name in [*names, *unlisted] if isinstance(name, str))
    return [name for name in named if name not in _sections()]


def _is_member(value: Any) -> bool:
    """Whether a section is a member, though `ensemble.members` may not name it."""
    return isinstance(value, dict) and {"global", "local", "weights"} <= value.keys()


def _sections() -> list[str]:
    """The keys of params.yaml that are no members."""
    return [
        field.alias or name
        for name, field in Params.model_fields.items()
        if field.validation_alias != _MEMBERS
    ]


def load_params(path: Path) -> Params:
    """Read and check a params file.

    Raises:
        ParamsError: one line per fault, each with its dotted name.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{path}: no such file") from None
    except yaml.YAMLError as error:
        raise ParamsError(f"{path}: not YAML: {error}") from None
    return parse_params(values, name=str(path))


def parse_params(values: Any, *, name: str = "params.yaml") -> Params:
    """Check the values of a params file; `name` opens each line of the error."""
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        lines = [f"{name}: {_fault(fault)}" for fault in error.errors()]
        raise ParamsError("\n".join(lines)) from None


def _fault(fault: Any) -> str:
    loc = _as_written(fault["loc"])
    key = ".".join(str(part) for part in loc) or "the file"
    found = fault["input"]
    if fault["type"] == "extra_forbidden":
        return f"{key}: unknown key{_hint(loc)}"
    if "." in fault["type"]:  # of a validator of the whole file, which names the key itself
        return f"{fault['type']}: {fault['msg']}"
    if fault["type"] == "missing":
        return f"{key}: missing"
    if found is None and len(loc) == 1 < len(fault["loc"]):
        return f"{key}: missing; ensemble.members names it"
    number = "; write 0.001 or 1.0e-3" if _is_yaml_1_1_text(found) else ""
    return f"{key}: {fault['msg'][0].lower()}{fault['msg'][1:]} (found {found!r}{number})"


def _as_written(loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Where a fault is in the file, in which members are sections like any other."""
    return loc[1:] if loc[:1] == (_MEMBERS,) else loc


def _is_yaml_1_1_text(value: Any) -> bool:
    """Whether YAML 1.1 took for text what people mean as a number: 1e-3."""
    return isinstance(value, str) and re.fullmatch(r"[-+]?\d+e[-+]?\d+", value, re.I) is not None


def _hint(loc: tuple[str | int, ...]) -> str:
    names = _names(Params, loc[:-1]) if len(loc) > 1 else [*_sections(), STUDIED]
    near = difflib.get_close_matches(str(loc[-1]), names, n=1)
    return f"; did you mean {near[0]}?" if near else f"; expected one of {', '.join(names)}"


def _names(model: type[BaseModel], loc: tuple[str | int, ...]) -> list[str]:
    for part in loc:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        inner = fields[str(part)].annotation if str(part) in fields else Member
        model = inner if isinstance(inner, type) and issubclass(inner, BaseModel) else model
    return [field.alias or name for name, field in model.model_fields.items()]
