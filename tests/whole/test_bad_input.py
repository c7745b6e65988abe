"""Bad input: every mistake ends in one exact sentence, exit code 2 and no traceback.

What is odd but right works, with a known result.

In the tables ``{place}`` stands for the test's own folder and ``{root}`` for the project's.
"""

import io
import json
import os
import re
import struct
import subprocess
import sys
import types
import typing
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pydantic import BaseModel

from helpers import device
from helpers.data import download
from helpers.data.arrays import load_images
from helpers.data.dataset import COLUMNS
from helpers.data.decoding import decode
from helpers.data.ham10000 import open_dataset
from helpers.data.manifest import load_split
from helpers.data.prepare import prepare_data
from helpers.engine import cli, preflight
from helpers.errors import DataError, ParameterError, UserError
from helpers.params import Data, Gan, Params, choices, load_params
from helpers.paths import RunPaths
from support import dataverse
from support.project import ROOT
from support.small_data import IDS, encoded, load_metadata, make, metadata, mistake

pytestmark = pytest.mark.filterwarnings("ignore:.*of HAM10000's 10,015 images")


def said(sentence: str, place: Path) -> str:
    return sentence.replace("{place}", str(place)).replace("{root}", str(ROOT))


# --- the command line and --set -------------------------------------------------------------------

