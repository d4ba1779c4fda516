"""The sections of params.yaml as frozen, strict models: no defaults, unknown keys refused."""

from math import isqrt
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from pipeline.base.findings import FINDINGS
from pipeline.params.columns import Columns
from pipeline.params.names import (
    Backbone,
    CalibrationMethod,
    FusionHead,
    HeatmapLayer,
    HeatmapMethod,
    KeepRule,
    LossName,
    PoolingName,
    RegionRule,
    ScheduleName,
    Threshold,
    VoteRule,
    WeightSource,
    is_cascade,
    member_name,
    plain_path,
    studied_first,
)

Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


def _distinct(values: list[Any]) -> list[Any]:
    if len(set(values)) < len(values):
        raise PydanticCustomError("distinct", "names one thing twice")
    return values


def _word(value: Any) -> Any:
    """YAML 1.1 takes on and off for true and false."""
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else value


def _auto_or(least: int) -> AfterValidator:
    def expect(value: int | str) -> int | str:
        if value != "auto" and not (isinstance(value, int) and value >= least):
            raise PydanticCustomError("auto", f"must be auto, or a number of at least {least}")
        return value

    return AfterValidator(expect)


def _threshold(value: Any) -> Any:
    is_share = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1
    if not is_share and value != "otsu":
        raise PydanticCustomError("threshold", "must be otsu, or a number from 0 to below 1")
    return float(value) if is_share else value


def _frame(value: int | str) -> int | str:
    is_side = isinstance(value, int) and value >= 1
    if not is_side and value not in ("auto", "file", "fractions", "original"):
        raise PydanticCustomError(
            "frame", "must be auto, file, fractions, original, or a number of pixels"
        )
    return value


class Section(BaseModel):
    """A part of params.yaml."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class PhantomParams(Section):
    """The synthetic cohort."""

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

    source: Annotated[str, AfterValidator(plain_path)]
    """Folder of the cohort, in any of the layouts of docs/own_data.md."""
    columns: Columns
    """The layout of its table."""
    uncertain: Literal["zeros", "ones", "ignore"]
    """What an uncertain label becomes: absent, there, or unknown."""
    image_size: Annotated[int, Field(ge=32)]
    """Side of the square cached images, in pixels."""
    partial: bool
    """Whether images of the table may be missing from the folder."""
    on_bad_image: Literal["fail", "skip"]
    """What to do with an image that cannot be decoded."""
    lateral: bool
    """Whether a DICOM file that calls itself lateral is taken, as the table's view is trusted."""
    box_frame: Annotated[int | str, AfterValidator(_frame)]
    """What the radiologists' boxes are drawn in: pixels of the files, fractions of the image,
    pixels of the originals by the table, or of square images of this side; "auto" finds out."""
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
    """What each branch starts from: "none", "imagenet", "xrv:<name>" or a file's path."""

    global_: WeightSource = Field(alias="global")
    local: WeightSource


class Member(Section):
    """One pair of backbones; a section of params.yaml that `ensemble.members` names."""

    global_: Backbone = Field(alias="global")
    local: Backbone
    weights: WeightSources

    @property
    def starts(self) -> dict[str, tuple[str, str]]:
        """By branch, its backbone and what that starts from."""
        return {
            "global": (self.global_, self.weights.global_),
            "local": (self.local, self.weights.local),
        }

    @property
    def cascades(self) -> dict[str, bool]:
        """By branch, whether it ends in a CapsNet that is pretrained on its own."""
        return {"global": is_cascade(self.global_), "local": is_cascade(self.local)}


class EnsembleParams(Section):
    """Who votes."""

    members: Annotated[
        list[Annotated[str, AfterValidator(member_name)]],
        AfterValidator(_distinct),
        AfterValidator(studied_first),
    ]
    """The sections that are members; a stage of a member runs for each of them."""
    vote: VoteRule
    extra: Annotated[list[str], AfterValidator(_distinct)]
    """Who votes, too, without being trained here: files of predictions, or experiments."""


class LossParams(Section):
    """Numbers of the losses that have some."""

    focal_gamma: Annotated[float, Field(ge=0)]
    """How little an image counts of which the network is sure already."""
    asymmetric_gamma_positive: Annotated[float, Field(ge=0)]
    asymmetric_gamma_negative: Annotated[float, Field(ge=1)]
    asymmetric_shift: Annotated[float, Field(gt=0, lt=1)]
    """Probability below which a negative costs nothing."""


class AugmentParams(Section):
    """What is drawn anew for each training image in each epoch."""

    flip: Annotated[float, Field(ge=0, le=1)]
    """Probability of a horizontal flip; it mirrors the heart."""
    rotation_degrees: Annotated[float, Field(ge=0, le=45)]
    """Uniform within plus and minus this."""
    shift: Annotated[float, Field(ge=0, le=0.5)]
    """Uniform within plus and minus this share of the side, across and down."""
    scale: Annotated[float, Field(ge=0, le=0.5)]
    """The image's size is uniform within 1 plus and minus this."""
    crop: Annotated[float, Field(ge=0, le=0.5)]
    """The image becomes a window of itself, smaller by up to this share of the side."""
    contrast: Fraction
    """Uniform within 1 plus and minus this, about the image's mean."""


