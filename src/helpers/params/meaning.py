"""What parameters mean, in words and as flat values, and where a run departs from the paper."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from helpers.params.arms import Arm, SyntheticImages, selectors
from helpers.params.data import sources
from helpers.params.run import Params
from helpers.params.section import Section, Variants
from helpers.paths import ROOT, from_project

PLACE = "(a place on this machine)"  # stands in a record for the value of one of ``own_paths``
NO_PATHS = (None, "imagenet", "none")  # what may stand in the place of a folder or file


def section_at(location: Sequence[str | int]) -> type[Section] | None:
    """The model that stands at a location such as ('data', 'split')."""
    model: Any = Params
    for part in location:
        if isinstance(model, type) and issubclass(model, BaseModel):
            fields: dict[str | int, FieldInfo] = {
                f.alias or name: f for name, f in model.model_fields.items()
            }
            model = fields[part].annotation if part in fields else None
        elif get_origin(model) is dict:
            model = get_args(model)[1]
        if get_origin(model) in (Union, UnionType):
            model = next((kind for kind in get_args(model) if _is_section(kind)), model)
    return model if _is_section(model) else None


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)


def without_defaults(values: Mapping[str, Any], place: tuple[str, ...]) -> dict[str, Any]:
    """Plain values of the section at ``place``, such as ('arms', 'filtered'), without its defaults."""
    section = section_at(place)
    fields = {info.alias or name: info for name, info in section.model_fields.items()} if section else {}
    return {
        key: without_defaults(value, (*place, key)) if isinstance(value, Mapping) else value
        for key, value in values.items()
        if key not in fields or value != fields[key].default
    }


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values as ``{'gan.steps': 50, …}``; an arm, and the names of columns, are one value each."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        deeper = isinstance(value, Mapping) and prefix != "arms." and f"{prefix}{key}" != "data.columns"
        flat.update(flatten(value, f"{prefix}{key}.") if deeper else {f"{prefix}{key}": value})
    return flat


def changed_values(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """The parameters that differ: name, such as ``gan.steps``, the value then, and the value now.

    ``then`` was read from a file; ``now`` may hold what JSON writes as text.
    """
    a, b = flatten(then), flatten(json.loads(json.dumps(now, default=str)))
    return [(key, a.get(key), b.get(key)) for key in dict.fromkeys((*b, *a)) if a.get(key) != b.get(key)]


def result_values(section: Section) -> dict[str, Any]:
    """The values of a section, as JSON takes them, without those that change no result.

    A parameter says so itself, by ``mark`` where it is declared: also that its default is as if it were not
    there.
    """
    values = section.model_dump(mode="json", by_alias=True)
    kept = {}
    for name, info in type(section).model_fields.items():
        key, value = info.alias or name, getattr(section, name)
        left_out = value == info.default and not _marked(info, "default_in_key")
        if _marked(info, "changes_results") and not left_out:
            kept[key] = result_values(value) if isinstance(value, Section) else values[key]
    return kept


def comparable_values(params: Params) -> dict[str, Any]:
    """All values by their full keys, such as 'gan.steps', without those in which equal runs may differ."""
    return {key: value for key, value in flatten(params.as_dict()).items() if _departs(key)}


@dataclass(frozen=True)
class OwnPath:
    """A parameter that names a folder or file of this machine."""

    place: tuple[str, ...]  # in the parameters, such as ('data', 'root')
    value: str
    words: str  # what is there, such as 'a folder of images'

    @property
    def stand_in(self) -> str:
        """What is written in its place in a command or a text, such as FOLDER_OF_IMAGES."""
        return self.words.removeprefix("a ").replace(" ", "_").upper()


def own_paths(params: Params) -> list[OwnPath]:
    """Every parameter that names a folder or file of this machine: nothing that is published tells where."""
    places: dict[tuple[str, ...], str] = {
        ("data", "root"): f"a folder of {sources().get(params.data.source).folder_of}",
        ("data", "external_root"): "a folder of the external test set",
        ("gan", "initial_weights"): "a file of weights for the GAN",
        ("synthesis", "folder"): "a folder of synthetic images",
        ("synthesis", "feature_weights"): "a file of weights for the features",
        ("classifier", "weights"): "a file of weights for the classifier",
    }
    for name in params.arms:
        places["arms", name, "synthetic", "folder"] = f"a folder of images for arm {name}"
    protocol = params.report.protocol
    if protocol is not None and _tells_a_place(protocol):
        places["report", "protocol"] = "a file of a protocol's parameters"
    values = params.as_dict()
    found = ((place, _value_at(values, place), words) for place, words in places.items())
    return [OwnPath(place, value, words) for place, value, words in found if value not in NO_PATHS]


def _tells_a_place(path: str) -> bool:
    """Whether a path tells where something lies on this machine: it is absolute, or leaves the project."""
    return Path(path).expanduser().is_absolute() or not from_project(path).resolve().is_relative_to(ROOT)


def _value_at(values: Any, place: Sequence[str]) -> Any:
    for name in place:
        values = values.get(name) if isinstance(values, Mapping) else None
    return values


def public_parameters(params: Params, shown: Callable[[OwnPath], str] | None = None) -> dict[str, Any]:
    """The parameters without places on this machine (``own_paths``).

    ``shown`` gives what stands there in their stead, which is words in brackets by default.
    """
    values = params.as_dict()
    for path in own_paths(params):
        _value_at(values, path.place[:-1])[path.place[-1]] = shown(path) if shown else f"({path.words})"
    return values


def departures(params: Params) -> list[dict[str, Any]]:
    """Every parameter that differs from the paper: key, meaning, the paper's value, this run's value."""
    ours, paper = comparable_values(params), comparable_values(Params())
    shown = flatten(public_parameters(params))
    return [
        {"parameter": key, "meaning": describe(key), "paper": paper.get(key), "this_run": shown.get(key)}
        for key in dict.fromkeys([*paper, *ours])
        if ours.get(key) != paper.get(key)
    ]


def parameter_rows(params: Params, sections: Iterable[str]) -> list[dict[str, Any]]:
    """Every parameter of some sections.

    A row holds the paper's value, this run's, and the meaning.

    An arm is one parameter, whose meaning is what it trains on.
    """
    ours, paper = public_parameters(params), Params().as_dict()
    rows = []
    for section in sections:
        mine, theirs = (flatten({section: values[section]}) for values in (ours, paper))
        for key in dict.fromkeys([*mine, *theirs]):
            arm = params.arms.get(key.removeprefix("arms.")) if key.startswith("arms.") else None
            meaning = arm_meaning(arm) if arm else full_meaning(key)
            rows.append(
                {"parameter": key, "meaning": meaning, "paper": theirs.get(key), "this_run": mine.get(key)}
            )
    return rows


def describe(key: str) -> str:
    """What a parameter such as 'gan.steps' means."""
    if key.startswith("arms."):
        return "an arm of the comparison"
    info = _field(key)
    meaning = (info.description or "") if info else ""
    variants = _variants(info)
    return f"{meaning}: {variants.meanings()}" if variants else meaning


def choices(key: str) -> tuple[str, ...]:
    """The words that a parameter such as 'gan.flips' may be; empty where it is no choice of words."""
    info = _field(key)
    if variants := _variants(info):
        return variants.names()
    kind = info.annotation if info else None
    kinds = (kind, *get_args(kind)) if get_origin(kind) in (Union, UnionType) else (kind,)
    words = next((get_args(kind) for kind in kinds if get_origin(kind) is Literal), ())
    return tuple(words) if all(isinstance(word, str) for word in words) else ()


def _variants(info: FieldInfo | None) -> Variants | None:
    """The registry that names the choices of a parameter; None where there is none."""
    return next((each for each in (info.metadata if info else ()) if isinstance(each, Variants)), None)


def full_meaning(key: str) -> str:
    """What a parameter means, and the words that it may be where its description does not say them all."""
    meaning, words = describe(key), choices(key)
    if all(f"'{word}'" in meaning for word in words):
        return meaning
    return f"{meaning} (one of {', '.join(map(repr, words))})"


def arm_meaning(arm: Arm) -> str:
    """What an arm trains on, in a few words."""
    parts = []
    if arm.withhold:
        parts.append(f"without {100 * arm.withhold.fraction:g} % of the images of {arm.withhold.class_}")
    if arm.oversample:
        way = ", reduced and enlarged as synthetic ones are" if arm.blurs else ""
        parts.append(f"with {arm.oversample.count:,} images of {arm.oversample.class_} once more{way}")
    if arm.synthetic:
        parts.append(f"with {_synthetic_meaning(arm.synthetic)}")
    if arm.loss == "balanced":
        parts.append("with rare classes weighing more in the loss")
    return "the real training images" + (", " + " and ".join(parts) if parts else " and nothing else")


def _synthetic_meaning(wanted: SyntheticImages) -> str:
    which = {"top": "best ", "bottom": "worst ", "random": "randomly chosen "}.get(wanted.select or "", "")
    if wanted.share is not None:
        part = f"{100 * wanted.share:g} % of the training images of each of the GAN's classes"
        return f"{which}synthetic images, {part}"
    if wanted.counts:
        many = " and ".join(f"{count:,} ({name})" for name, count in wanted.counts.items()) + " "
    elif wanted.count:
        many = f"{wanted.count:,} "
    else:
        many = f"{100 * wanted.fraction:g} % " if wanted.fraction else "all "
    if wanted.folder is not None:
        return f"{many}{which}images of a folder"
    if wanted.select not in ("top", "bottom"):
        return f"{many}{which}synthetic images"
    return f"the {many}{which}synthetic images, {selectors().get(wanted.rank).words}"


def _field(key: str) -> FieldInfo | None:
    """Where a parameter such as 'gan.steps' is declared; None for an unknown one."""
    *parts, name = key.split(".")
    section = section_at(tuple(parts))
    fields = section.model_fields if section else {}
    return fields.get(name) or next((info for info in fields.values() if info.alias == name), None)


def _departs(key: str) -> bool:
    info = None if key.startswith("arms.") else _field(key)
    return info is None or _marked(info, "departs")


def _marked(info: FieldInfo, property_: str) -> bool:
    """A property that ``mark`` gave to a parameter; true where it gave none."""
    extra = info.json_schema_extra
    return bool(extra.get(property_, True)) if isinstance(extra, dict) else True
