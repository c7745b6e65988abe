"""A classifier's steps from captured graphs, on a stand-in for CUDA's: they train as the plain ones do."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils._pytree import tree_leaves

from helpers.classifier.arms import compose_training_set
from helpers.classifier.trainer import Trainer
from helpers.graphs import WARM_UP, GraphedStep, how_steps_ran
from helpers.params import Arm, Classifier
from support.cuda_graphs import OneByOne, recording

EPOCHS, STEPS = 5, 5  # of one batch of 8 and four of 7: each size comes often enough to be captured
SMALL = {
    "backbone": "efficientnet_lite0",
    "image_size": 32,
    "frozen_stages": 6,
    "batch_size": 8,
    "max_epochs": 2 * EPOCHS,
    "threads": 1,
    "hidden": 16,
    "weights": "none",
    "learning_rate": 2**-10,
    "scheduler_patience": 0,
    "scheduler_factor": 0.5,
}
WAYS = {
    "frozen stages": {},
    "whole network, bfloat16": {"frozen_stages": 0, "precision": "bfloat16"},
    "decay along a cosine": {"frozen_stages": 8, "schedule": "cosine", "weight_decay": 0.01},
    "averaged, from a bank": {"frozen_stages": 8, "averaging": 0.9, "bank": 2},
}


class Silent:
    def update(self, *_):
        """Nobody looks."""


def make_trainer(folder, way, device="cpu"):
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    split = pd.DataFrame(
        {
            "image_id": [f"i{number}" for number in range(56)],
            "dx": ["bkl", "mel", "nv", "nv"] * 14,
            "split": ["train"] * 36 + ["validation"] * 10 + ["test"] * 10,
        }
    )
    images = random.integers(0, 256, (56, 32, 32, 3), dtype=np.uint8)
    chosen = compose_training_set(split, images, Arm(loss="balanced"), "mel")
    return Trainer(chosen, split, images, Classifier(**SMALL | way), device, 7, folder)


def trained(trainer, epochs=range(EPOCHS)):
    """The rows of these epochs, after the manner of ``_run_epochs``."""
    rows = []
    for epoch in epochs:
        row = trainer.train_epoch(epoch, Silent())
        with trainer.weights_to_keep():
            row |= trainer.validate()
        trainer.scheduler.after_epoch(row)
        rows.append(row)
    return rows


def capture(trainer):
    """Let the steps run from graphs, as on a GPU."""
    trainer.update = GraphedStep(trainer.update)
    if trainer.config.frozen_stages and not trainer.config.bank:
        trainer.features.trunk = GraphedStep(trainer.features.trunk)


def at_graphs_rates(trainer):
    """A graph reads the learning rate in float32."""
    whole = trainer._rate
    trainer._rate = lambda: float(np.float32(whole()))


def same(one, other):
    pairs = zip(tree_leaves(one.state_dict()), tree_leaves(other.state_dict()), strict=True)
    return all(torch.equal(*pair) if torch.is_tensor(pair[0]) else pair[0] == pair[1] for pair in pairs)


@pytest.mark.parametrize("name", WAYS)
def test_replayed_steps_train_as_plain_ones_do(name, captures, tmp_path):
    plain, graphed = (make_trainer(tmp_path, WAYS[name]) for _ in range(2))
    assert plain.steps == STEPS
    if plain.config.schedule == "cosine":
        at_graphs_rates(plain)
    capture(graphed)
    with OneByOne():
        rows = trained(plain)
        assert trained(graphed) == rows
    assert same(graphed, plain)
    assert len({row["learning_rate"] for row in rows}) > 1  # a graph would have kept the first one
    trunk = bool(graphed.config.frozen_stages and not graphed.config.bank)
    assert len(captures) == 2 * (1 + trunk) and all(graph.replays >= 2 for graph in captures)
    assert how_steps_ran([graphed.update]) == "CUDA graphs"


@pytest.mark.parametrize("failing", ["update", "trunk"])
def test_a_training_goes_on_where_a_capture_fails(failing, captures, tmp_path):
    """At the end of the step, when all of it was recorded: nothing of that may have happened."""
    plain, graphed = (make_trainer(tmp_path, {"averaging": 0.5}) for _ in range(2))
    capture(graphed)
    broken = graphed.update if failing == "update" else graphed.features.trunk
    whole = broken.step

    def fails(*inputs):
        result = whole(*inputs)
        if recording():
            raise RuntimeError("operation not permitted when stream is capturing")
        return result

    broken.step = fails
    with OneByOne():
        rows = trained(plain)
        with pytest.warns(UserWarning, match="not permitted"):
            assert trained(graphed) == rows
    assert same(graphed, plain)
    assert not broken.captured and len(captures) == 1 + 2
    told = how_steps_ran([graphed.update, graphed.features.trunk])
    assert told.startswith("partly one by one, because a CUDA graph failed: operation not permitted")


def test_a_failure_within_the_optimiser_leaves_the_rate(captures, tmp_path):
    trainer = make_trainer(tmp_path, {})
    capture(trainer)
    optimise = trainer.optimiser.step

    def fails():
        optimise()
        if recording():
            raise RuntimeError("no")

    trainer.optimiser.step = fails
    with OneByOne(), pytest.warns(UserWarning, match="no"):
        trained(trainer, range(WARM_UP))
    assert isinstance(trainer.optimiser.param_groups[0]["lr"], float)


def test_a_resumed_training_is_captured_anew(captures, tmp_path):
    with OneByOne():
        whole, first, resumed = (make_trainer(tmp_path, {"averaging": 0.9}) for _ in range(3))
        for trainer in (whole, first, resumed):
            capture(trainer)
        rows = trained(whole, range(2 * EPOCHS))
        assert trained(first) == rows[:EPOCHS]
        resumed.resume((EPOCHS, {"training": {"epoch": EPOCHS}, **first.state_dict()}))
        assert trained(resumed, range(EPOCHS, 2 * EPOCHS)) == rows[EPOCHS:]
    assert same(resumed, whole) and len(captures) == 3 * 4


def test_plain_steps_take_the_rate_as_it_is(tmp_path):
    trainer = make_trainer(tmp_path, {"learning_rate": 0.001})
    assert trainer._rate() == 0.001 and trainer.update == trainer._step


# --- on a card ----------------------------------------------------------------------------------


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")
@pytest.mark.parametrize("name", WAYS)
def test_on_a_card_graphs_train_as_plain_steps_do(name, tmp_path, monkeypatch):
    """Not to the bit: a card adds in its own order."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    way = {"precision": "float32", **WAYS[name]}
    graphed, plain = (make_trainer(tmp_path, way, "cuda") for _ in range(2))
    plain.update = plain._step
    if not plain.config.bank:
        plain.features.trunk = plain.model.trunk
    rows, plain_rows = (pd.DataFrame(trained(trainer)) for trainer in (graphed, plain))
    assert len(graphed.update.captured) == 2 and graphed.update.failure is None
    tolerance = 0.1 if way["precision"] == "bfloat16" else 0.03
    assert np.allclose(rows["train_loss"], plain_rows["train_loss"], rtol=tolerance)