UNRECOGNISED = (
    "; a parameter file is named by --params FILE, a value by --set SECTION.KEY=VALUE; "
    "--help shows every option."
)
COMMANDS = [
    (["--set", "gan.epochs"], "--set takes section.key=value, such as gan.steps=50, not 'gan.epochs'."),
    (["--set", "=3"], "--set takes section.key=value, such as gan.steps=50, not '=3'."),
    (["--set", "gan..epochs=3"], "--set takes section.key=value, such as gan.steps=50, not 'gan..epochs=3'."),
    (["--set", "arms.a b={}"], "--set takes section.key=value, such as gan.steps=50, not 'arms.a b={}'."),
    (
        ["--set", "gan.epochs=["],
        "--set gan.epochs is not valid YAML, line 1, column 2: expected the node content, but found "
        "'<stream end>'.",
    ),
    (
        ["--set", "gan.epochs=\t3"],
        "--set gan.epochs is not valid YAML, line 1, column 1 (YAML is indented by spaces, and a tab stands "
        "in it): found character '\\t' that cannot start any token.",
    ),
    (["--set", "epochs=3"], "quick.yaml: 'epochs' is not a parameter (did you mean 'gan.epochs'?)."),
    (["--set", "gann.epochs=3"], "quick.yaml: 'gann' is not a parameter (did you mean 'gan'?)."),
    (
        ["--set", "gan.frobnicate=3"],
        f"quick.yaml: 'gan.frobnicate' is not a parameter; known here: {', '.join(Gan.model_fields)}.",
    ),
    (["--set", "gan=3"], "quick.yaml: gan must be a section with keys of its own, not 3."),
    (["--set", "arms=baseline"], "quick.yaml: arms must be a mapping, not 'baseline'."),
    (["--set", "arms={}"], "quick.yaml: arms must hold at least 1 value, not 0."),
    (["--set", "gan.epochs=true"], "quick.yaml: gan.epochs must be a whole number, not true or false."),
    (["--set", "gan.epochs=1.5"], "quick.yaml: gan.epochs must be a whole number, not 1.5."),
    (["--set", "gan.epochs="], "quick.yaml: gan.epochs must be a whole number, not nothing."),
    (
        ["--set", f"gan.epochs={'9' * 5000}"],
        "--set gan.epochs holds a value that cannot be read: Exceeds the limit (4300 digits) for integer "
        "string conversion: value has 5000 digits.",
    ),
    (["--set", "gan.epochs=.inf"], "quick.yaml: gan.epochs must be a finite number, not inf."),
    (["--set", "gan.lr_generator=.nan"], "quick.yaml: gan.lr_generator must be a finite number, not nan."),
    (["--set", "gan.lr_generator=1e-4x"], "quick.yaml: gan.lr_generator must be a number, not '1e-4x'."),
    (["--set", "gan.seeds=[]"], "quick.yaml: gan.seeds must hold at least 1 value, not 0."),
    (
        ["--set", "gan.seeds=[1, 1]"],
        "quick.yaml: gan.seeds: every GAN needs a seed of its own, and one stands twice.",
    ),
    (["--set", "gan.seeds=[-1]"], "quick.yaml: gan.seeds.0 must be at least 0, not -1."),
    (["--set", "gan.adam_betas=[0.5]"], "quick.yaml: gan.adam_betas.1 is missing: give a value."),
    (["--set", "gan.adam_betas=[0.5, 1]"], "quick.yaml: gan.adam_betas.1 must be less than 1, not 1."),
    (
        ["--set", "data.split.fractions=[0.5, 0.3, 0.1]"],
        "quick.yaml: data.split.fractions: the three fractions must sum to 1, not to 0.9.",
    ),
    (
        ["--set", "report.title=2024-02-31"],
        "--set report.title holds a value that cannot be read: day is out of range for month.",
    ),
    (["--set", "report.title="], "quick.yaml: report.title must be a text, not nothing."),
    (
        ["--set", "report.title=''"],
        "quick.yaml: report.title must be a text of at least 1 character, not ''.",
    ),
    (
        ["--set", f"report.title={'x' * 201}"],
        f"quick.yaml: report.title must be a text of at most 200 characters, not '{'x' * 79}….",
    ),
    (
        ["--set", f"gan={'[' * 60}{']' * 60}"],
        "--set gan, sections or lists stand in one another more than 50 deep.",
    ),
    (
        ["--set", "classifier.backbone=resnet50"],
        "quick.yaml: classifier: frozen_stages is 8, and resnet50 has 5 stages; give 0 to 5.",
    ),
    (
        ["--set", "classifier={bank: 4, frozen_stages: 0}"],
        "quick.yaml: classifier: bank keeps the outputs of frozen stages, and frozen_stages is 0; freeze "
        "some, or set bank to 0.",
    ),
    (["--set", "data.root=''"], "quick.yaml: data.root must be a text of at least 1 character, not ''."),
    (["--set", 'data.root="a\\0b"'], "quick.yaml: data.root: a path has no null character."),
    (
        ["--set", "data.root=~nobody-of-this-name/x"],
        "quick.yaml: data.root: '~nobody-of-this-name/x' begins with the home of a user who is not known "
        "here; write the path in full.",
    ),
    (["--set", 'data.root="\\ud800"'], "quick.yaml: data.root must be a text, not '\\ud800'."),
    # arms
    (
        ["--set", "arms.x={synthetik: {}}"],
        "quick.yaml: 'arms.x.synthetik' is not a parameter (did you mean 'synthetic'?).",
    ),
    (
        ["--set", "arms.filtered.synthetic.selct=top"],
        "quick.yaml: 'arms.filtered.synthetic.selct' is not a parameter (did you mean 'select'?).",
    ),
    (
        ["--set", "arms.x={synthetic: {select: top, count: 3000}}"],
        "quick.yaml: arms.x asks for 3000 synthetic images, and synthesis.count generates only 120: lower "
        "the one or raise the other.",
    ),
    (
        ["--set", "arms.x={synthetic: {select: top, count: 0}}"],
        "quick.yaml: arms.x.synthetic.count must be at least 1, not 0.",
    ),
    (
        ["--set", "arms.x={synthetic: {select: top}}"],
        "quick.yaml: arms.x.synthetic: 'select: top' needs 'count', 'counts', 'fraction' or 'share'.",
    ),
    (
        ["--set", "arms.x={synthetic: {select: best, count: 3}}"],
        "quick.yaml: arms.x.synthetic.select must be one of 'top', 'bottom', 'random' or 'all', not 'best'.",
    ),
    (
        ["--set", "arms.x={synthetic: {select: top, count: 3, fraction: 0.1}}"],
        "quick.yaml: arms.x.synthetic: give 'count' or 'fraction', not both.",
    ),
    (
        ["--set", "arms.x={synthetic: {select: all, count: 3}}"],
        "quick.yaml: arms.x.synthetic: 'select: all' takes every image; drop 'count', or use "
        "'select: random'.",
    ),
    (
        ["--set", "arms.x={synthetic: {}}"],
        "quick.yaml: arms.x.synthetic: say which images: 'select: top | bottom | random | all', or 'folder: "
        "path'.",
    ),
    (
        ["--set", "arms.x={synthetic: {select: all, class: nv}}"],
        "quick.yaml: arms.x.synthetic: 'class' goes with 'folder'; the GAN's images have the classes of "
        "gan.classes.",
    ),
    (
        ["--set", "arms.x={loss: focal}"],
        "quick.yaml: arms.x.loss must be one of 'cross_entropy' or 'balanced', not 'focal'.",
    ),
    (["--set", "arms.x="], "quick.yaml: arms.x must be a section with keys of its own, not nothing."),
    (
        ["--set", "arms.Baseline={}"],
        "quick.yaml: two arms differ only in upper and lower case, and would share a folder on some systems.",
    ),
    (
        ["--set", "arms={'../x': {}}"],
        "quick.yaml: arms.../x: '../x' is not a name; use letters, digits, dashes and underscores, at most "
        "40.",
    ),
    (
        ["--set", "arms={other: {}}"],
        "quick.yaml: evaluation.reference is 'baseline', and there is no such arm; the arms are other.",
    ),
    (
        ["--set", "evaluation.reference=none"],
        "quick.yaml: evaluation.reference is 'none', and there is no such arm; the arms are baseline, "
        "filtered, all.",
    ),
    (
        ["--set", "arms.x={oversample: {class: scc, count: 5}}"],
        "arms.x.oversample.class is 'scc', and the data hold no such class; the classes are akiec, bcc, "
        "bkl, df, mel, nv, vasc.",
    ),
    (
        ["--set", "arms.x={withhold: {class: melanoma}}"],
        "arms.x.withhold.class is 'melanoma', and the data hold no such class; the classes are akiec, bcc, "
        "bkl, df, mel, nv, vasc.",
    ),
    (
        ["--set", "data.target_class=melanoma"],
        "data.target_class is 'melanoma', and the data have no such class; they have akiec, bcc, bkl, df, "
        "mel, nv, vasc.",
    ),
    (
        ["--set", "arms.x={synthetic: {folder: nowhere}}"],
        "The arm's folder of images, {root}/nowhere, does not exist; give a path from the project's folder "
        "or an absolute one.",
    ),
    (
        ["--set", "arms.x={synthetic: {folder: params}}"],
        "{root}/params holds no image (looked for JPEG, PNG, WEBP, BMP, TIFF).",
    ),
    # files that parameters name
    (
        ["--set", "classifier.weights=nowhere.pth"],
        "classifier.weights is 'nowhere.pth', and there is no file {root}/nowhere.pth; give 'imagenet', "
        "'none', or a .safetensors or .pth file.",
    ),
    (
        ["--set", "synthesis.feature_weights=nowhere.pth"],
        "synthesis.feature_weights is 'nowhere.pth', and there is no file {root}/nowhere.pth; leave it out, "
        "or give a .safetensors or .pth file.",
    ),
    (
        ["--set", "gan.initial_weights=nowhere"],
        "gan.initial_weights is 'nowhere', and {root}/nowhere/generator.safetensors is not there: name a "
        "folder with generator.safetensors and discriminator.safetensors.",
    ),
    (
        ["--set", "data.external_root={place}/nowhere"],
        "The folder {place}/nowhere of the external test set does not exist: check data.external_root.",
    ),
    # options
    (
        ["--params", "params/quikc.yaml"],
        "There is no parameter file {place}/params/quikc.yaml (did you mean '{root}/params/quick.yaml'?); "
        "'python run_all.py --list' shows those there are.",
    ),
    (
        ["--params", "{place}"],
        "The parameter file {place} cannot be read: Is a directory; 'python run_all.py --list' shows those "
        "there are.",
    ),
    (
        ["--params", "{root}/params/quick.yaml/x"],
        "The parameter file {root}/params/quick.yaml/x cannot be read: Not a directory; 'python run_all.py "
        "--list' shows those there are.",
    ),
    (
        ["--params", "x" * 300],
        f"The parameter file {{place}}/{'x' * 300} cannot be read: File name too long; 'python run_all.py "
        "--list' shows those there are.",
    ),
    (
        ["--run", "a/b"],
        "'a/b' cannot name a run: use letters, digits, dots, dashes and underscores, at most 64, and begin "
        "with a letter or digit; --run NAME gives another name.",
    ),
    (
        ["--run", ""],
        "'' cannot name a run: use letters, digits, dots, dashes and underscores, at most 64, and begin "
        "with a letter or digit; --run NAME gives another name.",
    ),
    (
        ["--run", ".."],
        "'..' cannot name a run: use letters, digits, dots, dashes and underscores, at most 64, and begin "
        "with a letter or digit; --run NAME gives another name.",
    ),
    (
        ["--run", "x" * 65],
        f"'{'x' * 65}' cannot name a run: use letters, digits, dots, dashes and underscores, at most 64, "
        "and begin with a letter or digit; --run NAME gives another name.",
    ),
    (
        ["--run", "Examples"],
        "'Examples' cannot name a run, because reports/examples is something else: --run NAME gives another "
        "name.",
    ),
    (["--data-root", "{place}/nowhere"], "--data-root: there is no folder {place}/nowhere."),
    (["--data-root", ""], "--data-root: there is no folder without a name."),
    (
        ["--data-root", "~nobody-of-this-name/x"],
        "--data-root: there is no folder {place}/~nobody-of-this-name/x.",
    ),
    (
        ["--data-root", "{place}"],
        "--data-root names photographs, and quick.yaml draws its lesions: add --set data.source=ham10000 "
        "(or folder, for images of your own), or --params params/laptop.yaml.",
    ),
    (
        ["--set", "data.root={place}"],
        "data.root names photographs, and quick.yaml draws its lesions: add --set data.source=ham10000 (or "
        "folder, for images of your own), or --params params/laptop.yaml.",
    ),
    (["--only", "gan", "--until", "gan"], "--only and --until contradict each other: give one of them."),
    (
        ["--only", "evaluation", "--run", "fresh"],
        "--only evaluation reads what eda writes, and that is not finished: run the stage 'eda' first "
        "(--until eda).",
    ),
    (
        ["--accept-code", "gan", "--run", "fresh"],
        "--accept-code gan: the run 'fresh' has no finished 'gan' to keep.",
    ),
    (["--until", "gans"], "error: argument --until: invalid choice: 'gans' …"),
    (
        ["--cores", "0"],
        "error: argument --cores: '0' is not a whole number of at least 1; --help shows every option.",
    ),
    (
        ["--cores", "two"],
        "error: argument --cores: 'two' is not a whole number of at least 1; --help shows every option.",
    ),
    (
        ["--cores", "²"],
        "error: argument --cores: '²' is not a whole number of at least 1; --help shows every option.",
    ),
    (["--frobnicate"], f"error: unrecognized arguments: --frobnicate{UNRECOGNISED}"),
    (
        ["--para", "params/quick.yaml"],
        f"error: unrecognized arguments: --para params/quick.yaml{UNRECOGNISED}",
    ),
    (["quick"], f"error: unrecognized arguments: quick{UNRECOGNISED}"),
    (["--set", "gan.steps", "500"], f"error: unrecognized arguments: 500{UNRECOGNISED}"),
    (["--compare", "smoke"], "error: argument --compare: expected 2 arguments; --help shows every option."),
    (["--set", "--dry-run"], "error: argument --set: expected one argument; --help shows every option."),
    (
        ["--force", "gan", "--only", "eda"],
        "--force gan asks for a stage that --only leaves out: drop one of the two.",
    ),
    (
        ["--force", "gan", "--until", "eda"],
        "--force gan asks for a stage that --until leaves out: drop one of the two.",
    ),
    (
        ["--replicates", "4-0"],
        "error: argument --replicates: '4-0' names no replicates: write numbers or ranges, such as 0-4 or "
        "0,3; --help shows every option.",
    ),
    (
        ["--replicates", "0,7"],
        "--replicates: there is no replicate 7; the run has 3, from 0 on.",
    ),
    (
        ["--replicates", "0", "--until", "report"],
        "The report needs all trainings: leave out --replicates.",
    ),
    (
        ["--arms", "baseline", "--only", "evaluation"],
        "The evaluation needs all trainings: leave out --arms.",
    ),
    (
        ["--arms", "baseline,filtred"],
        "There is no arm 'filtred' (did you mean 'filtered'?); the arms are baseline, filtered, all.",
    ),
    (
        ["--params", ""],
        "The parameter file {place} cannot be read: Is a directory; 'python run_all.py --list' shows those "
        "there are.",
    ),
    (
        ["--set", "gan.steps: 500"],
        "--set takes section.key=value, such as gan.steps=50, not 'gan.steps: 500'.",
    ),
    (["--set", "gan.seeds=1,2"], "quick.yaml: gan.seeds must be a list such as [0, 1], not '1,2'."),
    (["--set", "replicates=1,000"], "quick.yaml: replicates must be a whole number, not '1,000'."),
    (
        ["--set", "report.title=Mine: a title"],
        "quick.yaml: report.title must be a text, not a mapping (a text with a colon stands in quotes).",
    ),
    (
        ["--set", "arms.x={synthetic: {select:all}}"],
        "quick.yaml: 'arms.x.synthetic.select:all' is not a parameter (YAML wants a space after each colon).",
    ),
]


