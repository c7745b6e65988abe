"""Progress of a long loop: a line in the terminal's live view, or a bar in JupyterLab."""

import json
import os
import time
from pathlib import Path

STATUS_VARIABLE = "REPORT_STATUS_FILE"  # set by the engine for each job; empty: no progress is shown


def show_no_progress() -> None:
    """Show neither lines nor bars, in this process and those that it starts, outside a job of the engine."""
    os.environ.setdefault(STATUS_VARIABLE, "")


class Progress:
    """Tells how far a loop is. Cheap enough to call at every step: it writes at most twice a second.

    ``whole``: the loop is most of what its job does, so that its time left is the job's.
    Example: ``progress = Progress("GAN", total=400, unit="iteration"); progress.update(12, "3.1 s/kimg")``
    """

    def __init__(self, label: str, total: int, unit: str = "step", whole: bool = False):
        self.label, self.total, self.unit, self.whole = label, total, unit, whole
        self.first: tuple[float, int] | None = None
        self.last_written = 0.0
        status = os.environ.get(STATUS_VARIABLE)
        self.status = Path(status) if status else None
        self.bar = None
        if status is None:
            from tqdm.auto import tqdm

            self.bar = tqdm(total=total, desc=label, unit=unit, leave=False)

    def update(self, done: int, note: str = "") -> None:
        """Say that ``done`` of ``total`` are done; ``note`` is a short text such as ``3.1 s/kimg``."""
        if self.bar is not None:
            self.bar.set_postfix_str(note, refresh=False)
            self.bar.update(done - self.bar.n)
        if self.status is None:
            return
        now = time.monotonic()
        if self.first is None:
            self.first = (now, done)  # a resumed loop starts above zero
        if now - self.last_written < 0.5 and done < self.total:
            return
        self.last_written = now
        began, done_then = self.first
        left = (now - began) / (done - done_then) * (self.total - done) if done > done_then else None
        line = {
            "label": self.label,
            "unit": self.unit,
            "done": done,
            "total": self.total,
            "note": note,
            "seconds_left": left,
            "whole": self.whole,
        }
        try:
            temporary = self.status.with_suffix(".tmp")
            temporary.write_text(json.dumps(line))
            temporary.replace(self.status)
        except OSError:
            pass  # a full disk is reported by those who write results; progress may be missing

    def close(self) -> None:
        """End the bar."""
        if self.bar is not None:
            self.bar.close()
