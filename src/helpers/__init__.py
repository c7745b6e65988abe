"""The code behind the five notebooks: data, GAN, classifier, evaluation, report, engine."""

import os
import sys

if sys.platform == "win32":
    raise ImportError(
        "Linux or macOS is needed. On Windows it runs in WSL, the Linux that 'wsl --install' brings."
    )
JOBS_LOCK_VARIABLE = "REPORT_JOBS_LOCK"  # path of the lock that every process of a run's jobs shares

if JOBS_LOCK_VARIABLE in os.environ:
    # a process of a run's job, a notebook's kernel above all: it dies with its parent and is seen by the
    # run's lock
    from helpers.engine.process import join_run

    join_run()