@pytest.mark.parametrize("words, sentence", COMMANDS, ids=[" ".join(words)[:60] for words, _ in COMMANDS])
def test_commands(place, capsys, words, sentence):
    told = mistake(capsys, *(said(word, place) for word in words))
    sentence = said(sentence, place)
    assert told == sentence or (
        sentence.endswith("…") and told.startswith(sentence[:-1])
    )  # argparse's own words differ among versions


# --- parameter files --------------------------------------------------------------------------------

FILES = [
    ("- 1\n- 2\n", "it.yaml holds a list, not a mapping of sections such as 'gan:' and 'data:'."),
    ("gan\n", "it.yaml holds a text, not a mapping of sections such as 'gan:' and 'data:'."),
    ("42\n", "it.yaml holds a number, not a mapping of sections such as 'gan:' and 'data:'."),
    (
        "gan:\n\tepochs: 3\n",
        "it.yaml is not valid YAML, line 2, column 1 (YAML is indented by spaces, and a tab stands in it): "
        "found character '\\t' that cannot start any token.",
    ),
    (
        "gan: {epochs: 3\n",
        "it.yaml is not valid YAML, line 2, column 1: expected ',' or '}', but got '<stream end>'.",
    ),
    (
        "gan:\n  epochs: 3\n gan:\n",
        "it.yaml is not valid YAML, line 3, column 2: expected <block end>, but found '<block mapping "
        "start>'.",
    ),
    ("gan: {epochs: 3}\ngan: {epochs: 4}\n", "it.yaml, line 2: 'gan' stands twice in one section; keep one."),
    ("gan:\n  epochs: 3\n  epochs: 4\n", "it.yaml, line 3: 'epochs' stands twice in one section; keep one."),
    ("1: 2\n", "it.yaml, line 1: the key '1' is not a text; write it in quotes."),
    ("gan:\n  true: 2\n", "it.yaml, line 2: the key 'True' is not a text; write it in quotes."),
    (
        "gan: &gan {epochs: 3}\nsynthesis: {<<: *gan}\n",
        "it.yaml, line 2: YAML's '<<' is not read here; name another file by 'extends', or repeat the keys.",
    ),
    ("gan: *gan\n", "it.yaml is not valid YAML, line 1, column 6: found undefined alias 'gan'."),
    ("gan: {}\n---\ngan: {}\n", "it.yaml is not valid YAML, line 2, column 1: but found another document."),
    (
        "gan: !!python/object:os.system {}\n",
        "it.yaml is not valid YAML, line 1, column 6: could not determine a constructor for the tag "
        "'tag:yaml.org,2002:python/object:os.system'.",
    ),
    (
        "gan: !!int many\n",
        "it.yaml holds a value that cannot be read: invalid literal for int() with base 10: 'many'.",
    ),
    ("gan: \x07\n", "it.yaml is not valid YAML: special characters are not allowed."),
    (
        "extends: it.yaml\n",
        "it.yaml extends itself in a circle (it.yaml -> it.yaml); break it at one 'extends'.",
    ),
    (
        "extends: other.yaml\n",
        "it.yaml extends itself in a circle (it.yaml -> other.yaml -> it.yaml); break it at one 'extends'.",
    ),
    (
        "extends: oter.yaml\n",
        "it.yaml extends 'oter.yaml', and there is no parameter file {place}/oter.yaml, nor "
        "{root}/oter.yaml, nor {root}/params/oter.yaml (did you mean '{place}/other.yaml'?); 'python "
        "run_all.py --list' shows those there are.",
    ),
    (
        "extends: loop.yaml\n",
        "The parameter file {place}/loop.yaml cannot be read: Too many levels of symbolic links; 'python "
        "run_all.py --list' shows those there are.",
    ),
    ("extends: [a, b]\n", "it.yaml: 'extends' must name one parameter file, such as 'extends: paper.yaml'."),
    ("extends: ''\n", "it.yaml: 'extends' must name one parameter file, such as 'extends: paper.yaml'."),
    ("arms: {}\n", "it.yaml: arms must hold at least 1 value, not 0."),
    ("arms:\n", "it.yaml: arms must be a mapping, not nothing."),
    (
        "gan: {epochs: 0, steps: -1}\n",
        "it.yaml: gan.epochs must be at least 1, not 0. gan.steps must be at least 1, not -1.",
    ),
    (
        "description: 3\n",
        'it.yaml: description must be a text, not 3 (write it in quotes: "3" in a file, '
        "description='\"3\"' after --set).",
    ),
    ("report: {title: 2024-02-01}\n", "it.yaml: report.title must be a text, not a date."),
    (b"report: {title: \xff}\n", "The parameter file {place}/it.yaml is not UTF-8 text: save it as such."),
    (
        'gan: {"ep\\e[2Jochs": 3}\n',
        "it.yaml: 'gan.ep\\x1b[2Jochs' is not a parameter (did you mean 'epochs'?).",
    ),
]


