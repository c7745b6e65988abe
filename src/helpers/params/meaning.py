"""What parameters mean, in words and as flat values, and where a run departs from the paper."""

from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from helpers.params.run import Params
from helpers.params.section import Section

UNLIKE_RESULTS = frozenset(
    {
        "description",
        "report.title",
        "data.root",
        "data.external_root",
        "gan.checkpoint_minutes",
        "classifier.checkpoint_minutes",
    }
)


def section_at(location: tuple) -> type[Section] | None:
    """The model that stands at a location such as ('data', 'split')."""
    model: Any = Params
    for part in location:
        if isinstance(model, type) and issubclass(model, BaseModel):
            fields = {(f.alias or name): f for name, f in model.model_fields.items()}
            model = fields[part].annotation if part in fields else None
        elif get_origin(model) is dict:
            model = get_args(model)[1]
        if get_origin(model) is Union or type(model).__name__ == "UnionType":
            model = next(
                (a for a in get_args(model) if isinstance(a, type) and issubclass(a, BaseModel)), model
            )
    return model if isinstance(model, type) and issubclass(model, BaseModel) else None


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values as ``{'gan.steps': 50, …}``; an arm is one value."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        deeper = isinstance(value, Mapping) and prefix != "arms."
        flat.update(flatten(value, f"{prefix}{key}.") if deeper else {f"{prefix}{key}": value})
    return flat


def departures(params: Params) -> list[dict[str, Any]]:
    """Every parameter that differs from the paper: key, what it means, the paper's value, this run's value."""
    ours, paper = flatten(params.as_dict()), flatten(Params().as_dict())
    keys = [
        key
        for key in (*paper, *(k for k in ours if k not in paper))
        if key not in UNLIKE_RESULTS and ours.get(key) != paper.get(key)
    ]
    return [
        {"parameter": key, "meaning": describe(key), "paper": paper.get(key), "this_run": ours.get(key)}
        for key in keys
    ]


def describe(key: str) -> str:
    """What a parameter such as 'gan.steps' means."""
    parts = key.split(".")
    section = section_at(tuple(parts[:-1]))
    if section is None or parts[0] == "arms":
        return "an arm of the comparison" if parts[0] == "arms" else ""
    info = section.model_fields.get(parts[-1]) or next(
        (f for f in section.model_fields.values() if f.alias == parts[-1]), None
    )
    return (info.description or "") if info else ""


def choices(key: str) -> tuple[str, ...]:
    """The words that a parameter such as 'gan.flips' may be; empty where it is no choice of words."""
    *parts, name = key.split(".")
    section = section_at(tuple(parts))
    info = section.model_fields.get(name) if section else None
    return (
        tuple(get_args(info.annotation))
        if info and get_origin(info.annotation) is Literal and isinstance(get_args(info.annotation)[0], str)
        else ()
    )
