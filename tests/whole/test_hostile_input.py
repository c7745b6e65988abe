"""Hostile input: archives, weights, names and parameters made to do harm do none.

A canary file stands for the harm: what would have been executed would have made it.
"""

import json
import os
import re
import shlex
import stat
import subprocess
import sys
import types
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers import params
from helpers.data.decoding import decode
from helpers.engine import cli, failures, plan, snakemake, stages, start
from helpers.engine.profiles import Profile
from helpers.engine.runfile import RunFile
from helpers.engine.view import View
from helpers.errors import DataError, ParameterError, TrainingError, UserError, printable
from helpers.paths import RunPaths
from support import fake_stages
from support.lab import port_of
from support.project import ROOT
from support.small_data import encoded, make, mistake

# --- archives ---------------------------------------------------------------------------------------


def member(
    name: str, link: bool = False, flags: int = 0, packed: int = zipfile.ZIP_STORED
) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("x")
    info.filename = name  # ZipInfo itself would mend it
    info.compress_type, info.flag_bits = packed, flags
    info.external_attr = ((stat.S_IFLNK if link else stat.S_IFREG) | 0o777) << 16
    return info


MEMBERS = [
    (member("../canary.jpg"), b"x", "'../canary.jpg' points outside the archive"),
    (member("a/../../canary.jpg"), b"x", "'a/../../canary.jpg' points outside the archive"),
    (member("..\\canary.jpg"), b"x", "'..\\canary.jpg' points outside the archive"),
    (member("/canary.jpg"), b"x", "'/canary.jpg' has an absolute path"),
    (member("\\\\server\\canary.jpg"), b"x", "'\\\\server\\canary.jpg' has an absolute path"),
    (member("C:\\canary.jpg"), b"x", "'C:\\canary.jpg' has an absolute path"),
    (member(""), b"x", "'' has no name"),
    (member("link.jpg", link=True), b"/etc/passwd", "'link.jpg' is a link"),
    (
        member("bomb.jpg", packed=zipfile.ZIP_DEFLATED),
        b"\0" * 2_000_000,
        "'bomb.jpg' is packed N times smaller than it is, as no photograph can be",
    ),
    (
        member("slow.jpg", packed=zipfile.ZIP_LZMA),
        b"\0" * 9000,
        "'slow.jpg' is packed by LZMA",
    ),
    (
        member("slow.jpg", packed=zipfile.ZIP_BZIP2),
        b"\0" * 9000,
        "'slow.jpg' is packed by bzip2",
    ),
    (member("\x1b[2J\u202e.jpg"), b"x", None),
]


@pytest.mark.parametrize("info, content, fault", MEMBERS, ids=[repr(info.filename) for info, _, _ in MEMBERS])
def test_archives_with_harmful_members_are_refused_unopened(place, capsys, info, content, fault):
    folder = make(place / "data")
    with zipfile.ZipFile(folder / "HAM10000_images_part_1.zip", "w") as archive:
        archive.writestr(info, content, compress_type=info.compress_type)
    before = sorted(place.rglob("*"))
    told = mistake(capsys, "--params", "laptop", "--run", "bad", "--data-root", str(folder))
    if fault is None:  # an odd name is no harm, as long as it does not reach the terminal
        assert told == f"{folder} has 1 image without a row (HAM10000_images_part_1.zip/\\x1b[2J\\u202e.jpg)."
    else:
        told = re.sub(r"packed [\d,]+ times", "packed N times", told)  # zlib's versions differ
        assert told == f"HAM10000_images_part_1.zip is refused: its member {fault}" + (
            ", and only deflate is read. Unpack the archive into a folder, and take the archive away (or "
            "name the folder by data.root)."
            if "packed by" in fault
            else ". Get the archive anew from where the data come from, or pack the images again."
        )
    assert {path for path in place.rglob("*") if "artifacts" not in path.parts} == {
        path for path in before if "artifacts" not in path.parts
    }