@pytest.mark.parametrize("text, sentence", FILES, ids=[repr(text)[:50] for text, _ in FILES])
def test_parameter_files(place, capsys, text, sentence):
    (place / "it.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    (place / "other.yaml").write_text("extends: it.yaml\n")
    (place / "loop.yaml").symlink_to("loop.yaml")
    assert mistake(capsys, "--params", str(place / "it.yaml")) == said(sentence, place)


# --- every key, every range -------------------------------------------------------------------------


def leaves(model: type[BaseModel], prefix: str = ""):
    """(key, field) of every parameter; those of an arm as parts of the arm 'x'."""
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        kinds = [
            kind
            for kind in (field.annotation, *typing.get_args(field.annotation))
            if isinstance(kind, type) and issubclass(kind, BaseModel)
        ]
        if kinds:
            yield key, field
            yield from leaves(kinds[0], f"{'arms.x.' if key == 'arms' else key + '.'}")
        else:
            yield key, field


KEYS = dict(leaves(Params))
SECTIONS = {key for key in KEYS if any(other.startswith(f"{key}.") for other in KEYS)} | {"arms"}
# what else must be given for an arm's parameter to be looked at alone
ARM = {"arms.x.synthetic": {"folder": "somewhere"}}


def wrong(key: str, value) -> str:
    """What the parameters say of ``value`` at ``key``."""
    overrides = (
        [f"arms.x.synthetic={json.dumps(ARM['arms.x.synthetic'])}"]
        if key.startswith("arms.x.synthetic.")
        else []
    )
    overrides += ["arms.x={}"] if key.startswith("arms.x.") and not overrides else []
    try:
        load_params("paper", [*overrides, f"{key}={json.dumps(value)}"])
    except ParameterError as error:
        return str(error).removeprefix("paper.yaml: ")
    return ""


def test_the_model_is_walked_whole():
    assert len(KEYS) > 100 and {
        "data.split.by",
        "gan.r1_every",
        "arms.x.synthetic.class",
        "arms.x.withhold.fraction",
        "report.title",
    } <= set(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_every_misspelt_key_is_met_with_the_right_one(key):
    parent, _, name = key.rpartition(".")
    middle = len(name) // 2
    misspelt = f"{parent}{'.' if parent else ''}{name[:middle]}{name[middle]}{name[middle:]}"
    assert wrong(misspelt, 1) == f"'{misspelt}' is not a parameter (did you mean '{name}'?)."


def bounds(field) -> list[tuple[str, float, float]]:
    """(words, bound, a value just outside it) of every limit of a number."""
    whole = re_kind(field) == "int"
    found = []
    for limit in field.metadata:
        for name, words, step in (
            ("ge", "at least", -1),
            ("gt", "more than", 0),
            ("le", "at most", 1),
            ("lt", "less than", 0),
        ):
            if (bound := getattr(limit, name, None)) is not None:
                found.append((words, bound, bound + step * (1 if whole else 0.25)))
    return found


def re_kind(field) -> str:
    """'int', 'float', 'bool', 'str' or '' for what a field holds, None aside."""
    either = typing.get_origin(field.annotation) in (typing.Union, types.UnionType)
    kinds = [
        kind
        for kind in (field.annotation, *(typing.get_args(field.annotation) if either else ()))
        if kind in (int, float, bool, str)
    ]
    if not kinds and either:
        kinds = [
            typing.get_args(part)[0]
            for part in typing.get_args(field.annotation)
            if typing.get_origin(part) is typing.Annotated
        ]
    return kinds[0].__name__ if kinds else ""


RANGES = [
    (key, *bound)
    for key, field in KEYS.items()
    if re_kind(field) in ("int", "float")
    for bound in bounds(field)
]


def number(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


@pytest.mark.parametrize(
    "key, words, bound, outside", RANGES, ids=[f"{key} {words} {bound}" for key, words, bound, _ in RANGES]
)
def test_every_range_is_told_at_its_edge(key, words, bound, outside):
    assert wrong(key, outside) == f"{key} must be {words} {number(bound)}, not {outside!r}."
    if words.startswith("at"):
        assert f"{key} must be" not in wrong(key, bound)


CHOICES = {key: choices(key) for key in KEYS if choices(key)} | {
    key: typing.get_args(field.annotation)
    for key, field in KEYS.items()
    if typing.get_origin(field.annotation) is typing.Literal
}


@pytest.mark.parametrize("key", CHOICES)
def test_every_choice_is_listed(key):
    *others, last = map(repr, CHOICES[key])
    words = f"one of {', '.join(others)} or {last}" if others else last
    assert wrong(key, "!!!!") == f"{key} must be {words}, not '!!!!'."


@pytest.mark.parametrize("key", [key for key in CHOICES if isinstance(CHOICES[key][0], str)])
def test_a_misspelt_choice_is_met_with_the_right_one(key):
    word = max(CHOICES[key], key=len)
    assert wrong(key, f"{word}x").endswith(f", not '{word}x' (did you mean '{word}'?).")


WORDS = {
    "int": ("many", "a whole number", "'many'"),
    "float": ("many", "a number", "'many'"),
    "bool": ("maybe", "true or false", "'maybe'"),
    "str": (3, "a text", "3"),
}


KINDS = [key for key, field in KEYS.items() if re_kind(field) and key not in CHOICES]


@pytest.mark.parametrize("key", KINDS)
def test_every_kind_is_told(key):
    value, words, shown = WORDS[re_kind(KEYS[key])]
    quotes = f""" (write it in quotes: "3" in a file, {key}='"3"' after --set)""" if value == 3 else ""
    assert wrong(key, value) == f"{key} must be {words}, not {shown}{quotes}."
    if re_kind(KEYS[key]) in ("int", "float"):
        assert wrong(key, True) == f"{key} must be {words}, not true or false."


@pytest.mark.parametrize("key", sorted(SECTIONS - {"arms"}))
def test_every_section_is_a_section(key):
    assert wrong(key, 3) == f"{key} must be a section with keys of its own, not 3."


def test_set_lays_sections_over_and_replaces_arms():
    quick = load_params("quick")
    some = load_params("quick", ["gan={steps: 5, flips: none}", "data={split: {by: lesion}}"])
    assert (some.gan.steps, some.gan.flips, some.gan.batch_size) == (5, "none", quick.gan.batch_size)
    assert some.data.split.by == "lesion" and some.data.source == "phantom" and some.data.split.seed == 42
    assert list(load_params("quick", ["arms={baseline: {}, weighted: {loss: balanced}}"]).arms) == [
        "baseline",
        "weighted",
    ]
    assert list(load_params("quick", ["arms.weighted={loss: balanced}"]).arms) == [
        "baseline",
        "filtered",
        "all",
        "weighted",
    ]
    filtered = load_params("quick", ["arms.filtered={synthetic: {select: all}}"]).arms["filtered"]
    assert filtered.synthetic.select == "all" and filtered.synthetic.count is None
    assert load_params("quick", ["arms.filtered.synthetic.count=5"]).arms["filtered"].synthetic.count == 5


def test_aliases_that_would_unfold_to_billions_cost_nothing(place, capsys):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"] + [
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)
    ]
    (place / "it.yaml").write_text("\n".join([*lines, "report: {title: *a11}"]))
    assert "report.title must be a text, not a list." in mistake(capsys, "--params", str(place / "it.yaml"))
    (place / "it.yaml").write_text("gan: &gan {gan: *gan}\n")
    assert mistake(capsys, "--params", str(place / "it.yaml")).startswith(
        "it.yaml: 'gan.gan' is not a parameter"
    )


# --- data folders: refused before the first job -------------------------------------------------------


def with_table(**columns):
    return lambda folder: make(folder, metadata(**columns))


def first(column: str, value: str) -> list[str]:
    return [value, *metadata()[column][1:]]


def without(*names: str):
    def build(folder):
        make(folder)
        for name in names:
            (folder / name).unlink()

    return build


def raw_table(content: bytes):
    return lambda folder: make(folder, content)


CSV = metadata().to_csv(index=False)


def unreadable(monkeypatch, folder: Path) -> None:
    """A folder that may not be listed, for root too."""
    real = os.scandir

    def scandir(path):
        if Path(path) == folder:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)


def empty_zip(folder):
    make(folder)
    (folder / "HAM10000_images_part_1.zip").write_bytes(b"")


