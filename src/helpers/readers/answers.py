"""The files that readers saved: read, checked, and brought together with the key of their study.

A file that cannot be counted gives one sentence that names it; the others count all the same.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from helpers.errors import UserError, printable
from helpers.paths import RunPaths
from helpers.readers.key import Key, key_path, machine_path, read_key

EXPERIENCE = ("none", "under 2 years", "2 to 5 years", "6 to 10 years", "over 10 years")
MACHINE = "machine"  # the code of a program that answers in place of a person: it is told apart from readers
LARGEST = 5_000_000  # bytes of a file of answers
STEPS = 5  # of confidence


class Answer(BaseModel):
    """What a reader said of one image. A program may leave out what it does not judge."""

    model_config = ConfigDict(strict=True, extra="ignore")
    image: str
    computed: bool
    diagnosis: str | None = None
    confidence: Annotated[int, Field(ge=1, le=STEPS)] | None = None
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    position: Annotated[int, Field(ge=1)] | None = None


class AnswerFile(BaseModel):
    """The file that the page of a study saves."""

    model_config = ConfigDict(strict=True, extra="ignore")
    format: Literal["reader-study-answers"]
    version: Literal[1]
    study: Annotated[str, Field(pattern=r"^[0-9a-f]{4,64}$")]
    reader: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,19}$")]
    experience: str | None = None
    answers: Annotated[list[Answer], Field(min_length=1)]


@dataclass(frozen=True)
class Readings:
    """What readers said in one study: one row for each reader and image, and the files that do not count.

    Columns of ``table``: reader, experience (None where it was not said), image, synthetic, computed (bool),
    right (bool), diagnosis (None where there is none), diagnosed (whether it is the class of all images),
    confidence (1 to 5) and seconds, both NaN where they were not said. ``machine`` has the same columns.
    """

    key: Key | None  # None where no file counts
    table: pd.DataFrame
    machine: pd.DataFrame
    problems: list[str]  # sentences

    @property
    def readers(self) -> list[str]:
        """The codes of the readers, in their order."""
        return list(dict.fromkeys(self.table["reader"])) if len(self.table) else []


def answer_files(run: RunPaths) -> list[Path]:
    """Every file of answers that lies with a run, by name."""
    return sorted(path for path in run.reader_answers.glob("*.json") if path.is_file())


def read_readings(run: RunPaths) -> Readings | None:
    """The answers to the run's reader study; None where no file of answers lies there.

    Where there are answers to several studies of the run, those to the study that was made last count.
    """
    paths = answer_files(run)
    if not paths:
        return None
    problems: list[str] = []
    files = [(path.name, found) for path in paths if (found := _read(path, problems))]
    key = _latest(run, [found.study for _, found in files], problems)
    if key is None:
        strangers = [each for each in files if not key_path(run, each[1].study).is_file()]
        problems += [_of_no_study(*each) for each in strangers]
        return Readings(None, pd.DataFrame(), pd.DataFrame(), problems)
    program = machine_path(run, key.study)
    if program.is_file() and MACHINE not in {found.reader for _, found in files}:
        files += [(program.name, found)] if (found := _read(program, problems)) else []
    counted = _one_each(files, key, problems)
    tables = {found.reader: _table(found, key) for found in counted}
    machine = tables.pop(MACHINE, pd.DataFrame())
    readers = [tables[code] for code in sorted(tables)]
    return Readings(key, pd.concat(readers) if readers else pd.DataFrame(), machine, problems)


def _read(path: Path, problems: list[str]) -> AnswerFile | None:
    """A file of answers; None, and a sentence, where it is none."""
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it is larger than {LARGEST // 10**6} MB")
        content = json.loads(path.read_text(encoding="utf-8"))
        return AnswerFile.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        why = f"it is no file of a reader's answers ({place or 'as a whole'}: {first['msg'][:80]})"
    except (OSError, ValueError, RecursionError) as error:
        why = f"it is damaged ({str(error)[:80]})"
    problems.append(_left_out(path.name, why))
    return None


def _left_out(name: str, why: str) -> str:
    return f"{printable(name)} does not count: {printable(why)}."


def _of_no_study(name: str, found: AnswerFile) -> str:
    return _left_out(name, f"it answers the study {found.study}, which this run did not make")


def _latest(run: RunPaths, studies: Iterable[str], problems: list[str]) -> Key | None:
    """The key that was made last of those to which there are answers."""
    keys = []
    for study in dict.fromkeys(studies):
        if key_path(run, study).is_file():
            try:
                keys.append(read_key(run, study))
            except UserError as error:
                problems.append(str(error))
    return max(keys, key=lambda key: (key.made, key.study), default=None)


def _one_each(files: list[tuple[str, AnswerFile]], key: Key, problems: list[str]) -> list[AnswerFile]:
    """The files that count: of each reader the one with the most answers, of equal ones the first."""
    counted: dict[str, tuple[str, AnswerFile]] = {}
    for name, found in sorted(files, key=lambda each: -len(each[1].answers)):
        if why := _mistake(found, key):
            problems.append(_left_out(name, why))
        elif found.reader in counted:
            other = printable(counted[found.reader][0])
            problems.append(_left_out(name, f"{found.reader} has answered in {other}, too, which counts"))
        else:
            counted[found.reader] = (name, found)
    return [found for _, found in counted.values()]


def _mistake(found: AnswerFile, key: Key) -> str:
    """Why a file's answers cannot belong to this study; empty where they can."""
    if found.study != key.study:
        return f"it answers the study {found.study}, and the answers to {key.study} are counted"
    images = [answer.image for answer in found.answers]
    if unknown := [image for image in images if image not in key.origins]:
        return f"the study has no image '{unknown[0][:20]}'"
    if len(set(images)) < len(images):
        return f"it answers the image {max(images, key=images.count)} more than once"
    named = [answer.diagnosis for answer in found.answers if answer.diagnosis is not None]
    if other := [name for name in named if name not in key.classes]:
        return f"'{other[0][:40]}' is none of the study's diagnoses"
    return ""


def _table(found: AnswerFile, key: Key) -> pd.DataFrame:
    synthetic = key.synthetic
    rows: list[dict[str, Any]] = [
        {
            "reader": found.reader,
            "experience": found.experience if found.experience in EXPERIENCE else None,
            "image": answer.image,
            "synthetic": synthetic[answer.image],
            "computed": answer.computed,
            "right": answer.computed == synthetic[answer.image],
            "diagnosis": answer.diagnosis,
            "diagnosed": answer.diagnosis == key.target,
            "confidence": float("nan") if answer.confidence is None else answer.confidence,
            "seconds": float("nan") if answer.seconds is None else answer.seconds,
        }
        for answer in found.answers
    ]
    return pd.DataFrame(rows)
