"""The key of a job: one digest of all that its numbers depend on. Nothing else decides what is stale.

``key(job) = digest(its stage's parameters, the code that makes its numbers, the data, the keys of the jobs
before it)``. Where a parameter names a folder or file, its content counts and not its place, so that data may
be moved, and a run be gone on with on another machine. What is shown of a job has a key of its own: its
notebook, the report code that it uses, the parameters whose values it shows, the files that it reads beside
the numbers, and the key of the numbers.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

from helpers.engine.data import data_fingerprint, view_files
from helpers.engine.key_parts import code_modules, number_parameters, shown_parameters
from helpers.engine.records import elsewhere, numbers, read_record, read_view
from helpers.engine.stages import STAGES, Job, upstream
from helpers.files import digest, json_text
from helpers.fingerprints import code_parts, notebook_parts
from helpers.params import PLACE, Params, own_paths
from helpers.paths import RunPaths


class Keys:
    """The keys of a run's jobs.

    The key of a job before another is worked out, or, for the stages in ``recorded``, taken from its record:
    so asks a job that is about to read what earlier ones wrote. ``accepted`` are results that are kept over a
    change of code.
    """

    def __init__(
        self,
        run: RunPaths,
        params: Params,
        accepted: dict[str, dict[str, str]] | None = None,
        recorded: Collection[str] = (),
    ):
        self.run, self.params, self.accepted, self.recorded = run, params, accepted or {}, recorded
        self._places = {path.value for path in own_paths(params)}
        self._parts: dict[str, dict[str, Any]] = {}
        self._read: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
        self._notebooks: dict[str, dict[str, str]] = {}

    def key(self, job: Job) -> str:
        """The key of a job's numbers."""
        parts = self.parts(job)
        made_of = (parts["parameters"], self.code(job), parts["data"], parts["before"])
        return digest(job.stage, job.wildcards, *made_of, length=32)

    def parts(self, job: Job) -> dict[str, Any]:
        """What a key is made of: parameters, code by file, data, and the keys of the jobs before.

        It goes into the job's record, and tells what has changed since.
        """
        if job.name not in self._parts:
            parts: dict[str, Any] = {
                "parameters": self._anywhere(number_parameters(job, self.params)),
                "code": code_parts(*code_modules(job, self.params)),
                "data": data_fingerprint(job, self.params),
                "before": {other.name: self._before(job, other) for other in upstream(job, self.params)},
            }
            if job.stage == "report":  # the page tells of it
                parts["accepted"] = self.accepted
                parts["before"] |= {"accepted": digest(self.accepted)} if self.accepted else {}
            self._parts[job.name] = json.loads(json_text(parts))  # as it is read from a record
        return self._parts[job.name]

    def _anywhere(self, values: Any) -> Any:
        """Parameters without places on this machine: what lies there is in ``data``, by its content."""
        if isinstance(values, Mapping):
            return {key: self._anywhere(value) for key, value in values.items()}
        return PLACE if isinstance(values, str) and values in self._places else values

    def code(self, job: Job) -> str:
        """Fingerprint of the code that counts as having made a job's results.

        It is that of earlier code where the change since then was accepted.
        """
        now = digest(self.parts(job)["code"])
        entry = self.accepted.get(job.name, {})
        return entry["made_by"] if entry.get("code") == now else now

    def records(self, job: Job) -> tuple[dict[str, Any], dict[str, Any]]:
        """What a job said of its numbers and of what it shows; empty where it said nothing. Read once."""
        if job.name not in self._read:
            self._read[job.name] = (read_record(self.run, job) or {}, read_view(self.run, job) or {})
        return self._read[job.name]

    def _before(self, job: Job, other: Job) -> str:
        """The key of ``other``, a job before ``job``.

        Where the same key has given another result since, the digest of that result is a part of it.
        """
        record, view = self.records(other)
        if job.stage == "report":  # the page also tells when and how each result was made
            return digest(record.get("checksum"), view.get("checksum"))
        key = record.get("key", "") if other.stage in self.recorded else self.key(other)
        return f"{key} {record['variant']}".strip() if key and record.get("key") == key else key

    def view(self, job: Job) -> str:
        """The key of what is shown of a job."""
        return view_key(self.view_parts(job))

    def view_parts(self, job: Job) -> dict[str, Any]:
        """What the key of a view is made of.

        These are the notebook and the code by file, the values that it shows, the numbers, and the files that
        it reads beside them.
        """
        stem = STAGES[job.stage].notebook
        result = numbers(self.key(job), self.records(job)[0].get("variant", ""))
        shown = self._anywhere(json.loads(json_text(shown_parameters(job, self.params))))
        parts = {"code": self._notebook_parts(stem) if stem else {}, "parameters": shown, "numbers": result}
        away = elsewhere(self.run, self.records(job)[0])  # of which it shows no picture
        return parts | view_files(self.run, job) | ({"elsewhere": away} if away else {})

    def _notebook_parts(self, stem: str) -> dict[str, str]:
        if stem not in self._notebooks:
            self._notebooks[stem] = notebook_parts(stem)
        return self._notebooks[stem]


def view_key(parts: dict[str, Any]) -> str:
    """The key of a view that is made of these parts (``Keys.view_parts``)."""
    return digest(parts, length=32)
