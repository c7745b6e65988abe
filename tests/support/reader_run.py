"""A run as a reader study needs it: real lesions, drawn and split, and made-up synthetic images."""

from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest

from helpers.engine.records import write_record
from helpers.engine.runfile import RunFile
from helpers.engine.stages import Job, outputs
from helpers.params import Params, load_params
from helpers.paths import RunPaths
from helpers.stages.eda import prepare

SYNTHETIC_IMAGES = 40
OVERRIDES = ("data.phantom.images=300", "gan.seeds=[0, 1]", f"synthesis.count={SYNTHETIC_IMAGES}")


@contextmanager
def runs_below(folder):
    """Let the project's runs and reports lie in ``folder``."""
    from helpers import paths

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "ARTIFACTS", folder / "artifacts")
        patch.setattr(paths, "REPORTS", folder / "reports")
        yield


def build_reader_run(name: str = "study", overrides: tuple[str, ...] = ()) -> tuple[RunPaths, Params]:
    """Prepare a run below the project's present paths, up to the records of its synthesis."""
    run, params = RunPaths(name), load_params("smoke", [*OVERRIDES, *overrides])
    RunFile(run, params, {}, ["python", "run_all.py"]).save()
    prepare(run, params)
    seal(run, params, Job("eda"))
    for seed in params.gan.seeds:
        random = np.random.default_rng(seed)
        folder, side = run.synthetic(seed), params.gan.resolution
        job = Job("synthesis", {"seed": seed})
        folder.mkdir(parents=True)
        for path in outputs(job, run, params):
            path.write_text("made up\n")
        images = random.integers(0, 255, (SYNTHETIC_IMAGES, side, side, 3), dtype=np.uint8)
        np.save(folder / "images.npy", images)
        scores = pd.DataFrame({"index": range(SYNTHETIC_IMAGES), "selected": 0})
        scores.loc[random.permutation(SYNTHETIC_IMAGES)[:10], "selected"] = 1
        scores.to_csv(folder / "scores.csv", index=False)
        seal(run, params, job)
    return run, params


def seal(run: RunPaths, params: Params, job: Job) -> None:
    """Write the record of a finished job."""
    run.logs.mkdir(exist_ok=True)
    made = {"job": job.name, "key": "k", "code": "c", "parts": {"parameters": {}, "code": {}, "data": ""}}
    write_record(run, job, params, made)