def test_an_encrypted_member_is_refused(place, capsys):
    folder = make(place / "data")
    path = folder / "HAM10000_images_part_1.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.jpg", encoded())
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    told = mistake(capsys, "--params", "laptop", "--run", "bad", "--data-root", str(folder))
    assert (
        told == "HAM10000_images_part_1.zip is refused: its member 'x.jpg' is encrypted. "
        "Unpack the archive into a folder, and take the archive away (or name the folder by data.root)."
    )


def test_a_picture_that_is_a_program_is_not_run(tmp_path, monkeypatch):
    """PIL opens PostScript by starting Ghostscript, whatever the file is called."""
    monkeypatch.setattr(
        subprocess, "check_call", lambda *words, **options: pytest.fail("a program was started")
    )
    path = tmp_path / "a.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n(canary) (w) file\n")
    with pytest.raises(DataError, match="neither JPEG nor PNG"):
        decode(path.read_bytes())
    from helpers.classifier.folder_images import read_image

    with pytest.raises(
        DataError, match=r"a\.png cannot be read as an image \(none of JPEG, PNG, WEBP, BMP, TIFF\)"
    ):
        read_image(path, 8)


# --- weights ------------------------------------------------------------------------------------------


class Harm:
    """Unpickled, it makes the canary."""

    def __init__(self, canary: Path):
        self.canary = canary

    def __reduce__(self):
        return os.mkdir, (str(self.canary),)


def harmful(path: Path, canary: Path, whole: bool = True) -> Path:
    """A file as torch.save writes it, with code in its pickle."""
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"weight": torch.zeros(2), "harm": Harm(canary)}, path, _use_new_zipfile_serialization=whole)
    return path


