"""Validation, and its sentences for mistakes.

A sentence says the key, what stands there, what may stand there, and the nearest known name.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from helpers.errors import ParameterError, nearest
from helpers.params.meaning import choices, section_at
from helpers.params.run import Params
from helpers.params.section import Section


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
        return f"{key}{'' if words.startswith('must') else ':'} {words}." if key else f"{words}."
    if kind == "string_pattern_mismatch":
        what = "is not a name; use letters, digits, dashes and underscores, at most 40"
        return f"{key}: '{shorten(str(value))}' {what}."
    if kind == "missing":
        return f"{key} is missing: give a value."
    if kind in ("too_short", "too_long"):
        limit = context["min_length"] if kind == "too_short" else context["max_length"]
        bound = f"at {'least' if kind == 'too_short' else 'most'} {limit}"
        return f"{key} must hold {bound} value{'' if limit == 1 else 's'}, not {context['actual_length']}."
    way_out = ""
    if kind.startswith("string") and isinstance(value, Mapping):
        way_out = " (a text with a colon stands in quotes)"
    if kind == "literal_error" and isinstance(value, str):
        way_out = nearest(value, choices(key))
    return f"{key} must be {_expected(kind, context, fault['msg'])}, not {_shown(value)}{way_out}."


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
        "tuple": "a list such as [0, 1]",
        "model": "a section with keys of its own",
    }
    return next((words for start, words in nouns.items() if kind.startswith(start)), message.lower())


def _shown(value: Any) -> str:
    """A wrong value, or what it is, for a sentence."""
    if isinstance(value, bool):
        return str(value).lower()
    return shorten(repr(value)) if isinstance(value, str | int | float) else kind_of(value)


def _unknown_key(location: tuple) -> str:
    """A key that is none of the model's, with the one that may be meant."""
    key, name = ".".join(map(str, location)), str(location[-1])
    if ":" in name:
        return f"'{key}' is not a parameter (YAML wants a space after each colon)."
    if home := _home_of(name):
        return f"'{key}' is not a parameter (did you mean '{home}'?)."
    section = section_at(location[:-1])
    known = [field.alias or name for name, field in section.model_fields.items()] if section else []
    return f"'{key}' is not a parameter{nearest(name, known) or '; known here: ' + ', '.join(known)}."


def _home_of(name: str) -> str:
    """The full key of a parameter that exists, but in another section."""
    full = [
        f"{section}.{field}"
        for section, info in Params.model_fields.items()
        if isinstance(info.annotation, type) and issubclass(info.annotation, Section)
        for field in info.annotation.model_fields
    ]
    return next((key for key in full if key.split(".")[1] == name), "")
