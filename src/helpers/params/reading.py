"""Parameter files: YAML, with ``extends`` and ``--set`` laid over it."""

import copy
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from helpers.errors import ParameterError, did_you_mean, near_name
from helpers.params.mistakes import kind_of, shorten, validate
from helpers.params.run import Params
from helpers.paths import PARAMS, ROOT

DEEPEST = 50  # levels of YAML; parameters need five
ENDINGS = (".yaml", ".yml", ".json")
WAY_OUT = "'python run_all.py --list' shows those there are"


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice, and reads words and numbers as YAML 1.2 does.

    5e-5 is a number; yes, no, on and off are words. Numbers are decimal, or hexadecimal after 0x; what YAML
    1.1 takes for octal (010) or for minutes and seconds (1:30) is a text. A parameter that is a number
    takes 010 for 10, and refuses 1:30.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value:
            line = f"line {key_node.start_mark.line + 1}"
            if key_node.tag == "tag:yaml.org,2002:merge":
                raise ParameterError(
                    f"{line}: YAML's '<<' is not read here; "
                    "name another file by 'extends', or repeat the keys."
                )
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise ParameterError(f"{line}: the key '{key}' is not a text; write it in quotes.")
            if key in seen:
                raise ParameterError(f"{line}: '{key}' stands twice in one section; keep one.")
            seen.add(key)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """YAML that puts a text into quotes where ``_Loader``, or another reader, would read a number."""


_WHOLE = "(?:0|[1-9][0-9]*)"  # no 010, which others read as octal
_RESOLVERS = {  # which plain words are of which kind, and how such words begin
    "bool": (r"(?:true|True|TRUE|false|False|FALSE)", "tTfF"),
    # Python refuses to write out a number of thousands of digits, which a longer one after 0x may be
    "int": (rf"[-+]?(?:{_WHOLE}|0x[0-9a-fA-F]{{1,15}})", "-+0123456789"),
    "float": (
        rf"[-+]?(?:(?:{_WHOLE}\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|{_WHOLE}[eE][-+]?[0-9]+"
        r"|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)",
        "-+0123456789.",
    ),
}
_Loader.yaml_implicit_resolvers = {
    first: [each for each in resolvers if each[0].rpartition(":")[2] not in _RESOLVERS]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _kind, (_words, _first) in _RESOLVERS.items():
    for _each in (_Loader, _Dumper):
        _each.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_words})$"), list(_first))


def override(key: str, value: Any) -> str:
    """What stands behind ``--set`` to give the parameter ``key``, such as gan.steps, a plain ``value``."""
    return f"{key}={json.dumps(value, ensure_ascii=False)}"