@pytest.mark.parametrize("whole", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("key", ["classifier.weights", "synthesis.feature_weights", "gan.initial_weights"])
def test_weights_with_code_in_them_are_refused_before_the_first_job(place, capsys, key, whole):
    canary = place / "canary"
    if key == "gan.initial_weights":
        for name in ("generator.safetensors", "discriminator.safetensors"):
            harmful(place / "weights" / name, canary, whole)
        told = mistake(capsys, "--set", f"{key}={place}/weights")
        assert re.fullmatch(
            rf"{place}/weights/generator\.safetensors is not a whole safetensors file \(.+\), "
            r"and weights are read from no other kind\.",
            told,
        )
    else:
        path = harmful(place / "weights.pth", canary, whole)
        told = mistake(capsys, "--set", f"{key}={path}")
        assert re.fullmatch(
            rf"{path} cannot be read as weights \(Weights only load failed.*\): it must hold tensors only\.",
            told,
        )
    assert not canary.exists()


def test_a_checkpoint_with_code_in_it_is_set_aside(tmp_path):
    from helpers.checkpoints import load_latest

    harmful(tmp_path / "checkpoint-000000005.pt", tmp_path / "canary")
    with pytest.warns(UserWarning, match="set aside"):
        assert load_latest(tmp_path, "a fingerprint") is None
    assert not (tmp_path / "canary").exists()


def test_trained_weights_and_arrays_with_code_in_them_are_refused(tmp_path):
    import numpy as np

    from helpers.gan.weights import load_generator

    harmful(tmp_path / "generator.safetensors", tmp_path / "canary")
    with pytest.raises(TrainingError, match="weights are read from no other kind"):
        load_generator(tmp_path, params.Gan(resolution=32, channel_scale=0.0625), "cpu")
    np.save(tmp_path / "images.npy", np.array([Harm(tmp_path / "canary")], dtype=object), allow_pickle=True)
    (tmp_path / "scores.csv").write_text("index,seed,score,rank\n0,0,1,1\n")
    from helpers.classifier.arms import generated_images

    with pytest.raises((ValueError, UserError)):
        generated_images(params.SyntheticImages(select="all"), tmp_path, 0, {"mel": 9})
    assert not (tmp_path / "canary").exists()


# --- the terminal and the list of runs ----------------------------------------------------------------

STEERING = "\x1b]0;owned\x07\x1b[2J\u202egnp.\x9b31m\r\x00"


def steers(text: str) -> bool:
    return any(
        ord(c) < 32
        and c != "\n"
        or 127 <= ord(c) < 160
        or c in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
        for c in text
    )


@given(st.text())
def test_a_sentence_is_one_printable_line(text):
    told = str(UserError(text))
    assert not steers(told) and len(told.splitlines()) <= 1
    told.encode()  # no half a character either
    assert printable(told) == told


def test_nothing_that_steers_reaches_the_terminal(place, capsys, monkeypatch):
    """Names of files, descriptions, changed values, a job's failure and its progress."""
    folder = make(place / "data", images={f"{STEERING.replace(chr(0), '')}.jpg": encoded()})
    assert "\\x1b]0;owned\\x07\\x1b[2J\\u202egnp.\\x9b31m" in mistake(
        capsys, "--params", "laptop", "--run", "bad", "--data-root", str(folder)
    )
    (place / "lists").mkdir()
    (place / "lists" / "x.yaml").write_text('description: "\\e[2Jcleared"\n')
    monkeypatch.setattr(cli, "PARAMS", place / "lists")
    assert cli.main(["--list"]) == 0
    run = RunPaths("bad")
    run.logs.mkdir(parents=True)
    said = {"event": "error", "message": STEERING, "rule": None, "said": None, "logs": []}
    snakemake.events_path(run).write_text(json.dumps(said) + "\n")
    title = {
        "title": "eda",
        "notebook": "01_eda.ipynb",
        "cell": 3,
        "error": f"ValueError: {STEERING}",
        "log": "x",
        "half": None,
        "user": False,
    }
    failures.tell_failures(run, [title], [])
    failures.tell_failures(run, [], [])
    start._show_plan(
        run,
        params.Params(),
        [
            plan.Planned(
                next(iter(stages.jobs(params.Params()))),
                f"parameters changed: report.title a -> {STEERING}",
            )
        ],
    )
    view = View(run, params.Params(), [stages.Job("eda")])
    (run.logs / "eda.state.json").write_text(
        json.dumps({"title": "eda", "state": "running", "cell": 1, "cells": 9})
    )
    (run.logs / "eda.progress.json").write_text(
        json.dumps(
            {"label": STEERING, "unit": "image", "done": 1, "total": 2, "note": STEERING, "seconds_left": 3}
        )
    )
    view.tick()
    out, err = capsys.readouterr()
    assert out.count("owned") == 3 and err.count("owned") == 2 and "cleared" in out
    assert not steers(out) and not steers(err)


def test_the_list_of_runs_shows_markup_as_text(place, monkeypatch):
    from helpers.report.page.render import render_report
    from support.report_run import EVIL, build_run, fake_params

    (place / "page").mkdir()
    build_run(place / "page", monkeypatch, params=fake_params(report={"title": f"A {EVIL}"}))
    index = render_report("fake").parent.parent / "index.html"
    text = index.read_text(encoding="utf-8")
    assert EVIL not in text and text.count("<script") == 1 and "&lt;" in text


# --- parameters never reach a shell -------------------------------------------------------------------

PIECES = [
    "'",
    '"',
    "$(touch canary)",
    "`touch canary`",
    "; touch canary;",
    "\n",
    "\ntouch canary\n",
    "&",
    "|",
    ">canary",
    "\\",
    "{run}",
    "{{",
    "%",
    "*",
    "~",
    "#",
    " ",
    "-",
    "é",
    "x",
]
NASTY = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join)
QUICK = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(NASTY | st.text())
def test_no_name_of_a_run_or_an_arm_means_anything_to_a_shell(text):
    for make_name in (
        lambda: RunPaths(text).run,
        lambda: list(params.validate({"arms": {text: {}, "baseline": {}}}).arms)[0],
    ):
        try:
            name = make_name()
        except ParameterError:
            continue
        assert shlex.quote(name) == name