class TrainParams(Section):
    """What every training stage shares."""

    input_size: Annotated[int, Field(ge=32)]
    """Side of the network's input, in pixels; the cache is resized to it on the fly."""
    batch_size: Annotated[int, Field(ge=2)]
    """Images per step of the optimiser, at most: batches of an epoch differ by one image."""
    micro_batch: Annotated[int | str, _auto_or(2)]
    """Images that a device computes at a time; "auto" is as many as fit."""
    device_cache: Annotated[Literal["auto", "on", "off"], BeforeValidator(_word)]
    """Whether all images are kept in the device's memory, or streamed to it."""
    devices: Positive
    """Processes that share each batch, each with a GPU of its own if there are GPUs."""
    compile: bool
    """Whether `torch.compile` makes the training step."""
    deterministic: bool
    """Whether a GPU must repeat itself to the bit, too."""
    threads: Annotated[int | str, _auto_or(1)]
    """That compute on a CPU, in each process; "auto" is OMP_NUM_THREADS, else one per core.
    Weights are alike to the bit for the same number, not for different ones."""
    weight_decay: Annotated[float, Field(ge=0)]
    loss: LossName
    losses: LossParams
    precision: Literal["auto", "fp32", "bf16", "fp16"]
    """Of forward and backward passes; the loss is always fp32."""
    standardise: bool
    """Each image to zero mean and unit spread, in place of ImageNet's statistics for all."""
    augment: AugmentParams
    flip_at_predict: bool
    """Whether what a trained branch sees is the mean over an image and its mirror image."""
    ema: Fraction
    """Decay of a running mean of the weights, per step; 0 for none."""
    warmup: Annotated[float, Field(ge=0, lt=1)]
    """Share of the steps in which the learning rate rises, of schedules that have a rise."""
    keep: KeepRule
    """Which epoch's weights are kept: of the lowest validation loss, of the highest validation
    AUROC, or the last."""
    patience: Positive
    """Epochs without a better one, by `keep`, after which training stops; under `last` it never
    does before its end."""


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
    """Input pixels per cell of the backbone's last maps."""
    pyramid: Literal[0, 4, 8, 16]
    """Input pixels per cell of the finest level of a pyramid above them; 0 for none."""
    pooling: PoolingName
    """How what each cell says of a finding becomes a logit."""


class LocalParams(BranchParams):
    """What only the local branch has."""

    start: Literal["weights", "global"]
    """From `weights`, or from the trained global branch where the member's backbones agree."""


class HeatmapParams(Section):
    """Which grids are written."""

    methods: Annotated[list[HeatmapMethod], Field(min_length=1), AfterValidator(_distinct)]
    layer: HeatmapLayer
    """Whose maps they show: the last layer's, or those of the last stage with cells of at most so
    many pixels of the input."""


class CropParams(Section):
    """Heatmap to crop."""

    method: HeatmapMethod
    """The heatmap that draws the crop; one of `heatmap.methods`."""
    top: Annotated[int, Field(ge=1, le=len(FINDINGS))]
    """How many findings' maps draw it, of the most probable ones; `attention` knows none."""
    threshold: Fraction
    """tau of AG-CNN, applied to a heatmap scaled to [0, 1]."""
    region: RegionRule
    """Which of the regions above the threshold: that of the maximum, or AG-CNN's largest one."""
    margin: Annotated[float, Field(ge=0, le=1)]
    """Added on every side, as a share of the box's own side."""
    min_side: Annotated[float, Field(ge=0, le=1)]
    """Smallest side of a crop, as a share of the image."""
    windows: Literal[0, 1, 4, 9]
    """In place of that box so many squares, each where the map of a finding has most evidence, of
    the findings that are furthest above what is usual; the local branch sees them side by side.
    0: the box."""
    side: Annotated[float, Field(gt=0, le=1)]
    """Of a window, as a share of the image."""
    input_size: Annotated[int, Field(ge=32)]
    """Side of what the local branch sees, in pixels: the crop, or all windows side by side."""

    @property
    def number(self) -> int:
        """Crops of an image."""
        return max(self.windows, 1)

    @property
    def across(self) -> int:
        """Crops in a row, and in a column, of what the local branch sees."""
        return isqrt(self.number)


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
    finetune: Annotated[list[str], AfterValidator(_distinct)]
    """Members whose branches learn with a head, from the images; that head then votes. The
    branches of the others are frozen, and what they pool is computed once per image."""
    features: Annotated[list[Literal["age", "gender", "view"]], AfterValidator(_distinct)]


class MapBoxedParams(Section):
    """A closer look at the images that radiologists drew boxes on."""

    layer: HeatmapLayer
    """As `heatmap.layer`, of the maps that they get beside their heatmaps."""
    methods: Annotated[list[HeatmapMethod], AfterValidator(_distinct)]
    """Of those maps; none: no such maps."""
    controls: bool
    """Whether maps of the same networks with random weights are made, too."""


class EvaluateParams(Section):
    """Metrics."""

    bootstrap: Annotated[int, Field(ge=0)]
    """Replicates of the patient bootstrap; 0 writes no intervals."""
    calibration: CalibrationMethod
    """Fitted to each finding on the validation images."""
    sensitivity: Annotated[float, Field(gt=0, le=1)]
    """Least sensitivity on the validation images of the thresholds that fix one."""
    min_cell: Positive
    """Fewest positive and fewest negative images of a subgroup's finding that is shown."""
    min_patients: Positive
    """Fewest patients with and fewest without a finding; of fewer there is no interval, and no
    subgroup is shown."""


class IouParams(Section):
    """Localisation against the radiologists' boxes."""

    threshold: Annotated[Threshold, BeforeValidator(_threshold)]
    """Of a heatmap scaled to [0, 1]; fixed beforehand, since all boxes are on test images. Or
    "otsu": of each map's own histogram, by which no box is asked either."""
    region: RegionRule
    """As `crop.region`."""
    fit_threshold: bool
    """Whether each method is also shown with thresholds fitted to each finding on the other half
    of the patients."""
    bootstrap: Annotated[int, Field(ge=0)]
    """Replicates of the patient bootstrap; 0 writes no intervals."""


class ReportParams(Section):
    """The page."""

    examples: Annotated[int, Field(ge=0)]
    """Large radiographs at the top, each of another finding."""
