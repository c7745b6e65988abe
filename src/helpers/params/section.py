"""What all groups of parameters share: they are immutable, refuse unknown keys and check ranges."""

import os
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.config import JsonDict

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


PathText = Annotated[str, Field(min_length=1), AfterValidator(_path)]


def mark(*, changes_results: bool = True, departs: bool = True) -> JsonDict:
    """What a parameter says of itself beside its meaning; for ``json_schema_extra`` of its Field.

    ``changes_results=False``: no number of a result depends on it, and no job runs again for it.
    ``departs=False``: another value is no departure from the paper, and runs that differ only in it are alike.
    """
    return {"changes_results": changes_results, "departs": departs}


class Section(BaseModel):
    """A group of parameters: immutable, no unknown keys, ranges checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """pydantic takes true for 1."""
        kinds = re.findall(r"\b(bool|int|float)\b", str(cls.model_fields[info.field_name].annotation))
        if (
            kinds
            and "bool" not in kinds
            and any(
                isinstance(item, bool) for item in (value if isinstance(value, list | tuple) else (value,))
            )
        ):
            raise ValueError(
                f"must be {'a whole number' if 'int' in kinds else 'a number'}, not true or false"
            )
        return value
