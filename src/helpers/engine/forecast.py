"""What is still to come in a run, and when it will be done: told from what this machine has done so far.

A task lasts as long as those of its kind did that have ended, on this machine and in this start, or, where
none has, as those say that run. A running task that tells its progress is taken at its word. The jobs of one
stage are of one kind, and their notebooks of another. A kind about which nothing is known yet is named, and
its time is not guessed.
"""

import heapq
import statistics
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from helpers.engine.stages import STAGES, Task, tasks_before
from helpers.params import Params
from helpers.report.words import counted, duration, listed

# of stages that have many jobs; the others are named
NOUNS = {"gan": "GAN", "trunk": "trunk", "classifier": "classifier", "notebook": "notebook"}
NAMES = {"report": "the page"}
ORDER = (*list(STAGES)[:-1], "notebook", "report")  # in which it tells them
Kind = tuple[str, bool]  # stage, and whether it is the notebook


@dataclass
class Progress:
    """How far the tasks of a start are, by name; those that are in none of the four have not begun."""

    ended: dict[str, float] = field(default_factory=dict)  # seconds that each took
    running: dict[str, float] = field(default_factory=dict)  # seconds since each began
    left: dict[str, float] = field(default_factory=dict)  # seconds that its own progress still asks for
    failed: set[str] = field(default_factory=set)  # what waits for them is not begun in this start


class Forecast:
    """Tells what is still to come of ``tasks``, of which ``slots`` run at once."""

    def __init__(self, params: Params, tasks: Collection[Task], slots: int):
        self.tasks = {task.name: task for task in tasks}
        self.slots = max(1, slots)
        self.before = {
            name: [other.name for other in tasks_before(task, params) if other.name in self.tasks]
            for name, task in self.tasks.items()
        }

    def say(self, progress: Progress) -> str:
        """A line about the tasks that have not begun; empty where there are none."""
        begun = progress.ended.keys() | progress.running.keys() | progress.failed
        waiting = [name for name in self.tasks if name not in begun]
        waiting = [name for name in waiting if progress.failed.isdisjoint(self.before[name])]
        if not waiting:
            return ""
        usual = self._usual(progress)
        said = f"still to come: {self._named(waiting)}"
        seconds = self._until_the_end(waiting, progress, usual)
        if seconds < 1:
            return said
        unknown = [name for name in waiting if self._kind(name) not in usual]
        without = f", and what {self._named(unknown)} will take" if unknown else ""
        return f"{said}; about {duration(seconds)}{without}"

    def _named(self, names: Collection[str]) -> str:
        """How many of each stage these tasks are, and how many notebooks."""
        found = [self.tasks[name] for name in names]
        counts = Counter("notebook" if task.notebook else task.job.stage for task in found)
        return listed([_words(what, counts[what]) for what in ORDER if counts[what]])

    def _kind(self, name: str) -> Kind:
        task = self.tasks[name]
        return task.job.stage, task.notebook

    def _usual(self, progress: Progress) -> dict[Kind, float]:
        """Seconds of a task, by kind: the median of those that ended, else what the running ones expect."""
        expected = {name: progress.running.get(name, 0.0) + left for name, left in progress.left.items()}
        return self._medians(expected) | self._medians(progress.ended)

    def _medians(self, seconds: Mapping[str, float]) -> dict[Kind, float]:
        times: dict[Kind, list[float]] = {}
        for name, taken in seconds.items():
            if name in self.tasks:
                times.setdefault(self._kind(name), []).append(taken)
        return {kind: statistics.median(found) for kind, found in times.items()}

    def _until_the_end(
        self, waiting: Collection[str], progress: Progress, usual: Mapping[Kind, float]
    ) -> float:
        """Seconds until all is done; each task starts when those before it are done and a slot is free.

        Tasks of a kind without a known time count as none.
        """
        done = dict.fromkeys(progress.ended, 0.0)
        for name, seconds in progress.running.items():
            done[name] = progress.left.get(name, max(0.0, usual.get(self._kind(name), 0.0) - seconds))
        busy = [done[name] for name in progress.running]
        free = [0.0] * max(0, self.slots - len(busy)) + busy
        heapq.heapify(free)
        left = list(waiting)
        while left:
            ready = [name for name in left if all(other in done for other in self.before[name])]
            starts = {name: max((done[other] for other in self.before[name]), default=0.0) for name in ready}
            name = min(ready, key=lambda each: (starts[each], -self._priority(each)))
            done[name] = max(starts[name], heapq.heappop(free)) + usual.get(self._kind(name), 0.0)
            heapq.heappush(free, done[name])
            left.remove(name)
        return max(done.values(), default=0.0)

    def _priority(self, name: str) -> int:
        stage = STAGES[self.tasks[name].job.stage]
        return stage.notebook_priority if self.tasks[name].notebook else stage.priority


def _words(what: str, count: int) -> str:
    return counted(count, NOUNS[what]) if what in NOUNS else NAMES.get(what, what)
