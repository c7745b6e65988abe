"""Which port a Jupyter server took that was started with ``--port=0``."""

import json
import subprocess
import time
from pathlib import Path


def port_of(server: subprocess.Popen, runtime: Path, log: Path, patience: float = 300) -> int:
    """The port that a server listens on, as it tells in its runtime folder once it does.

    A port that a test finds free and names can be another program's before the server has it. ``log`` is
    what an AssertionError quotes where the server ends, or tells nothing in ``patience`` seconds.
    """
    told, until = runtime / f"jpserver-{server.pid}.json", time.monotonic() + patience
    while server.poll() is None and time.monotonic() < until:
        try:
            return json.loads(told.read_text())["port"]
        except (FileNotFoundError, json.JSONDecodeError):  # not yet there, or not yet whole
            time.sleep(0.1)
    raise AssertionError(log.read_text()[-2000:])
