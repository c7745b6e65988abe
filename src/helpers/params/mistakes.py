"""Validation, and its sentences for mistakes.

A sentence says the key, what stands there, what may stand there, and the nearest known name.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from helpers.errors import ParameterError, did_you_mean, near_name, nearest
from helpers.params.meaning import choices, section_at
from helpers.params.run import Params

EXTENDS = "extends"  # the key of a parameter file that names another one


def validate(mapping: Mapping[str, Any], origin: str = "the parameters") -> Params:
    """Make Params of plain values; raise ParameterError with one sentence per fault."""
    try:
        return Params.model_validate(mapping)
    except ValidationError as error:
        found = error.errors(include_url=False)
        # a list with a wrong entry is called too short as well
        deeper = {fault["loc"][:-1] for fault in found}
        faults = [
            _sentence(fault) for fault in found if fault["type"] != "too_short" or fault["loc"] not in deeper
        ]
        raise ParameterError(f"{origin}: " + " ".join(dict.fromkeys(faults))) from None


def shorten(text: str, most: int = 80) -> str:
    """``text`` for a sentence: its beginning, where it is long."""
    return text if len(text) <= most else f"{text[:most]}…"


def kind_of(value: Any) -> str:
    """What a value is, in the words of a parameter file."""
    kinds = {
        dict: "a mapping",
        list: "a list",
        tuple: "a list",
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return "nothing" if value is None else kinds.get(type(value), f"a {type(value).__name__}")


def _sentence(fault: Mapping[str, Any]) -> str:
    """One validation fault as a sentence with the key, what stands there and what may stand there."""
    location = tuple(part for part in fault["loc"] if part != "[key]")
    key = ".".join(str(part) for part in location)
    kind, context, value = fault["type"], fault.get("ctx", {}), fault.get("input")
    if kind == "extra_forbidden":
        return _unknown_key(location)
    if kind == "value_error":
        words = str(context.get("error", fault["msg"])).rstrip(".")
        return f"{key}{'' if words.startswith(('must ', 'is ')) else ':'} {words}." if key else f"{words}."
    if kind == "string_pattern_mismatch":
        what = "is not a name; use letters, digits, dashes and underscores, at most 40"
        return f"{key}: '{shorten(str(value))}' {what}."
    if kind == "missing":
        return f"{key} is missing: give a value."
    if kind in ("too_short", "too_long"):
        limit = context["min_length"] if kind == "too_short" else context["max_length"]
        bound = f"at {'least' if kind == 'too_short' else 'most'} {limit}"
        return f"{key} must hold {bound} value{'' if limit == 1 else 's'}, not {context['actual_length']}."
    if kind in ("list_type", "tuple_type"):
        return f"{key} must be a list{_example(location)}, not {_shown(value)}."
    way_out = ""
    if kind == "string_type":
        way_out = _in_quotes(location, value)
    if kind == "literal_error" and isinstance(value, str):
        way_out = nearest(value, choices(key))
    return f"{key} must be {_expected(kind, context, fault['msg'])}, not {_shown(value)}{way_out}."


def _example(location: tuple) -> str:
    """What a list may hold, as its parameter says or as it is by default; empty where it says neither."""
    section = section_at(location[:-1])
    info = section.model_fields.get(location[-1]) if section else None
    if info is None:
        return ""
    values = info.examples[0] if info.examples else info.get_default(call_default_factory=True)
    return f" such as [{', '.join(map(str, values))}]" if values else ""


def _in_quotes(location: tuple, value: Any) -> str:
    """How a text is written that YAML reads as something else; of 1.50 it has only the value, 1.5."""
    if isinstance(value, Mapping):
        return " (a text with a colon stands in quotes)"
    if not isinstance(value, int | float):
        return ""
    text = '"…"' if isinstance(value, float) else f'"{str(value).lower()}"'
    index = next((i for i, part in enumerate(location) if isinstance(part, int)), len(location))
    key = ".".join(map(str, location[:index]))
    override = f"{key}='{text}'" if index == len(location) else f"{key}='[{text}]'"
    return f" (write it in quotes: {text} in a file, {override} after --set)"


def _expected(kind: str, context: Mapping[str, Any], message: str) -> str:
    """What may stand where a fault of this kind was found."""
    limits = {name: f"{bound:g}" if isinstance(bound, float) else bound for name, bound in context.items()}
    sentences = {
        "literal_error": "one of {expected}",
        "greater_than_equal": "at least {ge}",
        "greater_than": "more than {gt}",
        "less_than_equal": "at most {le}",
        "less_than": "less than {lt}",
        "string_too_short": "a text of at least 1 character",
        "string_too_long": "a text of at most {max_length} characters",
        "finite_number": "a finite number",
    }
    if kind == "literal_error" and " or " not in context["expected"]:
        return str(context["expected"])  # there is one word to choose
    if kind in sentences:
        return sentences[kind].format_map(limits)
    nouns = {
        "int": "a whole number",
        "float": "a number",
        "bool": "true or false",
        "string": "a text",
        "dict": "a mapping",
        "model": "a section with keys of its own",
    }
    return next((words for start, words in nouns.items() if kind.startswith(start)), message.lower())


def _shown(value: Any) -> str:
    """A wrong value, or what it is, for a sentence."""
    if isinstance(value, bool):
        return str(value).lower()
    return shorten(repr(value)) if isinstance(value, str | int | float) else kind_of(value)


def _unknown_key(location: tuple) -> str:
    """A key that is none of the model's, with those that may be meant."""
    key, name = ".".join(map(str, location)), str(location[-1])
    if ":" in name:
        return f"'{key}' is not a parameter (YAML wants a space after each colon)."
    if name == EXTENDS:
        return f"'{key}' is not a parameter: '{EXTENDS}' stands in a parameter file, beside its sections."
    if meant := _meant(location):
        return f"'{key}' is not a parameter{did_you_mean(meant)}."
    return f"'{key}' is not a parameter; known here: {', '.join(_keys(location[:-1]))}."


def _meant(location: tuple) -> list[str]:
    """What an unknown key may mean: one of its section, bare, or parameters elsewhere, by their full keys."""
    *within, name = map(str, location)
    own = [*_keys(within), *([] if within else [EXTENDS])]
    if near := near_name(name, own, cutoff=0.7):
        return [near]
    if below := _homes(name, tuple(within)):
        return below
    # who names a section within a section knows where the key belongs
    if len(within) < 2 and (homes := _homes(name)):
        return homes
    return [near] if (near := near_name(name, own)) else []


def _homes(name: str, within: tuple = ()) -> list[str]:
    """The full keys of all parameters of that name below a section, without those in deeper ones."""
    found = [place for place in _places(within) if place[-1].casefold() == name.casefold()]
    least = min(map(len, found), default=0)
    return [".".join(place) for place in found if len(place) == least]


def _places(within: tuple) -> Iterator[tuple[str, ...]]:
    """Where there are parameters and sections below a section; ``<arm>`` stands for an arm's name."""
    for name in _keys(within):
        place = (*within, name)
        yield place
        yield from _places((*place, "<arm>") if place == ("arms",) else place)


def _keys(within: Sequence) -> list[str]:
    """The keys of the section at a location, as a file has them; none where there is no section."""
    section = section_at(within)
    return [field.alias or name for name, field in section.model_fields.items()] if section else []
