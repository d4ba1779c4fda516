"""What is answered, as OpenAPI describes it."""

from pydantic import BaseModel, ConfigDict

Box = tuple[float, float, float, float]
"""xyxy, fractions of the image's width and height."""


class _Said(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)


class Problem(_Said):
    """Why there is no answer."""

    detail: str
    """One line: what was wrong, and what was expected."""


class FindingAnswer(_Said):
    """What is said of one finding."""

    raw: float
    """The vote's probability, before calibration."""
    probability: float
    """Calibrated on validation images."""
    threshold: float | None
    """Of `raw`; null where validation images could not tell."""
    calibrated_threshold: float | None
    """The same on the scale of `probability`: a finding is called where that reaches it."""
    call: bool | None
    """Whether `raw` reaches the threshold; null without one, and if there are warnings."""
    above: float
    """The share of validation images that have a lower probability, ties half."""
    shares: dict[str, float]
    """By member, the probability with which it votes."""
    box: Box | None
    """Where the heatmap of the member in `shown` is high: xyxy, fractions of the image."""


class PatientAnswer(_Said):
    """What the model was told of the patient; null where nothing was."""

    age: float | None
    """Years."""
    gender: str | None
    view: str | None


class FindingPicture(_Said):
    """Where a member sees evidence of a finding."""

    heatmap: str
    """Base64 of an 8-bit PNG of the whole image: 0 for no evidence, 255 at its own maximum."""
    box: Box | None
    """Where it is high."""


class MemberPictures(_Said):
    """What a member looks at."""

    crops: list[Box]
    """What its local branch is shown."""
    findings: dict[str, FindingPicture]


class Pictures(_Said):
    """What a page draws."""

    image: str
    """Base64 of an 8-bit PNG: the radiograph as the model's members are given it, a square."""
    width: int
    """Of the file's picture, in pixels."""
    height: int
    members: dict[str, MemberPictures]


class Answer(_Said):
    """What the model says of one radiograph."""

    findings: dict[str, FindingAnswer]
    patient: PatientAnswer
    shown: str
    """The member whose boxes and crops these are."""
    crops: list[Box]
    """What that member's local branch is shown."""
    distance: float
    """From the training images."""
    limit: float
    """Further away are one in a hundred validation images, and pictures of something else."""
    warnings: list[str]
    """Why nothing here should be trusted; with any of them no finding is called."""
    notes: list[str]
    """What else is to be known."""
    pictures: Pictures | None = None
    """Only if asked for, with `heatmaps=true`."""


class Health(_Said):
    """That the service answers, and for which model."""

    status: str
    revision: str | None
    """The git revision of an exported model."""
    cohort: str
    """SHA-256 of the tables of images that it was trained on."""
    members: list[str]
    findings: list[str]
    megabytes: int
    """The largest upload."""


class Example(_Said):
    """A synthetic radiograph to try."""

    name: str
    place: str
    """Where its PNG is."""
    patient: PatientAnswer
