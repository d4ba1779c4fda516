"""params.yaml as a whole: its sections together, read and checked, every fault by its key."""

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from pipeline.base.broken_files import decode_text
from pipeline.base.members import STUDIED
from pipeline.errors import ParamsError
from pipeline.params.columns import NAMED, WRITTEN
from pipeline.params.faults import ABSENT, Place, keys_at, params_error
from pipeline.params.names import backbone_of_weights, has_stages, takes_any_size
from pipeline.params.run_cache import OVERLOOKED, overlooked
from pipeline.params.sections import (
    BranchParams,
    CapsnetParams,
    CropParams,
    EnsembleParams,
    EvaluateParams,
    FusionParams,
    HeatmapParams,
    IngestParams,
    IouParams,
    LocalParams,
    MapBoxedParams,
    Member,
    PhantomParams,
    ReportParams,
    Section,
    SplitParams,
    TrainParams,
)

_MEMBERS = "sections that ensemble.members names"  # never a key of the file


def _there(value: Any) -> Any:
    if value is None:
        raise PydanticCustomError(ABSENT, "missing; ensemble.members names it")
    return value


class Params(Section):
    """The whole of params.yaml."""

    seed: Annotated[int, Field(ge=0)]
    phantom: PhantomParams
    ingest: IngestParams
    split: SplitParams
    members: dict[str, Annotated[Member, BeforeValidator(_there)]] = Field(
        validation_alias=_MEMBERS
    )
    """Those that `ensemble.members` names in its order, the one under study first; then others."""
    ensemble: EnsembleParams
    train: TrainParams
    global_: BranchParams = Field(alias="global")
    local: LocalParams
    capsnet: CapsnetParams
    fusion: FusionParams
    heatmap: HeatmapParams
    crop: CropParams
    map_boxed: MapBoxedParams
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
    def _a_member_is_no_other_section(self) -> "Params":
        for place, name in enumerate(self.ensemble.members):
            if name in sections():
                raise PydanticCustomError(
                    f"ensemble.members.{place}",
                    "is another section of this file; rename the member (found '{name}')",
                    {"name": name},
                )
        return self

    @model_validator(mode="after")
    def _dvc_overlooks_no_key(self) -> "Params":
        for key in overlooked(self.model_dump()):
            raise PydanticCustomError(
                "ensemble.members" if key.startswith("members.") else key,
                "DVC's run cache ignores keys called {names}, and would give the outputs of "
                "another value; rename it",
                {"names": " and ".join(OVERLOOKED)},
            )
        return self

    @model_validator(mode="after")
    def _what_is_finetuned_is_a_member(self) -> "Params":
        for place, name in enumerate(self.fusion.finetune):
            if name not in self.ensemble.members:
                raise PydanticCustomError(
                    f"fusion.finetune.{place}",
                    "is no member: expected some of ensemble.members, {members} (found '{name}')",
                    {"members": ", ".join(self.ensemble.members), "name": name},
                )
        return self

    @model_validator(mode="after")
    def _the_crop_s_heatmap_is_written(self) -> "Params":
        methods = ", ".join(self.heatmap.methods)
        if self.crop.method not in self.heatmap.methods:
            raise PydanticCustomError(
                "crop.method",
                "{method} is not among heatmap.methods ({methods}); add it there",
                {"method": self.crop.method, "methods": methods},
            )
        if "attention" not in self.heatmap.methods:
            raise PydanticCustomError(
                "heatmap.methods",
                "must hold attention (found {methods}), which draws the crop of an image whose "
                "{method} map is empty",
                {"method": self.crop.method, "methods": methods},
            )
        return self

    @model_validator(mode="after")
    def _several_windows_are_of_several_maps(self) -> "Params":
        if self.crop.windows > 1 and self.crop.method == "attention":
            raise PydanticCustomError(
                "crop.windows",
                "of attention, which has one map for all findings, there is one window (found "
                "{windows}); say crop.method: cam",
                {"windows": self.crop.windows},
            )
        return self

    @model_validator(mode="after")
    def _windows_fill_the_sheet(self) -> "Params":
        across = self.crop.across
        if self.crop.input_size % across:
            raise PydanticCustomError(
                "crop.input_size",
                "{size} is no multiple of {across}: crop.windows ({windows}) lie side by side, "
                "{across} in a row",
                {"size": self.crop.input_size, "windows": self.crop.windows, "across": across},
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
    def _weights_are_of_the_backbone(self) -> "Params":
        for name, member in self.members.items():
            for branch, (backbone, source) in member.starts.items():
                expected = backbone_of_weights(source)
                if expected not in {None, backbone.removesuffix("_capsnet")}:
                    raise PydanticCustomError(
                        f"{name}.weights.{branch}",
                        "{source} is a {expected}, and {member}.{branch} is {backbone}; say "
                        "{member}.{branch}: {expected}, or other weights",
                        {
                            "source": source,
                            "expected": expected,
                            "member": name,
                            "branch": branch,
                            "backbone": backbone,
                        },
                    )
        return self

    @model_validator(mode="after")
    def _what_processes_share_is_not_compiled(self) -> "Params":
        if self.train.compile and self.train.devices > 1:
            raise PydanticCustomError(
                "train.compile",
                "must be false with train.devices above 1: a compiled network does not take its "
                "batch statistics over all of them",
            )
        return self

    @model_validator(mode="after")
    def _devices_share_a_batch(self) -> "Params":
        if self.train.devices > self.train.batch_size:
            raise PydanticCustomError(
                "train.devices",
                "{devices} cannot share batches of train.batch_size, {batch} images",
                {"devices": self.train.devices, "batch": self.train.batch_size},
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
        sizes = {self.train.input_size, self.crop.input_size}
        for name, member in self.members.items():
            alike = member.global_ == member.local and not takes_any_size(member.local)
            if self.local.start == "global" and alike and len(sizes) > 1:
                raise PydanticCustomError(
                    "crop.input_size",
                    "{crop} is not train.input_size ({size}): with local.start: global, timm's "
                    "networks, many of which are built for one size, need both alike ({member})",
                    {"crop": self.crop.input_size, "size": self.train.input_size, "member": name},
                )
        return self

    @model_validator(mode="after")
    def _pyramids_have_stages(self) -> "Params":
        for name, member in self.members.items():
            of_branch = {
                "global": (member.global_, self.global_),
                "local": (member.local, self.local),
            }
            for branch, (backbone, params) in of_branch.items():
                if params.pyramid and not has_stages(backbone):
                    raise PydanticCustomError(
                        f"{branch}.pyramid",
                        "{cells}: a pyramid, and {backbone} ({member}.{branch}) has no "
                        "stages for one; take another backbone, or say 0",
                        {
                            "cells": params.pyramid,
                            "backbone": backbone,
                            "member": name,
                            "branch": branch,
                        },
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
    unlisted = [name for name, value in values.items() if is_member(value)]
    named = dict.fromkeys(name for name in [*names, *unlisted] if isinstance(name, str))
    return [name for name in named if name not in sections()]


def is_member(value: Any) -> bool:
    """Whether a section is a member, though `ensemble.members` may not name it."""
    return isinstance(value, dict) and {"global", "local", "weights"} <= value.keys()


def sections() -> list[str]:
    """The keys of params.yaml that are no members."""
    return [name for name in keys_at(Params, ()) if name != _MEMBERS]


def load_params(path: Path) -> Params:
    """Read and check a params file.

    Raises:
        ParamsError: one line per fault, each with its dotted name.
    """
    return parse_params(read_values(path), name=str(path))


def read_values(path: Path) -> Any:
    """What a person has written into a YAML file, unchecked.

    Raises:
        ParamsError: it is not there, or not YAML.
    """
    try:
        text = decode_text(path.read_bytes(), path)
    except FileNotFoundError:
        raise ParamsError(f"{path}: no such file") from None
    except ValueError as error:
        raise ParamsError(str(error)) from None
    return values_of(text, name=str(path))


def values_of(text: str, *, name: str) -> Any:
    """What the text of a YAML file says, unchecked; `name` opens the error.

    Raises:
        ParamsError: it is not YAML, or a key is there twice.
    """
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
        node = loader.get_single_node()
        _expect_once(node, set())
        return None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ParamsError(f"{name}{place}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise ParamsError(f"{name}: not YAML: {' '.join(str(error).split())}") from None


def _expect_once(node: yaml.Node | None, known: set[int]) -> None:
    """Refuse a key that is there twice, of which YAML would take the last."""
    if not isinstance(node, yaml.CollectionNode) or id(node) in known:
        return
    known.add(id(node))
    if not isinstance(node, yaml.MappingNode):
        for item in node.value:
            _expect_once(item, known)
        return
    seen = set()
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode) and key.value != "<<":
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key.value} is there twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        _expect_once(value, known)


def parse_params(values: Any, *, name: str = "params.yaml") -> Params:
    """Check the values of a params file; `name` opens each line of the error."""
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        unwritten = (_MEMBERS, NAMED, WRITTEN)
        raise params_error(error, file=name, names=_known, unwritten=unwritten) from None


def _known(place: Place) -> list[str]:
    return keys_at(Params, place) if place else [*sections(), STUDIED]