def many_classes(counts: dict[str, int]):
    """A data set with so many images of each class, one photograph a lesion."""

    def build(folder):
        dx = [name for name, count in counts.items() for _ in range(count)]
        ids = [f"I{n}" for n in range(len(dx))]
        table = pd.DataFrame({"lesion_id": ids, "image_id": ids, "dx": dx} | dict.fromkeys(COLUMNS[3:], ""))
        folder.mkdir()
        table.to_csv(folder / "HAM10000_metadata.csv", index=False)
        for image_id in ids:
            (folder / f"{image_id}.jpg").write_bytes(encoded())

    return build


FOLDERS = {
    "empty": (
        lambda folder: folder.mkdir(),
        "{data} holds no metadata: looked for HAM10000_metadata (.csv, .tab, .tsv, .txt or no ending), "
        "ISIC2018_Task3_Training_GroundTruth.csv and any table with the columns image_id and dx. Images of "
        "your own are read by data.source=folder.",
    ),
    "only a table": (
        without(*(f"{image_id}.jpg" for image_id in IDS)),
        "{data} has no image (looked for JPEG and PNG, in folders and zip archives).",
    ),
    "partial": (
        without("ISIC_0000003.jpg", "ISIC_0000004.jpg"),
        "{data} has 2 rows without an image (ISIC_0000003, ISIC_0000004).",
    ),
    "an image too many": (
        lambda folder: make(folder, images={"ISIC_9999999.jpg": encoded()}),
        "{data} has 1 image without a row (ISIC_9999999.jpg).",
    ),
    "an image twice": (
        lambda folder: make(folder, images={"ISIC_0000000.png": encoded()}),
        "1 image is there under two file names: ISIC_0000000.jpg and ISIC_0000000.png. Keep one of each.",
    ),
    "an image that is a pipe": (
        lambda folder: (
            make(folder),
            (folder / f"{IDS[0]}.jpg").unlink(),
            os.mkfifo(folder / f"{IDS[0]}.jpg"),
        ),
        "{data} has 1 row without an image (ISIC_0000000).",
    ),
    "an image linked to itself": (
        lambda folder: (
            make(folder),
            (folder / f"{IDS[0]}.jpg").unlink(),
            (folder / f"{IDS[0]}.jpg").symlink_to(f"{IDS[0]}.jpg"),
        ),
        "{data} has 1 row without an image (ISIC_0000000).",
    ),
    "an image linked to a device": (
        lambda folder: (
            make(folder),
            (folder / f"{IDS[0]}.jpg").unlink(),
            (folder / f"{IDS[0]}.jpg").symlink_to("/dev/zero"),
        ),
        "{data} has 1 row without an image (ISIC_0000000).",
    ),
    "a name that is no text": (
        lambda folder: (
            make(folder),
            Path(os.fsdecode(os.fsencode(folder) + b"/\xff.jpg")).write_bytes(encoded()),
        ),
        "{data} has 1 image without a row (ÿ.jpg).",
    ),
    "a name that steers the terminal": (
        lambda folder: make(folder, images={"\x1b[2J\x07.jpg": encoded()}),
        "{data} has 1 image without a row (\\x1b[2J\\x07.jpg).",
    ),
    "a broken zip": (
        empty_zip,
        "HAM10000_images_part_1.zip is not a whole zip archive (File is not a zip file): download it again, "
        "or take it away.",
    ),
    "no column dx": (
        lambda folder: make(folder, metadata().drop(columns="dx")),
        "HAM10000_metadata.csv lacks the column dx; it has lesion_id, image_id, dx_type, age, sex, "
        "localization.",
    ),
    "a column twice": (
        raw_table(CSV.replace("dx_type", "dx", 1).encode()),
        "HAM10000_metadata.csv has a column twice: lesion_id, image_id, dx, dx, age, sex, localization.",
    ),
    "duplicate ids": (
        with_table(image_id=first("image_id", IDS[1])),
        "HAM10000_metadata.csv has 1 image id more than once: ISIC_0000001.",
    ),
    "an unknown class": (
        with_table(dx=first("dx", "scc")),
        "HAM10000_metadata.csv has 1 row of an unknown class, 'scc' (ISIC_0000000); known: akiec, bcc, bkl, "
        "df, mel, nv, vasc.",
    ),
    "no class": (with_table(dx=first("dx", "")), "HAM10000_metadata.csv: no dx in 1 row (line 2)."),
    "no lesion": (
        with_table(lesion_id=first("lesion_id", " ")),
        "HAM10000_metadata.csv: no lesion_id in 1 row (line 2).",
    ),
    "an id with a slash": (
        with_table(image_id=first("image_id", "../../etc/passwd")),
        "HAM10000_metadata.csv: an image id is a name without slashes and control characters, unlike "
        "../../etc/passwd.",
    ),
    "an id that steers the terminal": (
        with_table(image_id=first("image_id", "\x1b]0;x")),
        "HAM10000_metadata.csv: an image id is a name without slashes and control characters, unlike "
        "\\x1b]0;x.",
    ),
    "an age in words": (
        with_table(age=first("age", "old")),
        "HAM10000_metadata.csv: an age is a number of years, not 'old' (ISIC_0000000).",
    ),
    "an age of 999": (
        with_table(age=first("age", "999")),
        "HAM10000_metadata.csv: an age is a number of years, not '999' (ISIC_0000000).",
    ),
    "a header alone": (
        raw_table(CSV.splitlines()[0].encode()),
        "HAM10000_metadata.csv has a header and no rows.",
    ),
    "an empty table": (raw_table(b""), "HAM10000_metadata.csv is no table: No columns to parse from file."),
    "Latin-1": (
        raw_table(CSV.replace("back", "Rücken").encode("latin-1")),
        "HAM10000_metadata.csv is not UTF-8 text: save it as CSV in UTF-8.",
    ),
    "UTF-16 without a mark": (
        raw_table(CSV.replace("back", "Rücken").encode("utf-16-le")),
        "HAM10000_metadata.csv is not UTF-8 text: save it as CSV in UTF-8.",
    ),
    "a row too long": (
        raw_table(CSV.encode() + b"a,b,c,d,e,f,g,h,i\n"),
        "HAM10000_metadata.csv is no table: Error tokenizing data. C error: Expected 7 fields in line 22, "
        "saw 9.",
    ),
    "an open quote": (
        raw_table(CSV.encode() + b'"'),
        "HAM10000_metadata.csv is no table: Error tokenizing data. C error: EOF inside string starting at "
        "row 21.",
    ),
    "a spreadsheet": (
        raw_table(b"PK\x03\x04\x14\x00\x06\x00\x08\x00"),
        "HAM10000_metadata.csv lacks the column lesion_id, image_id, dx, dx_type, age, sex, localization; "
        "it has PK\\x03\\x04\\x14\\x00\\x06\\x00\\x08\\x00.",
    ),
    "another target": (
        many_classes({"nv": 10, "bcc": 10}),
        "data.target_class is 'mel', and the data have no such class; they have bcc, nv.",
    ),
    "a class too small": (
        many_classes({"nv": 10, "mel": 10, "df": 2}),
        "The class 'df' has 2 images, too few to be in training, validation and test: leave the class out "
        "or add images.",
    ),
    "too few at all": (
        many_classes({"nv": 1, "mel": 1}),
        "The class 'mel' has 1 image, too few to be in training, validation and test: leave the class out "
        "or add images.",
    ),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_data_folders(place, capsys, name):
    build, sentence = FOLDERS[name]
    build(place / "data")
    told = mistake(capsys, "--params", "laptop", "--run", "bad", "--data-root", str(place / "data"))
    assert told == sentence.replace("{data}", str(place / "data"))
    assert not (place / "artifacts" / "bad" / "params.json").exists()  # nothing was begun


def test_an_unreadable_folder(place, capsys, monkeypatch):
    make(place / "data")
    (place / "data" / "part 2").mkdir()
    unreadable(monkeypatch, place / "data" / "part 2")
    told = mistake(capsys, "--params", "laptop", "--run", "bad", "--data-root", str(place / "data"))
    assert told == f"The folder {place}/data/part 2 cannot be read: Permission denied."


def test_a_split_by_lesion_without_lesions(place, capsys):
    make(place / "data", b"")
    (place / "data" / "HAM10000_metadata.csv").unlink()
    rows = [(image_id, int(n % 2), int(not n % 2)) for n, image_id in enumerate(IDS)]
    pd.DataFrame(rows, columns=["image", "MEL", "NV"]).to_csv(
        place / "data" / "ISIC2018_Task3_Training_GroundTruth.csv", index=False
    )
    told = mistake(
        capsys,
        "--params",
        "laptop",
        "--run",
        "bad",
        "--data-root",
        str(place / "data"),
        "--set",
        "data.split.by=lesion",
    )
    assert told.startswith(
        f"{place}/data does not say which images show the same lesion, so data.split.by cannot be 'lesion': "
    )


def test_images_of_an_arm_and_of_the_external_test_set_are_looked_at_first(place, capsys):
    """Their first bytes, that is: an arm's images may be read hours after the start."""
    laptop = ("--params", "laptop", "--run", "bad", "--data-root", str(make(place / "data")))
    own = place / "own {images} ü"
    own.mkdir()
    for name, content in {
        "a.png": encoded(),
        "b.jpg": b"",
        "c.tif": b"%!PS-Adobe-3.0\n",
        "d.webp": encoded(kind="PNG", size=(3, 9)),
    }.items():
        (own / name).write_bytes(content)
    arm = f"arms.theirs={{synthetic: {{folder: {json.dumps(str(own), ensure_ascii=False)}}}}}"
    assert mistake(capsys, *laptop, "--set", arm) == (
        "3 images of arms.theirs.synthetic.folder cannot be used: b.jpg (empty), c.tif (none of JPEG, PNG, "
        "WEBP, BMP, TIFF), d.webp (only 3 x 9 pixels). "
        "Replace or remove them."
    )
    counted = arm.replace("}}", ", select: random, count: 30}}")
    told = mistake(capsys, *laptop, "--set", counted)
    assert (
        told
        == f"30 images of {own} are asked for, and it holds 4: lower the arm's count, or use 'select: all'."
    )
    photographs = f"arms.theirs={{synthetic: {{folder: {json.dumps(str(place / 'data'))}}}}}"
    assert mistake(capsys, *laptop, "--set", photographs).startswith(
        f"arms.theirs.synthetic.folder {place}/data and data.root {place}/data share files, so that "
    )
    test = place / "test"
    test.mkdir()
    (test / "x.jpg").write_bytes(b"GIF89a")
    (test / "ISIC2018_Task3_Test_GroundTruth.csv").write_text("image_id,dx\nx,mel\n")
    told = mistake(capsys, *laptop, "--set", f"data.external_root={test}")
    assert (
        told == "1 image of data.external_root cannot be used: x.jpg (neither JPEG nor PNG, but GIF). "
        "Replace or remove them."
    )
    told = mistake(capsys, *laptop, "--set", f"data.external_root={place / 'data'}")
    assert "images of the run's own data (ISIC_" in told and "an external test set must have none" in told
    told = mistake(capsys, *laptop, "--set", f"data.external_root={place}", "--set", arm)
    assert f"and data.external_root {place} share files" in told
    assert told.endswith("keep them in separate folders.")


def test_weights_that_cannot_be_fetched_stop_a_run_before_its_first_job(place, capsys, monkeypatch):
    def offline(weights, title):
        raise UserError(f"{title}'s ImageNet weights could not be fetched.")

    monkeypatch.setattr("helpers.classifier.backbones.resnet50.torchvision_imagenet", offline)
    paper = ("--params", "paper", "--run", "bad", "--data-root", str(make(place / "data")))
    assert mistake(capsys, *paper) == "ResNet50's ImageNet weights could not be fetched."
    assert not RunPaths("bad").logs.exists()
    assert cli.main([*paper, "--dry-run"]) == 0  # which only looks


# --- images: found by the first stage, which decodes every one -----------------------------------------


def bomb() -> bytes:
    """A PNG of 20,000 x 20,000 black pixels: 49 KB that would fill 1.2 GB."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(20_000 * 2501)))
        + chunk(b"IEND", b"")
    )


IMAGES = {
    "cut": (encoded()[:-40], "cut off"),
    "cut early": (encoded()[:100], "cut off"),
    "empty": (b"", "empty"),
    "another format": (encoded(kind="GIF", mode="P"), "neither JPEG nor PNG, but GIF"),
    "a web page": (b"<html>please log in</html>", "neither JPEG nor PNG, but a web page"),
    "1 x 1": (encoded(size=(1, 1)), "only 1 x 1 pixels"),
    "20,000 x 20,000": (bomb(), "more than the 50 million pixels allowed"),
    "8,000 x 8,000": (
        encoded(kind="PNG", size=(8000, 8000), mode="1"),
        "8000 x 8000 pixels, more than the 50 million allowed",
    ),
}


@pytest.mark.parametrize("name", IMAGES)
def test_broken_images(place, name):
    content, fault = IMAGES[name]
    folder = make(place / "data", images={f"{IDS[7]}.jpg": content})
    with pytest.raises(DataError) as told:
        prepare_data(RunPaths("bad"), Data(root=str(folder)))
    assert str(told.value) == f"1 of 20 images is broken: ISIC_0000007.jpg ({fault}). Get it anew."


# --- what is odd, and right ----------------------------------------------------------------------------

deep = np.linspace(0, 65535, 320).astype(np.uint16).reshape(16, 20)


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


ODD_IMAGES = {
    "PNG in disguise": (encoded(3, "PNG"), np.asarray(Image.open(io.BytesIO(encoded(3, "PNG"))))),
    "CMYK": (
        encoded(3, "JPEG", "CMYK"),
        np.asarray(Image.open(io.BytesIO(encoded(3, "JPEG", "CMYK"))).convert("RGB")),
    ),
    "16-bit": (png(Image.fromarray(deep)), np.repeat((deep >> 8).astype(np.uint8)[..., None], 3, axis=2)),
    "grey": (
        encoded(3, "PNG", "L"),
        np.repeat(np.asarray(Image.open(io.BytesIO(encoded(3, "PNG", "L"))))[..., None], 3, axis=2),
    ),
    "transparent": (encoded(3, "PNG", "RGBA"), np.asarray(Image.open(io.BytesIO(encoded(3, "PNG"))))),
    "progressive": (None, None),
}


@pytest.mark.parametrize("name", ODD_IMAGES)
def test_odd_images_are_read_as_what_they_show(name):
    content, pixels = ODD_IMAGES[name]
    if content is None:
        buffer = io.BytesIO()
        Image.open(io.BytesIO(encoded(3))).save(buffer, "JPEG", progressive=True, quality=95)
        content, pixels = buffer.getvalue(), np.asarray(Image.open(io.BytesIO(buffer.getvalue())))
    np.testing.assert_array_equal(np.asarray(decode(content)), pixels)


ODD_TABLES = {
    "byte order mark": b"\xef\xbb\xbf" + CSV.encode(),
    "semicolons": CSV.replace(",", ";").encode(),
    "tabs": CSV.replace(",", "\t").encode(),
    "CRLF": CSV.replace("\n", "\r\n").encode(),
    "old Mac's line ends": CSV.replace("\n", "\r").encode(),
    "all of it": b"\xef\xbb\xbf" + CSV.replace(",", ";").replace("\n", "\r\n").encode(),
    "no last line end": CSV.rstrip("\n").encode(),
    "quotes": metadata().to_csv(index=False, quoting=1).encode(),
    "ages with a comma": CSV.replace(",", ";").replace("50.0", "50,0").encode(),
    "upper case": CSV.replace("lesion_id,image_id,dx", "LESION_ID, Image_ID ,DX")
    .replace(",mel,", ",MEL,")
    .encode(),
    "file names": CSV.replace(",histo", ",histo").replace("ISIC_0000001,", "ISIC_0000001.jpg,").encode(),
    "surplus columns": metadata(dataset="vidir").to_csv(index=False).encode(),
    "two columns without a name": "\n".join(f"{line},," for line in CSV.splitlines()).encode(),
}


@pytest.mark.parametrize("name", ODD_TABLES)
def test_odd_tables_say_the_same(place, name):
    make(place / "data", ODD_TABLES[name])
    pd.testing.assert_frame_equal(
        load_metadata(place / "data"), metadata().assign(age=50.0), check_dtype=False
    )


ODD_NAMES = [
    "with a space",
    "{braces} [and] %s",
    "ünï-çødé 皮膚",
    "😀",
    "$(touch x) `y` 'z' \"q\"",
    "-rf",
    "new\nline",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_folder_names_lead_to_the_same_plan(place, name, monkeypatch):
    """The folder's name goes from --data-root through the parameters' file to the loader.

    Links in a circle lie in the folder too.
    """
    folder = make(place / name)
    (folder / "up").symlink_to("..")
    (folder / "self").symlink_to("self")
    options = cli.parser().parse_args(["--params", "laptop", "--data-root", str(folder)])
    run, params = cli._prepare(options)
    params = Params.model_validate(json.loads(json.dumps(params.as_dict())))
    split = prepare_data(run, params.data)
    assert split["image_id"].tolist() == IDS and split["split"].value_counts().to_dict() == {
        "train": 14,
        "validation": 3,
        "test": 3,
    }
    assert load_images(run, params.data, 16, "area").shape == (20, 16, 16, 3)


def test_odd_image_names(place):
    names = ["ISIC 1", "ISIC{2}", "ISIC_ü皮", "ISIC.3", "-4", "'5'", "$(6)"]
    ids = [*names, *IDS[len(names) :]]
    folder = place / "data"
    folder.mkdir()
    metadata(image_id=ids).to_csv(folder / "HAM10000_metadata.csv", index=False)
    for n, image_id in enumerate(ids):
        (folder / f"{image_id}.JPG").write_bytes(encoded(n))
    with open_dataset(folder) as dataset:
        assert dataset.metadata["image_id"].tolist() == ids
    assert prepare_data(RunPaths("odd"), Data(root=str(folder)))["image_id"].tolist() == ids
    assert load_split(RunPaths("odd"))["image_id"].tolist() == ids


def test_fewer_melanomas_than_a_batch_train_a_gan(place):
    """Each batch then takes some of them twice."""
    import torch

    from helpers.gan.batches import ImageStream

    images = np.arange(3, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 3), np.uint8)
    stream = ImageStream(images, 8, "none", "cpu", torch.Generator().manual_seed(0))
    shown = torch.cat([stream.next_batch()[:, 0, 0, 0] for _ in range(3)])
    counts = torch.unique(shown, return_counts=True)[1]
    assert len(shown) == 24 and counts.tolist() == [8, 8, 8]


@pytest.mark.parametrize(
    ("contrasts", "said"),
    [
        (
            "[filtered - baseline]",
            "evaluation.primary_contrasts has 'filtered - baseline', and 'filtered' can be the arm of that "
            "name or the arm 'best', whose recipe is that of the paper's arm filtered: give the arm "
            "'filtered' another name.",
        ),
        (
            "[all - baseline, every - baseline]",
            "evaluation.primary_contrasts has 'all - baseline' and 'every - baseline', which compare the "
            "same two arms here: leave one of them out.",
        ),
    ],
)
def test_a_primary_contrast_that_can_be_read_in_two_ways(place, capsys, contrasts, said):
    near = "filtered: {synthetic: {select: top, count: 6, rank: distance}}"
    best = "best: {synthetic: {select: top, count: 6}}"
    arms = f"arms={{baseline: {{}}, {near}, {best}, every: {{synthetic: {{select: all}}}}}}"
    words = ("--params", "smoke", "--set", arms, "--set", f"evaluation.primary_contrasts={contrasts}")
    assert mistake(capsys, *words) == said


def test_a_protocol_that_is_not_there_is_told_before_anything_is_trained(place, capsys):
    said = mistake(capsys, "--params", "smoke", "--set", "report.protocol=nowhere")
    assert said.startswith("report.protocol names no parameter file that can be read: ")


# --- the machine ------------------------------------------------------------------------------------------


def test_a_gpu_that_is_not_there(place, capsys, monkeypatch):
    import torch

    monkeypatch.setattr(preflight, "count_gpus", lambda: 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for version, reason in (
        (None, "this PyTorch was built without CUDA"),
        ("13.0", "PyTorch sees no GPU (check nvidia-smi and the driver)"),
    ):
        monkeypatch.setattr(torch.version, "cuda", version)
        told = mistake(capsys, "--set", "compute.device=cuda")
        assert (
            told == f"compute.device is 'cuda', but {reason}; "
            "set compute.device to 'cpu' or 'auto', or repair the installation."
        )


PAIRS = [
    (
        {"torch": "2.14.1", "torchvision": "0.29.2"},
        "torchvision 0.29.2 was built for torch 2.15.0, and torch 2.14.1 is installed: install a pair, such "
        "as pip install 'torch==2.15.0' 'torchvision==0.29.2', both from the same index.",
    ),
    (
        {"torch": "2.15.0+cu130", "torchvision": None},
        "torchvision is not installed: install the one that goes with torch 2.15.0+cu130 (pip install "
        "'torch==2.15.0' torchvision).",
    ),
    (
        {"torch": None, "torchvision": "0.29.2"},
        "torch is not installed: 'make report' installs everything; or: pip install -r requirements.txt.",
    ),
]


@pytest.mark.parametrize("installed, sentence", PAIRS, ids=["another torch", "no torchvision", "no torch"])
def test_torch_and_torchvision_that_do_not_match(place, capsys, monkeypatch, installed, sentence):
    monkeypatch.setattr(device, "installed_version", installed.get)
    monkeypatch.setattr(device.importlib.metadata, "requires", lambda name: ["numpy", "torch==2.15.0"])
    assert mistake(capsys, "--set", "gan.steps=5") == sentence


# --- the download -----------------------------------------------------------------------------------------

BY_HAND = (
    "Try again later: files that arrived whole are kept. Or download HAM10000_images_part_1.zip, "
    "HAM10000_images_part_2.zip and HAM10000_metadata from "
    "https://doi.org/10.7910/DVN/DBW86T by hand into {place}/downloads/ham10000, or into a folder that you "
    "name with --data-root; the zip files stay as they are."
)
DOWNLOADS = [
    ("datasets", [404], "the server answered 404 (Not Found) for its list of files"),
    ("datasets", [503, 503], "the server answered 503 (Service Unavailable) for its list of files"),
    (
        "datasets",
        ["login", "login"],
        "its list of files makes no sense (is a proxy or a login page in the way?)",
    ),
    ("datafile", [404], "the server answered 404 (Not Found) for HAM10000_images_part_1.zip"),
    ("datafile", [503, 503], "the server answered 503 (Service Unavailable) for HAM10000_images_part_1.zip"),
    ("datafile", ["garbled", "garbled"], "HAM10000_images_part_1.zip arrived with a wrong checksum"),
    ("datafile", ["cut", "cut"], "the connection was closed in the middle of HAM10000_images_part_1.zip"),
    ("datafile/101", ["endless"], "HAM10000_images_part_2.zip does not end: it was listed with 0.1 MB"),
    ("no server", [], "no connection for its list of files (is there a network?)"),
]


@pytest.mark.parametrize(
    "faulty, faults, reason", DOWNLOADS, ids=[f"{faulty} {faults}" for faulty, faults, _ in DOWNLOADS]
)
def test_downloads_that_fail(place, faulty, faults, reason):
    with dataverse.running() as server:
        server.faulty, server.faults = faulty, list(faults)
        address = "http://127.0.0.1:9" if faulty == "no server" else server.address
        with pytest.raises(DataError) as told:
            download.fetch(
                place / "downloads" / "ham10000",
                server=address,
                attempts=2,
                pause=0.01,
                say=lambda text: None,
            )
    assert str(told.value) == said(
        f"HAM10000 could not be downloaded from {address}: {reason}. {BY_HAND}", place
    )


def test_a_home_that_has_changed(place, monkeypatch):
    monkeypatch.setattr(download, "WANTED", (*download.WANTED, "HAM10000_images_part_3.zip"))
    with dataverse.running() as server, pytest.raises(DataError) as told:
        download.fetch(place / "downloads" / "ham10000", server=server.address, say=lambda text: None)
    assert str(told.value) == (
        f"The data set doi:{download.DOI} at {server.address} lists 3 of the 4 files that HAM10000 consists "
        "of: its home has changed. Look for HAM10000_images_part_1.zip, HAM10000_images_part_2.zip and "
        f"HAM10000_metadata at https://doi.org/{download.DOI}, download them by hand into a folder, and name "
        "it with --data-root; the zip files stay as they are."
    )


def test_no_space_for_the_download(place, monkeypatch):
    folder = place / "downloads" / "ham10000"
    with dataverse.running() as server:
        monkeypatch.setattr(
            download.shutil, "disk_usage", lambda folder: types.SimpleNamespace(free=1_000_000)
        )
        with pytest.raises(DataError) as told:
            download.fetch(folder, server=server.address, attempts=1, say=lambda text: None)
        assert (
            str(told.value) == f"The download needs 2.0 MB and the disk of {folder} has 1.0 MB free: "
            "make room, or name another folder with --data-root."
        )
        monkeypatch.undo()

        def full(file, path):
            raise OSError(28, "No space left on device", str(path))

        monkeypatch.setattr(download, "_receive", full)  # another program took the room
        with pytest.raises(
            DataError, match=f"^HAM10000 cannot be kept in {folder}: No space left on device. Or download "
        ):
            download.fetch(folder, server=server.address, attempts=1, say=lambda text: None)


# --- the real command ---------------------------------------------------------------------------------------

REAL = [
    (["--set", "gan.epohcs=3"], "quick.yaml: 'gan.epohcs' is not a parameter (did you mean 'epochs'?)."),
    (["--set", "gan.epochs=0"], "quick.yaml: gan.epochs must be at least 1, not 0."),
    (["--set", "arms={}"], "quick.yaml: arms must hold at least 1 value, not 0."),
    (
        ["--params", "zzz.yaml"],
        "There is no parameter file {project}/zzz.yaml; 'python run_all.py --list' shows those there are.",
    ),
    (
        ["--params", "tabs.yaml"],
        "tabs.yaml is not valid YAML, line 2, column 1 (YAML is indented by spaces, and a tab stands in "
        "it): found character '\\t' that cannot start any token.",
    ),
    (
        ["--params", "circle.yaml"],
        "circle.yaml extends itself in a circle (circle.yaml -> circle.yaml); break it at one 'extends'.",
    ),
    (
        ["--run", "a b"],
        "'a b' cannot name a run: use letters, digits, dots, dashes and underscores, at most 64, and begin "
        "with a letter or digit; --run NAME gives another name.",
    ),
    (["--data-root", "nowhere"], "--data-root: there is no folder {project}/nowhere."),
    (
        ["--params", "laptop", "--data-root", "empty"],
        FOLDERS["empty"][1].replace("{data}", "{project}/empty"),
    ),
    (
        ["--params", "laptop", "--data-root", "partial"],
        "{project}/partial has 1 row without an image (ISIC_0000003).",
    ),
    (
        ["--set", "arms.x={oversample: {class: scc}}"],
        "arms.x.oversample.class is 'scc', and the data hold no such class; the classes are akiec, bcc, "
        "bkl, df, mel, nv, vasc.",
    ),
    (
        ["--cores", "none"],
        "error: argument --cores: 'none' is not a whole number of at least 1; --help shows every option.",
    ),
]


@pytest.fixture(scope="module")
def project(project_copy):
    copied = project_copy("bad {input} ü")
    (copied.folder / "tabs.yaml").write_text("gan:\n\tepochs: 3\n")
    (copied.folder / "circle.yaml").write_text("extends: circle.yaml\n")
    (copied.folder / "empty").mkdir()
    without("ISIC_0000003.jpg")(copied.folder / "partial")
    return copied


@pytest.mark.parametrize("words, sentence", REAL, ids=[" ".join(words) for words, _ in REAL])
def test_the_real_command(project, words, sentence):
    told = project.run(*words, code=2)
    assert told.stdout == "" and "Traceback" not in told.stderr
    assert told.stderr.splitlines()[-1].removeprefix("run_all.py: ") == sentence.replace(
        "{project}", str(project.folder)
    )


def test_a_reader_who_has_seen_enough_is_no_mistake(project):
    """As in ``run_all.py --list | head``: what is printed goes nowhere, and nothing is said of it."""
    read, write = os.pipe()
    os.close(read)
    told = subprocess.run(
        [sys.executable, "run_all.py", "--list"],
        cwd=project.folder,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert (told.returncode, told.stderr) == (141, "")


def test_a_mistake_found_by_a_job_ends_the_same_way(project):
    """An image that is cut off: exit 2, the sentence, the log, and the notebook as far as it got."""
    folder = make(project.folder / "cut", images={"ISIC_0000007.jpg": encoded()[:-40]})
    told = project.run(
        "--params", "laptop", "--run", "cut", "--data-root", str(folder), "--until", "gan", code=2
    )
    assert "Traceback" not in told.stderr and "Traceback" not in told.stdout
    assert re.search(
        r"eda failed:\n"
        r"  1 of 20 images is broken: ISIC_0000007\.jpg \(cut off\)\. Get it anew\.\n",
        told.stderr,
    )
    logs = project.folder / "artifacts" / "cut" / "logs"
    assert (
        f"log:      {(logs / 'eda.log').relative_to(project.folder)}" in told.stderr
        and (logs / "eda.log").exists()
    )
    assert not (project.folder / "artifacts" / "cut" / "gan").exists()


# --- the table of docs/robustness.md ------------------------------------------------------------------------


def counted() -> dict[str, int]:
    """Cases of each kind."""
    return {
        "command line and `--set`": len(COMMANDS),
        "parameter files": len(FILES) + 2,
        "every key misspelt": len(KEYS),
        "every limit overstepped": len(RANGES),
        "every choice, kind and section": len(CHOICES) + len(KINDS) + len(SECTIONS - {"arms"}),
        "data folders and tables": len(FOLDERS) + 2,
        "images, an arm's and the external set's too": len(IMAGES) + 6,
        "downloads": len(DOWNLOADS) + 4,
        "GPU, torch and torchvision": len(PAIRS) + 2,
        "found by a job": 1,
        "odd and right: images, tables, names": len(ODD_IMAGES) + len(ODD_TABLES) + len(ODD_NAMES) + 2,
    }


def test_the_table_of_the_docs_counts_these_cases():
    rows = counted()
    text = (ROOT / "docs" / "robustness.md").read_text(encoding="utf-8")
    for kind, count in rows.items():
        assert re.search(rf"^\| {re.escape(kind)} \| {count:,} \|", text, re.M), (
            f"docs/robustness.md should say | {kind} | {count:,} |"
        )
    refused = sum(rows.values()) - rows["odd and right: images, tables, names"]
    assert f"| refused | {refused:,} | {refused:,} | 0 |" in text
