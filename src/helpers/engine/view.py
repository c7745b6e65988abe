"""What the terminal shows during a run: one live line for each running job.

Where the output is no terminal, plain lines are printed.
"""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.engine.forecast import Forecast, Progress
from helpers.engine.stages import Task
from helpers.errors import printable
from helpers.params import Params
from helpers.paths import RunPaths
from helpers.report.words import duration

if TYPE_CHECKING:
    from rich.live import Live

TITLE = 43  # columns for a title, such as 'classifier baseline, replicate 0, notebook'


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _doing(state: dict[str, Any]) -> str:
    """What a task is at: a notebook is in one of its cells, numbers are in no cell."""
    if state["cells"]:
        return f"cell {state['cell']}/{state['cells']}"
    return "starting" if state["state"] == "started" else "running"


class View:
    """Follows the tasks' state files and shows them; ``tick`` is called a few times a second.

    ``slots``: tasks that run at once, where that is known; what is still to come is told then.
    """

    PLAIN_INTERVAL = 30.0  # seconds between plain lines of one running job, or about what is to come
    LIVE_INTERVAL = 2.0  # seconds that a line about what is to come stays, on a terminal

    def __init__(
        self,
        run: RunPaths,
        params: Params,
        tasks: list[Task],
        slots: int | None = None,
        stream: Any = None,
    ):
        self.run, self.params, self.slots = run, params, slots
        self.tasks: dict[str, Task] = {}  # all that were followed, by name
        self.stream = stream or sys.stdout
        self.began: dict[str, float] = {}
        self.ended: dict[str, str] = {}
        self.last_line: dict[str, float] = {}
        self.live: Live | None = None
        self.start = time.monotonic()
        self.forecast: Forecast | None = None
        self.progress = Progress()
        self.to_come = ""
        self.follow(tasks)

    def follow(self, tasks: list[Task]) -> None:
        """Follow these tasks from their beginning, also where some of them have ended once."""
        for task in tasks:
            self.tasks[task.name] = task
            self.began.pop(task.name, None)
            self.ended.pop(task.name, None)
            self.progress.ended.pop(task.name, None)
            for said in ("state", "failure"):  # what was said earlier is not about this time
                (self.run.logs / f"{task.name}.{said}.json").unlink(missing_ok=True)
        if self.slots:
            self.forecast = Forecast(self.params, list(self.tasks.values()), self.slots)

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
        now = time.monotonic()
        for name in self.tasks:
            if self.ended.get(name) == "finished":
                continue
            state = _read(self.run.logs / f"{name}.state.json")
            if not state or state["state"] == self.ended.get(name):
                continue
            if name in self.ended:  # a cluster tries again what failed there
                del self.ended[name], self.began[name]
                self.progress.failed.discard(name)
            if name not in self.began:
                self.began[name] = now
            if state["state"] in ("finished", "failed"):
                self._say_end(name, state)
                continue
            self.progress.running[name] = now - self.began[name]
            line = self._line(name, state)
            lines.append(line)
            if not self.live and self._is_due(name, self.PLAIN_INTERVAL):
                self._say(line)
        self._look_ahead()
        if self.live:
            self.live.update(self._panel(lines))

    def _is_due(self, line: str, interval: float) -> bool:
        """Whether a kind of line was last written ``interval`` seconds ago; it counts as written then."""
        now = time.monotonic()
        due = now - self.last_line.get(line, -1e9) >= interval
        if due:
            self.last_line[line] = now
        return due

    def _look_ahead(self) -> None:
        """Tell what is still to come, once a job has ended or says how long it will take."""
        interval = self.LIVE_INTERVAL if self.live else self.PLAIN_INTERVAL
        if self.forecast and (self.ended or self.progress.left) and self._is_due("to come", interval):
            self.to_come = printable(self.forecast.say(self.progress))
            if self.to_come and not self.live:
                self._say(self.to_come)

    def _say_end(self, name: str, state: dict[str, Any]) -> None:
        self.ended[name] = state["state"]
        seconds = time.monotonic() - self.began[name]
        if state["state"] == "finished":
            self.progress.ended[name] = seconds
        else:
            self.progress.failed.add(name)
        self.progress.running.pop(name, None)
        self.progress.left.pop(name, None)
        took = duration(seconds)
        word = "done  " if state["state"] == "finished" else "FAILED"
        self._say(f"{word} {state['title']:<{TITLE}} {took:>12}   [{len(self.ended)}/{len(self.tasks)}]")

    def _line(self, name: str, state: dict[str, Any]) -> str:
        parts = [
            f"{state['title']:<{TITLE}}",
            _doing(state),
        ]
        inner = _read(self.run.logs / f"{name}.progress.json")
        self.progress.left.pop(name, None)  # of a loop that has ended, or is not the job's main one
        if inner and inner["done"] < inner["total"]:
            parts.append(f"{inner['label']}: {inner['unit']} {inner['done']}/{inner['total']}")
            parts += [inner["note"]] if inner.get("note") else []
            if inner.get("seconds_left") is not None:
                if inner.get("whole"):
                    self.progress.left[name] = inner["seconds_left"]
                parts.append(f"{duration(inner['seconds_left'])} left")
        return printable("  ".join(parts))

    def _panel(self, lines: list[str]) -> Any:
        from rich.text import Text

        counts = f"{len(self.ended)}/{len(self.tasks)} jobs and notebooks"
        done = f"{counts}, {duration(time.monotonic() - self.start)}"
        return Text(
            "\n".join(f"  {line}" for line in (*lines, done, self.to_come) if line),
            no_wrap=True,
            overflow="ellipsis",
        )

    def _say(self, line: str) -> None:
        if self.live:
            from rich.text import Text

            self.live.console.print(Text(line))
        else:
            print(line, file=self.stream, flush=True)