def parse_yaml(text: str, origin: str) -> Any:
    """Parse YAML; raise ParameterError with line and column where it is malformed."""
    try:
        return copy.deepcopy(_parsed(text))
    except ParameterError as error:
        raise ParameterError(f"{origin}, {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        if "\t" in text:
            where += " (YAML is indented by spaces, and a tab stands in it)"
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
        raise ParameterError(f"{origin} is not valid YAML{where}: {problem}.") from None
    # a date that is none, a number of too many digits; a tag such as !!int before what is none
    except (ValueError, LookupError, AttributeError) as error:
        raise ParameterError(
            f"{origin} holds a value that cannot be read: {str(error).split(';')[0]}."
        ) from None


@cache
def _parsed(text: str) -> Any:
    """The content of YAML, which nobody may change: the page reads every parameter file several times."""
    if _depth(text) > DEEPEST:  # Python would run out of stack
        raise ParameterError(f"sections or lists stand in one another more than {DEEPEST} deep.")
    return yaml.load(text, Loader=_Loader)


def yaml_text(values: Mapping[str, Any]) -> str:
    """``values`` as a parameter file has them; ``parse_yaml`` gives them back."""
    style: dict[str, Any] = {"Dumper": _Dumper, "sort_keys": False, "width": 100}
    text = yaml.dump(values, allow_unicode=True, **style)
    # PyYAML writes U+0085, the next line of old mainframes, as it is, and reads it as a space
    return text if "\x85" not in text else yaml.dump(values, **style)


def _parse_json(text: str, origin: str) -> Any:
    """Parse JSON, as the complete parameters of a run are kept."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ParameterError(f"{origin} is not valid JSON: {error}.") from None


def _depth(text: str) -> int:
    """How deep the text's sections and lists stand in one another, read off its tokens."""
    depth = deepest = 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(
            token,
            yaml.BlockMappingStartToken
            | yaml.BlockSequenceStartToken
            | yaml.FlowMappingStartToken
            | yaml.FlowSequenceStartToken,
        ):
            depth += 1
            deepest = max(deepest, depth)
        elif isinstance(token, yaml.BlockEndToken | yaml.FlowMappingEndToken | yaml.FlowSequenceEndToken):
            depth -= 1
    return deepest


def read_mapping(path: Path, chain: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The mapping in ``path``, merged over what it extends; ``chain`` are the files that extend it."""
    path = Path(os.path.realpath(path))  # Path.resolve() raises for links in a circle
    if path in chain:
        circle = " -> ".join(p.name for p in (*chain[chain.index(path) :], path))
        raise ParameterError(f"{path.name} extends itself in a circle ({circle}); break it at one 'extends'.")
    text = _read_text(path)
    mapping = _parse_json(text, path.name) if path.suffix == ".json" else parse_yaml(text, path.name)
    if mapping is None or mapping == {}:
        raise ParameterError(
            f"{path.name} is empty: write 'extends: quick.yaml', or the values that differ from the defaults."
        )
    if not isinstance(mapping, dict):
        raise ParameterError(
            f"{path.name} holds {kind_of(mapping)}, not a mapping of sections such as 'gan:' and 'data:'."
        )
    parent = mapping.pop("extends", None)
    if parent is None:
        return mapping
    if not isinstance(parent, str) or not parent or "\0" in parent:
        raise ParameterError(
            f"{path.name}: 'extends' must name one parameter file, such as 'extends: paper.yaml'."
        )
    base = read_mapping(_extended(path, parent), (*chain, path))
    base.pop("description", None)
    return merge(base, mapping)


def _extended(path: Path, parent: str) -> Path:
    """Where the file ``parent`` lies that ``path`` extends: beside it, in the project, or in params/.

    Raises ParameterError, a sentence with all these places, where it is in none of them.
    """
    sought = _places(parent, path.parent)
    found = next((place for place in sought if os.path.isfile(place)), None)
    if found or os.path.lexists(sought[0]):  # a folder, or a link to nothing, of which its reader tells
        return found or sought[0]
    near = _nearest_file(sought, but=path)
    raise ParameterError(
        f"{path.name} extends '{shorten(parent)}', and there is no parameter file "
        f"{', nor '.join(map(str, sought))}{did_you_mean([str(near)] if near else [])}; {WAY_OUT}."
    )


def _nearest_file(sought: Sequence[Path], but: Path | None = None) -> Path | None:
    """The parameter file of the nearest name, beside those that were sought, or in params/; not ``but``."""
    known: dict[str, Path] = {}
    for folder in dict.fromkeys((*(place.parent for place in sought), PARAMS)):
        for each in sorted(folder.glob("*.yaml")) if os.path.isdir(folder) else ():
            if each != but:
                known.setdefault(each.stem, each)
    near = near_name(sought[0].stem, known)
    return None if near is None else known[near]


def _read_text(path: Path) -> str:
    """The text of a parameter file; raises ParameterError where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        near = _nearest_file([path])
        names = [near.name if near.parent == path.parent else str(near)] if near else []
        raise ParameterError(f"There is no parameter file {path}{did_you_mean(names)}; {WAY_OUT}.") from None
    except OSError as error:
        reason = error.strerror or error
        raise ParameterError(f"The parameter file {path} cannot be read: {reason}; {WAY_OUT}.") from None
    except UnicodeDecodeError:
        raise ParameterError(f"The parameter file {path} is not UTF-8 text: save it as such.") from None


def merge(
    base: Mapping[str, Any], changes: Mapping[str, Any], whole: tuple[str, ...] = ("arms",)
) -> dict[str, Any]:
    """``base`` with ``changes`` laid over it, section by section; sections in ``whole`` are replaced."""
    merged = dict(base)
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value, whole) if both and key not in whole else value
    return merged


def find_file(path: Path | str) -> Path:
    """Where a parameter file lies: below the working folder, the project, or, by its bare name, in params/.

    A file that lies in none of them is sought in the working folder, which its reader then says. ``~`` at
    the beginning is the home.
    """
    places = _places(path, Path())
    return next((place for place in places if os.path.isfile(place)), places[0])


def bare_name(path: Path) -> str:
    """The name of a parameter file without its ending; the dot in lr-0.5 begins none."""
    return path.stem if path.suffix.lower() in ENDINGS else path.name


def _places(path: Path | str, folder: Path) -> list[Path]:
    """Where a parameter file may lie: in ``folder``, in the project, or, by its bare name, in params/."""
    path = Path(os.path.expanduser(path))
    places = [folder / path, ROOT / path]
    if path.name and path.parent == Path("."):
        places.append(PARAMS / f"{bare_name(path)}.yaml")
    return list(dict.fromkeys(places))


def load_params(path: Path | str, overrides: Iterable[str] = ()) -> Params:
    """Read a parameter file and lay ``section.key=value`` overrides over it, as a file that extends it would.

    ``gan={steps: 5}`` changes that one value of the section; ``arms={…}`` replaces all arms, and
    ``arms.x={…}`` adds the arm or replaces it. ``path`` may also be the bare name of a file in params/
    (``quick``). Raises ParameterError, a sentence that names the file, the key, what was expected and the
    nearest known name.
    """
    path = find_file(path)
    mapping = read_mapping(path)
    for override in overrides:
        mapping = _lay(mapping, *_override(override))
    return validate(mapping, path.name)


def _override(text: str) -> tuple[list[str], Any]:
    key, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z_][\w-]*(\.[\w-]+)*", key.strip()):
        raise ParameterError(f"--set takes section.key=value, such as gan.steps=50, not '{shorten(text)}'.")
    return key.strip().split("."), parse_yaml(value, f"--set {key.strip()}")


def _lay(mapping: Mapping[str, Any], parts: list[str], value: Any, whole: bool = False) -> dict[str, Any]:
    """``mapping`` with ``value`` at the key of ``parts``.

    A section is laid over the one there; what stands below ``arms`` replaces it.
    """
    first, *rest = parts
    whole = whole or first == "arms"
    there = mapping.get(first)
    there = there if isinstance(there, Mapping) else {}
    if rest:
        value = _lay(there, rest, value, whole)
    elif isinstance(value, Mapping) and not whole:
        value = merge(there, value)
    return {**mapping, first: value}
