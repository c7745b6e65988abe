"""What the terminal shows during a run: one live line for each running job.

Where the output is no terminal, plain lines are printed.
"""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.errors import printable
from helpers.paths import RunPaths
from helpers.report.words import duration

if TYPE_CHECKING:
    from rich.live import Live


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


class View:
    """Follows the jobs' state files and shows them; ``tick`` is called a few times a second."""

    PLAIN_INTERVAL = 30.0  # seconds between plain lines of one running job

    def __init__(self, run: RunPaths, names: list[str], stream: Any = None):
        self.run, self.names = run, names
        self.stream = stream or sys.stdout
        self.began: dict[str, float] = {}
        self.ended: dict[str, str] = {}
        self.last_line: dict[str, float] = {}
        self.live: Live | None = None
        self.start = time.monotonic()
        self._forget(names)

    def _forget(self, names: list[str]) -> None:
        for name in names:  # what an earlier run said is not about this one
            (self.run.logs / f"{name}.state.json").unlink(missing_ok=True)
            (self.run.logs / f"{name}.failure.json").unlink(missing_ok=True)

    def follow(self, names: list[str]) -> None:
        """Follow these jobs too, as far as they are not followed yet."""
        new = [name for name in names if name not in self.names]
        self._forget(new)
        self.names = [*self.names, *new]

    def __enter__(self) -> "View":
        if self.stream.isatty():
            from rich.console import Console
            from rich.live import Live

            self.live = Live(console=Console(file=self.stream), refresh_per_second=4, transient=True)
            self.live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self.live:
            self.live.__exit__(*error)

    def tick(self) -> None:
        """Look at every job once and show what changed."""
        lines = []
        for name in self.names:
            if name in self.ended:
                continue
            state = _read(self.run.logs / f"{name}.state.json")
            if not state:
                continue
            if name not in self.began:
                self.began[name] = time.monotonic()
            if state["state"] in ("finished", "failed"):
                self._say_end(name, state)
                continue
            line = self._line(name, state)
            lines.append(line)
            if not self.live and time.monotonic() - self.last_line.get(name, -1e9) >= self.PLAIN_INTERVAL:
                self.last_line[name] = time.monotonic()
                self._say(line)
        if self.live:
            self.live.update(self._panel(lines))

    def _say_end(self, name: str, state: dict[str, Any]) -> None:
        self.ended[name] = state["state"]
        took = duration(time.monotonic() - self.began[name])
        word = "done  " if state["state"] == "finished" else "FAILED"
        self._say(f"{word} {state['title']:<34} {took:>12}   [{len(self.ended)}/{len(self.names)}]")

    def _line(self, name: str, state: dict[str, Any]) -> str:
        parts = [
            f"{state['title']:<34}",
            f"cell {state['cell']}/{state['cells']}" if state["cells"] else "starting",
        ]
        inner = _read(self.run.logs / f"{name}.progress.json")
        if inner and inner["done"] < inner["total"]:
            parts.append(f"{inner['label']}: {inner['unit']} {inner['done']}/{inner['total']}")
            parts += [inner["note"]] if inner.get("note") else []
            if inner.get("seconds_left") is not None:
                parts.append(f"{duration(inner['seconds_left'])} left")
        return printable("  ".join(parts))

    def _panel(self, lines: list[str]) -> Any:
        from rich.text import Text

        done = f"{len(self.ended)}/{len(self.names)} jobs, {duration(time.monotonic() - self.start)}"
        return Text(
            "\n".join([*(f"  {line}" for line in lines), f"  {done}"]), no_wrap=True, overflow="ellipsis"
        )

    def _say(self, line: str) -> None:
        if self.live:
            from rich.text import Text

            self.live.console.print(Text(line))
        else:
            print(line, file=self.stream, flush=True)
