"""What all groups of parameters share: they are immutable, refuse unknown keys and check ranges."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ValidationInfo,
    field_validator,
)
from pydantic.config import JsonDict
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from helpers.registry import Registry

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$"
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]


def _path(text: str) -> str:
    """A path that every system call takes: it has no null character, and its ``~name`` is somebody here."""
    if "\0" in text:
        raise ValueError("a path has no null character")
    if text.startswith("~") and os.path.expanduser(text) == text:
        raise ValueError(
            f"'{text}' begins with the home of a user who is not known here; write the path in full"
        )
    return text


@dataclass(frozen=True)
class Variants:
    """Marks a text as the name of a variant: it may be what its registry finds in the variants' folder."""

    registry: Callable[[], Registry[Any]]  # imports it only when a value is checked or explained
    meaning: str  # the attribute of a variant that says for readers what it is

    def names(self) -> tuple[str, ...]:
        """The choices; no variant is imported."""
        return self.registry().names()

    def meanings(self) -> str:
        """Every choice with what it is, as part of a sentence."""
        variants = {name: self.registry().get(name) for name in self.names()}
        return "; ".join(f"'{name}': {getattr(variant, self.meaning)}" for name, variant in variants.items())

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Its check, which speaks as that of a Literal does."""
        return core_schema.no_info_plain_validator_function(self._checked)

    def _checked(self, value: Any) -> str:
        names = self.names()
        if value in names:
            return str(value)
        *others, last = map(repr, names)
        expected = f"{', '.join(others)} or {last}" if others else last
        raise PydanticCustomError("literal_error", "Input should be {expected}", {"expected": expected})


PathText = Annotated[str, Field(min_length=1), AfterValidator(_path)]


def mark(*, changes_results: bool = True, departs: bool = True, default_in_key: bool = True) -> JsonDict:
    """What a parameter says of itself beside its meaning; for ``json_schema_extra`` of its Field.

    ``changes_results=False``: no number of a result depends on it, and no job runs again for it.
    ``departs=False``: another value is no departure from the paper; runs that differ only in it are alike.
    ``default_in_key=False``: its default is what was done before there was such a parameter, so that no
    finished job runs again because the parameter came.
    """
    return {"changes_results": changes_results, "departs": departs, "default_in_key": default_in_key}


class Section(BaseModel):
    """A group of parameters: immutable, no unknown keys, ranges checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """pydantic takes true for 1."""
        field = cls.model_fields[info.field_name or ""]
        kinds = re.findall(r"\b(bool|int|float)\b", str(field.annotation))
        inner = value.values() if isinstance(value, Mapping) else value
        values = inner if isinstance(value, list | tuple | Mapping) else (value,)
        if kinds and "bool" not in kinds and any(isinstance(item, bool) for item in values):
            noun = "a whole number" if "int" in kinds else "a number"
            raise ValueError(f"must be {noun}, not true or false")
        return value
