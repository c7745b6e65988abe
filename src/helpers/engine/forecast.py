"""What is still to come in a run, and when it will be done: told from what this machine has done so far.

A job lasts as long as those of its kind did that have ended, on this machine and in this start, or, where
none has, as those say that run. A running job that tells its progress is taken at its word. Jobs of one stage
are of one kind, except that a notebook that is only shown anew tells nothing about a training. A stage about
which nothing is known yet is named, and its time is not guessed.
"""

import heapq
import statistics
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from helpers.engine.stages import STAGES, Job, upstream
from helpers.params import Params
from helpers.report.words import counted, duration, listed

# of stages that have many jobs; the others are named
NOUNS = {"gan": "GAN", "trunk": "trunk", "classifier": "classifier"}
NAMES = {"report": "the page"}
Kind = tuple[str, bool]  # stage, and whether its notebook is only shown anew


@dataclass
class Progress:
    """How far the jobs of a start are, by name; those that are in none of the three have not begun."""

    ended: dict[str, float] = field(default_factory=dict)  # seconds that each took
    running: dict[str, float] = field(default_factory=dict)  # seconds since each began
    left: dict[str, float] = field(default_factory=dict)  # seconds that its own progress still asks for


class Forecast:
    """Tells what is still to come of ``jobs``, of which ``slots`` run at once.

    ``shown``: names of the jobs whose notebooks are executed again and whose numbers are kept.
    """

    def __init__(self, params: Params, jobs: Collection[Job], slots: int, shown: Collection[str] = ()):
        self.jobs = {job.name: job for job in jobs}
        self.shown = frozenset(shown)
        self.slots = max(1, slots)
        self.before = {
            name: [other.name for other in upstream(job, params) if other.name in self.jobs]
            for name, job in self.jobs.items()
        }

    def say(self, progress: Progress) -> str:
        """A line about the jobs that have not begun; empty where there are none."""
        waiting = [name for name in self.jobs if name not in progress.ended and name not in progress.running]
        if not waiting:
            return ""
        usual = self._usual(progress)
        counts = Counter(self.jobs[name].stage for name in waiting)
        stages = [stage for stage in STAGES if counts[stage]]
        said = f"still to come: {listed([_named(stage, counts[stage]) for stage in stages])}"
        seconds = self._until_the_end(waiting, progress, usual)
        if seconds < 1:
            return said
        untold = Counter(self.jobs[name].stage for name in waiting if self._kind(name) not in usual)
        unknown = [_named(stage, untold[stage]) for stage in stages if untold[stage]]
        without = f", and what {listed(unknown)} will take" if unknown else ""
        return f"{said}; about {duration(seconds)}{without}"

    def _kind(self, name: str) -> Kind:
        return self.jobs[name].stage, name in self.shown

    def _usual(self, progress: Progress) -> dict[Kind, float]:
        """Seconds of a job, by kind: the median of those that ended, else of what the running ones expect."""
        expected = {name: progress.running.get(name, 0.0) + left for name, left in progress.left.items()}
        return self._medians(expected) | self._medians(progress.ended)

    def _medians(self, seconds: Mapping[str, float]) -> dict[Kind, float]:
        times: dict[Kind, list[float]] = {}
        for name, taken in seconds.items():
            if name in self.jobs:
                times.setdefault(self._kind(name), []).append(taken)
        return {kind: statistics.median(found) for kind, found in times.items()}

    def _until_the_end(
        self, waiting: Collection[str], progress: Progress, usual: Mapping[Kind, float]
    ) -> float:
        """Seconds until all is done; each job starts when those before it are done and a slot is free.

        Jobs of a kind without a known time count as none.
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
            name = min(ready, key=lambda each: (starts[each], -STAGES[self.jobs[each].stage].priority))
            done[name] = max(starts[name], heapq.heappop(free)) + usual.get(self._kind(name), 0.0)
            heapq.heappush(free, done[name])
            left.remove(name)
        return max(done.values(), default=0.0)


def _named(stage: str, count: int) -> str:
    return counted(count, NOUNS[stage]) if stage in NOUNS else NAMES.get(stage, stage)
