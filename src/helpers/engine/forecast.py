"""What is still to come in a run, and when it will be done: told from what this machine has done so far.

A job lasts as long as those of its stage did that have ended, on this machine and in this start. A running
job that tells its progress is taken at its word. A stage that none has finished yet is named, and its time is
not guessed.
"""

import heapq
import statistics
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from helpers.engine.stages import STAGES, Job, upstream
from helpers.params import Params
from helpers.report.words import counted, duration, listed

NOUNS = {"gan": "GAN", "classifier": "classifier"}  # of stages that have many jobs; the others are named
NAMES = {"report": "the page"}


@dataclass
class Progress:
    """How far the jobs of a start are, by name; those that are in none of the three have not begun."""

    ended: dict[str, float] = field(default_factory=dict)  # seconds that each took
    running: dict[str, float] = field(default_factory=dict)  # seconds since each began
    left: dict[str, float] = field(default_factory=dict)  # seconds that its own progress still asks for


class Forecast:
    """Tells what is still to come of ``jobs``, of which ``slots`` run at once."""

    def __init__(self, params: Params, jobs: Collection[Job], slots: int):
        self.jobs = {job.name: job for job in jobs}
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
        medians = self._medians(progress.ended)
        counts = Counter(self.jobs[name].stage for name in waiting)
        stages = [stage for stage in STAGES if counts[stage]]
        said = f"still to come: {listed([_named(stage, counts[stage]) for stage in stages])}"
        seconds = self._until_the_end(waiting, progress, medians)
        if seconds < 1:
            return said
        unknown = [_named(stage, counts[stage]) for stage in stages if stage not in medians]
        without = f", and what {listed(unknown)} will take" if unknown else ""
        return f"{said}; about {duration(seconds)}{without}"

    def _medians(self, ended: Mapping[str, float]) -> dict[str, float]:
        """Median seconds of a job, by stage."""
        times: dict[str, list[float]] = {}
        for name, seconds in ended.items():
            if name in self.jobs:
                times.setdefault(self.jobs[name].stage, []).append(seconds)
        return {stage: statistics.median(found) for stage, found in times.items()}

    def _until_the_end(
        self, waiting: Collection[str], progress: Progress, medians: Mapping[str, float]
    ) -> float:
        """Seconds until all is done; each job starts when those before it are done and a slot is free.

        Jobs of a stage without a known time count as none.
        """

        def usual(name: str) -> float:
            return medians.get(self.jobs[name].stage, 0.0)

        done = dict.fromkeys(progress.ended, 0.0)
        for name, seconds in progress.running.items():
            done[name] = progress.left.get(name, max(0.0, usual(name) - seconds))
        busy = [done[name] for name in progress.running]
        free = [0.0] * max(0, self.slots - len(busy)) + busy
        heapq.heapify(free)
        left = list(waiting)
        while left:
            ready = [name for name in left if all(other in done for other in self.before[name])]
            starts = {name: max((done[other] for other in self.before[name]), default=0.0) for name in ready}
            name = min(ready, key=lambda each: (starts[each], -STAGES[self.jobs[each].stage].priority))
            done[name] = max(starts[name], heapq.heappop(free)) + usual(name)
            heapq.heappush(free, done[name])
            left.remove(name)
        return max(done.values(), default=0.0)


def _named(stage: str, count: int) -> str:
    return counted(count, NOUNS[stage]) if stage in NOUNS else NAMES.get(stage, stage)
