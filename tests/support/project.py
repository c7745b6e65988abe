"""A copy of the project in a folder with a space in its name, so that tests may change anything in it."""

import io
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = (
    "src",
    "notebooks",
    "params",
    "profiles",
    "Snakefile",
    "run_all.py",
    "pyproject.toml",
    "requirements.txt",
)
WRITTEN = ("artifacts", "reports")


@dataclass
class Project:
    """A copy of the project and its front door."""

    folder: Path

    def start(self, *words: str, **options) -> subprocess.Popen:
        """Start ``python run_all.py`` with these words; output goes to pipes."""
        environment = self._environment() | options.pop("env", {})
        return subprocess.Popen(
            [sys.executable, "run_all.py", *words],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # tests started in a shell's background inherit an ignored Ctrl-C
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            **options,
        )

    def run(self, *words: str, code: int | None = 0, timeout: float = 600) -> subprocess.CompletedProcess:
        """Run the front door to its end and check its exit code (None: any)."""
        process = self.start(*words)
        out, err = process.communicate(timeout=timeout)
        if code is not None:
            assert process.returncode == code, f"exit {process.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def python(self, code: str) -> None:
        """Run this code with the copy's modules, in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"

    def _environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("REPORT_")}
        return kept | {"PYTHONPATH": str(self.folder / "src")}

    def here(self, *words: str, code: int = 0) -> subprocess.CompletedProcess:
        """The same without a process of its own for the front door, which saves its start.

        Its own code is that of the tests' project; all files, and the code of what it starts, are the copy's.
        """
        from helpers.engine import cli

        out, err = io.StringIO(), io.StringIO()
        handler = signal.getsignal(signal.SIGTERM)
        try:
            with self._moved_in(), redirect_stdout(out), redirect_stderr(err):
                ended = cli.main(list(words))
        finally:
            signal.signal(signal.SIGTERM, handler)
        told = subprocess.CompletedProcess(words, ended, out.getvalue(), err.getvalue())
        assert ended == code, f"exit {ended}\n{told.stdout}\n{told.stderr}"
        return told

    @contextmanager
    def _moved_in(self):
        """Every path of the project that a loaded module holds leads into the copy."""
        before = os.getcwd()
        _move_paths(ROOT, self.folder)
        os.chdir(self.folder)
        try:
            yield
        finally:
            os.chdir(before)
            _move_paths(self.folder, ROOT)  # of modules, too, that were loaded in between

    def keep(self) -> None:
        """Remember what the runs have written."""
        for part in WRITTEN:
            shutil.copytree(self.folder / part, self.folder.with_name("kept") / part)

    def put_back(self) -> None:
        """Let the runs' files be those that ``keep`` saw."""
        for part in WRITTEN:
            shutil.rmtree(self.folder / part)
            shutil.copytree(self.folder.with_name("kept") / part, self.folder / part)

    def executed(self, run: str) -> dict[str, int]:
        """Executed notebooks of a run and the time of their making, in nanoseconds."""
        return {
            path.name: path.stat().st_mtime_ns
            for path in sorted((self.folder / "artifacts" / run / "notebooks").glob("*.ipynb"))
        }


def _move_paths(old: Path, new: Path) -> None:
    from helpers import fingerprints

    for module in [each for name, each in sys.modules.items() if name.partition(".")[0] == "helpers"]:
        for name, value in list(vars(module).items()):
            if isinstance(value, Path) and value.is_relative_to(old):
                setattr(module, name, new / value.relative_to(old))
    fingerprints._source_file.cache_clear()


def copy_project(folder: Path) -> Project:
    """Copy what a run needs into ``folder``."""
    folder.mkdir(parents=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(
                source,
                folder / part,
                ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", ".ipynb_checkpoints"),
            )
        elif source.exists():
            shutil.copy2(source, folder / part)
    (folder / "reports").mkdir()
    return Project(folder)