def snakefile_command() -> str:
    """The shell line of the Snakefile's jobs, read from the Snakefile."""
    return re.search(r'shell:[^"]*"(exec [^"]+)"', (ROOT / "Snakefile").read_text())[1]


@QUICK
@given(st.lists(NASTY, min_size=1, max_size=3))
def test_the_shell_sees_the_interpreter_s_path_as_one_word(tmp_path, parts):
    """The only thing from outside in a job's shell line is the path of Python.

    Its folder can have any name.
    """
    from snakemake.utils import format as fill

    path = tmp_path.as_posix() + "/" + "/".join(parts) + "/python"
    scope = {
        "PYTHON": path,
        "RUN": RunPaths("run-1"),
        "params": types.SimpleNamespace(words="classifier arm=weighted replicate=3"),
    }
    line = fill(snakefile_command(), _quote_all=False, **scope)
    assert line.startswith("exec ")
    shown = subprocess.run(
        ["bash", "-c", "printf '%s\\0' " + line.removeprefix("exec ")],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    assert shown.stdout.decode().split("\0")[:-1] == [
        path,
        "-m",
        "helpers.engine.job",
        "run-1",
        "classifier",
        "arm=weighted",
        "replicate=3",
    ]
    assert not list(tmp_path.glob("*canary*"))


@QUICK
@given(
    title=NASTY, root=NASTY.map(lambda text: "/" + text), place=NASTY.map(lambda text: "/profiles/" + text)
)
def test_the_engine_s_command_line_holds_no_value_of_a_parameter(title, root, place):
    given_params = params.validate(
        {"report": {"title": title.strip() or "x"}, "data": {"root": root}, "description": title}
    )
    runfile = RunFile(RunPaths("run-1"), given_params, {}, [])
    profile = Profile("any", Path(place))
    words = snakemake.command(runfile, 2, profile, "gan")
    assert not [word for word in words if word in (title, root)]
    assert (
        words.count(str(profile.folder)) == 1 and words[words.index(str(profile.folder)) - 1] == "--profile"
    )  # a word of its own, not of a shell


@QUICK
@given(
    st.recursive(
        NASTY | st.text() | st.booleans() | st.integers() | st.floats(allow_nan=False),
        lambda values: st.lists(values, max_size=3) | st.dictionaries(NASTY, values, max_size=3),
        max_leaves=6,
    )
)
def test_a_notebook_s_parameters_cell_says_what_it_was_given(value):
    """papermill writes them as Python: a text must stay a text."""
    from papermill.translators import PythonTranslator

    scope: dict = {}
    exec(PythonTranslator.codify({"value": value}, "Parameters"), {"__builtins__": {"float": float}}, scope)
    assert scope == {"value": value}


@QUICK
@given(
    key=NASTY | st.sampled_from(["gan.epochs", "report.title", "arms", "arms.x", "data.root"]),
    value=NASTY | st.text(),
)
def test_set_takes_any_text_and_runs_none(key, value):
    try:
        params.load_params("quick", [f"{key}={value}"])
    except ParameterError as error:
        assert not steers(str(error))


HOSTILE = "a $(touch canary1) `touch canary2` 'b' \"c\" ; touch canary3 ; & {d} \\ %s\ntouch canary4\n"


@pytest.fixture(scope="module")
def hostile(project_copy):
    """A copied project with stand-in notebooks in a folder whose name is a trap.

    The interpreter that runs it lies in such a folder, too.
    """
    project = project_copy(HOSTILE)
    fake_stages.install(project)
    venv = project.folder / "venv"
    (venv / "bin").mkdir(parents=True)
    there = Path(sys.prefix)
    (venv / "pyvenv.cfg").write_text((there / "pyvenv.cfg").read_text())
    (venv / "lib").symlink_to(there / "lib")
    (venv / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
    return project


def test_a_whole_job_in_a_folder_whose_name_is_a_trap(hostile):
    """Front door, engine, shell, job and notebook; the parameters hold the same words."""
    interpreter = hostile.folder / "venv" / "bin" / "python"
    data = make(hostile.folder / HOSTILE)
    words = ["--params", "laptop", "--run", "trap", "--until", "eda", "--data-root", str(data)]
    words += ["--set", f"report.title={json.dumps(HOSTILE)}", "--set", f"description={json.dumps(HOSTILE)}"]
    environment = os.environ | {"PYTHONPATH": str(hostile.folder / "src")}
    told = subprocess.run(
        [interpreter, "run_all.py", *words],
        cwd=hostile.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert (hostile.folder / "executed.txt").read_text() == "eda\neda shown\n"
    written = json.loads((hostile.folder / "artifacts" / "trap" / "params.json").read_text())
    assert written["report"]["title"] == HOSTILE and written["data"]["root"] == str(data)
    beside = [*hostile.folder.parent.iterdir(), *hostile.folder.rglob("*")]
    assert not [path for path in beside if path.name.startswith("canary")] and not list(
        Path.cwd().glob("canary*")
    )


@pytest.mark.parametrize(
    "name",
    [
        "a'b",
        'a"b',
        "$(touch canary)",
        "`touch canary`",
        "a\nb",
        "a;b",
        "../b",
        "-rf",
        "",
        "a b",
        "{a}",
        "a&b",
    ],
)
def test_names_of_runs_that_mean_something_are_refused(place, capsys, name):
    assert "cannot name a run" in mistake(
        capsys,
        "--run" if not name.startswith("-") else f"--run={name}",
        *([name] if not name.startswith("-") else []),
    )
    assert "is not a name" in mistake(capsys, "--set", f"arms={{baseline: {{}}, {json.dumps(name)}: {{}}}}")


# --- JupyterLab -----------------------------------------------------------------------------------------


def test_make_lab_keeps_its_token_and_listens_on_loopback_only(tmp_path):
    recipe = subprocess.run(
        ["make", "-n", "lab", "PYTHON=python3"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    line = next(line for line in recipe.splitlines() if "-m jupyterlab" in line)
    assert "token" not in line.lower() and "password" not in line.lower() and "allow" not in line.lower()
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("JUPYTER", "JPY"))}
    environment |= {
        "JUPYTER_CONFIG_DIR": str(tmp_path),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "JUPYTER_DATA_DIR": str(tmp_path / "data"),
    }
    words = [
        word.replace(".venv/bin", str(Path(sys.executable).parent)) for word in shlex.split(line)
    ]  # split first: the folder may hold a space
    words += ["--no-browser", "--port=0"]
    words += ["--allow-root"] if os.geteuid() == 0 else []
    with open(tmp_path / "log", "w") as log:
        server = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        port = port_of(server, tmp_path / "runtime", tmp_path / "log")
        answers = {
            path: _asked(f"http://127.0.0.1:{port}{path}")
            for path in ("/api/contents", "/api/kernels", "/api/contents/README.md")
        }
        assert answers == dict.fromkeys(answers, 403)
        listening = {
            connection.laddr.ip
            for process in (psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True))
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening == {"127.0.0.1"}
        token = re.search(r"token=([0-9a-f]{48})", (tmp_path / "log").read_text())
        assert token and _asked(f"http://127.0.0.1:{port}/api/contents?token={token[1]}") == 200
    finally:
        server.terminate()
        server.wait(20)


def _asked(address: str) -> int:
    """The status that a server answers."""
    try:
        return urllib.request.urlopen(address, timeout=90).status
    except urllib.error.HTTPError as error:
        return error.code
