"""A copy of the project in a folder with a space in its name, so that tests may change anything in it."""

import os
import shutil
import signal
import subprocess
import sys
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


@dataclass
class Project:
    """A copy of the project and its front door."""

    folder: Path

    def start(self, *words: str, **options) -> subprocess.Popen:
        """Start ``python run_all.py`` with these words; output goes to pipes."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("REPORT_")} | {
            "PYTHONPATH": str(self.folder / "src")
        }
        environment |= options.pop("env", {})
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

    def executed(self, run: str) -> dict[str, int]:
        """Executed notebooks of a run and the time of their making, in nanoseconds."""
        return {
            path.name: path.stat().st_mtime_ns
            for path in sorted((self.folder / "artifacts" / run / "notebooks").glob("*.ipynb"))
        }


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
