#!/usr/bin/env python3
"""A stand-in for kubectl: a Job's container is a process of this machine, with the manifest's environment and no other.

State lies beside this file: one folder a Job, with its manifest, its process and, at its end, its exit code.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

JOBS = Path(__file__).resolve().parent / "jobs"


def create() -> None:
    manifest = json.load(sys.stdin)
    name = f"{manifest['metadata']['generateName']}{len(list(JOBS.glob('*'))):05d}"
    folder = JOBS / name
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    container = manifest["spec"]["template"]["spec"]["containers"][0]
    environment = {
        "PATH": os.defpath,
        "HOME": os.environ.get("HOME", "/"),
        **{pair["name"]: pair["value"] for pair in container["env"]},
    }
    with open(folder / "log", "w") as log:
        script = '"$@"; echo $? > code.new; mv code.new code'
        words = ["/bin/sh", "-c", script, "sh", *container["command"]]
        process = subprocess.Popen(
            words,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    (folder / "process").write_text(str(process.pid))
    print(f"job.batch/{name}")


def get(name: str) -> None:
    folder = JOBS / name
    if not folder.exists():
        sys.exit("Error from server (NotFound)")
    code = (folder / "code").read_text().strip() if (folder / "code").exists() else None
    conditions = [] if code is None else [{"type": "Complete" if code == "0" else "Failed", "status": "True"}]
    print(json.dumps({"status": {"conditions": conditions}}))


def delete(names: list[str]) -> None:
    for name in names:
        with suppress(OSError):
            os.killpg(int((JOBS / name / "process").read_text()), signal.SIGKILL)
        (JOBS / "deleted").parent.mkdir(exist_ok=True)
        shutil.rmtree(JOBS / name, ignore_errors=True)
        with open(JOBS.parent / "deleted.txt", "a") as log:
            log.write(name + "\n")


words = [word for word in sys.argv[1:] if not word.startswith("-") and word != "default"]
if words[0] == "create":
    create()
elif words[0] == "get":
    get(words[2])
else:
    delete(words[2:])
