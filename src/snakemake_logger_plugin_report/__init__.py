"""A logger plugin of Snakemake that writes what went wrong as data: a line of JSON for each error.

Snakemake finds it by the name of this package.
"""

import json
import os
from logging import LogRecord

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

EVENTS_VARIABLE = "REPORT_ENGINE_EVENTS"  # the environment variable that names the file
TOLD = {LogEvent.JOB_ERROR, LogEvent.GROUP_ERROR, LogEvent.ERROR}


class LogHandler(LogHandlerBase):
    """Writes errors of jobs and of the engine itself."""

    writes_to_stream = False
    writes_to_file = True
    has_filter = False
    has_formatter = False
    needs_rulegraph = False

    def __post_init__(self) -> None:
        self.baseFilename = os.environ.get(EVENTS_VARIABLE, os.devnull)
        self.file = open(self.baseFilename, "a", encoding="utf-8")  # noqa: SIM115 (open as long as the engine runs)

    def emit(self, record: LogRecord) -> None:
        """Write one event, where it is one to be told."""
        event = getattr(record, "event", None)
        if event not in TOLD:
            return
        logs = getattr(record, "log", None) or ()
        told = {
            "event": str(event),
            "message": record.getMessage(),
            "rule": getattr(record, "rule_name", None),
            "said": getattr(record, "rule_msg", None),
            "logs": [str(path) for path in ([logs] if isinstance(logs, str) else logs)],
        }
        self.file.write(json.dumps(told) + "\n")
        self.file.flush()

    def close(self) -> None:
        """End the file."""
        self.file.close()
        super().close()
