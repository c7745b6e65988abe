"""A training killed by SIGKILL at random moments and started again ends in the same weights, to the bit."""

import multiprocessing
import random
import signal
import time

import pytest

from helpers.checkpoints import list_checkpoints
from support.small_gan import SMALL, same, train_here, weights

CONFIG = SMALL.model_copy(
    update={
        "n_critic": 1,
        "batch_size": 4,
        "sample_every": 20,
        "log_every": 5,
        "equalised": True,
    }
)
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["helpers.gan.training"])


def newest(directory):
    """Step of the newest checkpoint."""
    return max([step for step, _ in list_checkpoints(directory)], default=0)


def kill_in_the_midst(directory, config, moments):
    """Start or resume the training and kill it a random while later; the step it had reached."""
    before = newest(directory)
    process = CONTEXT.Process(target=train_here, args=(directory, config))
    process.start()
    while process.is_alive() and newest(directory) < before + moments.randint(1, 4):
        time.sleep(0.002)
    time.sleep(moments.uniform(0, 0.1))  # anywhere in a step, or in the writing of a checkpoint
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL, "it was done before it was killed"
    return newest(directory)


@pytest.mark.parametrize("times", [2, pytest.param(10, marks=pytest.mark.long)])
def test_killed_and_resumed_ends_in_the_same_weights(tmp_path, times):
    moments = random.Random(times)
    config = CONFIG.model_copy(update={"steps": 20 + 10 * times})  # more than the killed ones reach
    directory = tmp_path / "killed"
    reached = [kill_in_the_midst(directory, config, moments) for _ in range(times)]
    assert reached == sorted(reached) and reached[-1] >= times
    for folder in (directory, tmp_path / "straight"):
        process = CONTEXT.Process(target=train_here, args=(folder, config))
        process.start()
        process.join()
        assert process.exitcode == 0
    assert same(weights(tmp_path / "straight"), weights(directory))
    assert (directory / "history.csv").read_bytes() == (tmp_path / "straight/history.csv").read_bytes()
    assert not list(directory.glob(".*.tmp*"))
