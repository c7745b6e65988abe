"""Captured training steps, on a stand-in for CUDA's graphs: replayed steps train as the plain loop does."""

import numpy as np
import pytest
import torch
from torch.utils._pytree import tree_leaves

from helpers import params
from helpers.gan.adversarial import AdversarialTrainer
from helpers.graphs import WARM_UP, GraphedStep, how_steps_ran
from support.cuda_graphs import OneByOne, recording

IMAGES = np.random.default_rng(0).integers(0, 256, (10, 32, 32, 3), dtype=np.uint8)
SMALL = params.Gan(
    resolution=32, channel_scale=0.02, batch_size=4, n_critic=2, threads=1, flips="both", drift_penalty=0.001
)
RECIPES = {
    "paper": {},
    "paper, every layer bounded, bfloat16": {"spectral_norm": "all", "precision": "bfloat16"},
    "paper, equalised, last RGB": {"spectral_norm": "none", "equalised": True, "rgb": "last"},
    "paper, augmented": {"augment": "differentiable"},
    "stylegan2, everything lazy": {
        "recipe": "stylegan2",
        "equalised": True,
        "r1_every": 2,
        "path_length_weight": 1.0,
        "path_length_every": 2,
        "augment": "adaptive",
        "augment_kimg": 0.05,
    },
    "stylegan2, bfloat16": {"recipe": "stylegan2", "r1_every": 3, "precision": "bfloat16"},
}


def capture(trainer):
    """Let the trainer's steps run from graphs, as on a GPU."""
    trainer.update_fakes = GraphedStep(trainer.fakes)
    trainer.update_critic = GraphedStep(trainer.critic_step)
    trainer.update_generator = GraphedStep(trainer.generator_step)


def trained(config, steps, graphed):
    """A trainer after ``steps`` steps, its state and its history."""
    torch.set_num_threads(1)
    trainer = AdversarialTrainer(IMAGES, config, "cpu", 3)
    if graphed:
        capture(trainer)
    for _ in range(steps):
        trainer.step()
        trainer.log()
    return trainer


def tensors(state):
    return [
        leaf
        for leaf in tree_leaves({key: value for key, value in state.items() if key != "history"})
        if isinstance(leaf, torch.Tensor)
    ]


@pytest.mark.parametrize("name", RECIPES)
def test_replayed_steps_train_as_plain_ones_do(name, captures):
    config = SMALL.model_copy(update=RECIPES[name])
    lazy = config.recipe == "stylegan2"
    steps = (
        10 if lazy else WARM_UP + 2
    )  # every other step has a lazy penalty, and each kind is captured when it comes for the fourth time
    with OneByOne():
        plain, graphed = trained(config, steps, False), trained(config, steps, True)
    assert len(captures) == (3 + lazy + bool(config.path_length_weight)) and all(
        graph.replays >= 2 for graph in captures
    )
    assert all(
        torch.equal(mine, theirs)
        for mine, theirs in zip(tensors(graphed.state(0)), tensors(plain.state(0)), strict=True)
    )
    assert graphed.history == plain.history


def test_a_resumed_training_is_captured_anew(captures):
    whole, first = trained(SMALL, 9, True), trained(SMALL, 4, True)
    resumed = AdversarialTrainer(IMAGES, SMALL, "cpu", 3)
    capture(resumed)
    resumed.load_state(first.state(0))
    while resumed.steps < 9:
        resumed.step()
    assert len(captures) == 9
    assert all(
        torch.equal(mine, theirs)
        for mine, theirs in zip(tensors(resumed.state(0)), tensors(whole.state(0)), strict=True)
    )


def test_the_stand_in_sees_what_a_graph_would_miss(captures):
    """A step that counts in Python, or that draws: the reason for the law in graphs.py."""
    weight, turns = torch.zeros(1), []

    def step(given, regularised=False):
        turns.append(1)
        return weight.add_(given * len(turns))

    graphed = GraphedStep(step)
    for _ in range(WARM_UP):
        graphed(torch.ones(1))
    assert weight.item() == 1 + 2 + 3
    graphed(torch.ones(1))
    graphed(torch.full((1,), 2.0))
    assert weight.item() == 6 + 4 + 2 * 4 and len(turns) == 4  # the fourth factor is in the graph for good
    drawing = GraphedStep(lambda given, regularised=False: given + torch.rand(1))
    with pytest.raises(AssertionError, match="rand"):
        for _ in range(WARM_UP + 1):
            drawing(torch.ones(1))


@pytest.mark.parametrize("failing", ["fakes", "critic_step", "generator_step"])
def test_a_training_goes_on_where_a_capture_fails(failing, captures):
    """In the middle of the step, after some of it was recorded: nothing of that may have happened."""
    steps = WARM_UP + 3
    with OneByOne():
        plain = trained(SMALL, steps, False)
        trainer = AdversarialTrainer(IMAGES, SMALL, "cpu", 3)
        capture(trainer)
        trainer.graphed = [trainer.update_fakes, trainer.update_critic, trainer.update_generator]
        whole = getattr(trainer, failing)

        def fails(*inputs, regularised=False):
            result = whole(*inputs, regularised=regularised)
            if recording():
                raise RuntimeError("operation not permitted when stream is capturing\nand more")
            return result

        broken = next(step for step in trainer.graphed if step.step == whole)
        broken.step = fails
        with pytest.warns(UserWarning, match="operation not permitted when stream is capturing"):
            for _ in range(steps):
                trainer.step()
                trainer.log()
    assert all(
        torch.equal(mine, theirs)
        for mine, theirs in zip(tensors(trainer.state(0)), tensors(plain.state(0)), strict=True)
    )
    assert trainer.history == plain.history
    assert [step.failure is None for step in trainer.graphed] == [
        step is not broken for step in trainer.graphed
    ]
    assert captures.stream == "the usual one"
    assert trainer.how_steps_ran() == (
        "partly one by one, because a CUDA graph failed: operation not permitted when stream is capturing"
    )


def drawn_sums(graphed, widths):
    torch.manual_seed(5)
    return [graphed(torch.ones(1, width)).item() for width in widths]


def test_each_shape_has_a_graph_and_draws_go_on(captures):
    """As with the two sizes of a classifier's batches."""
    dropout = torch.nn.Dropout()
    widths = [3, 4] * (WARM_UP + 2)
    with OneByOne():
        plain = drawn_sums(lambda given: dropout(given).sum(), widths)
        graphed = GraphedStep(lambda given: dropout(given).sum())
        assert drawn_sums(graphed, widths) == plain
    assert [graph.replays for graph in captures] == [2, 2] and len(set(plain)) > 1


@pytest.mark.parametrize("other", [30, 40])
def test_a_failed_capture_leaves_the_draws_as_they_were(other, captures):
    """Where another shape has a graph already, this one is given up."""
    dropout = torch.nn.Dropout()

    def step(given):
        result = dropout(given).sum()
        if recording() and given.shape[1] == 30:
            raise RuntimeError("no")
        return result

    widths = [other] * (WARM_UP + 2) + [30] * (WARM_UP + 2) + [other] * 2
    graphed = GraphedStep(step)
    with OneByOne():
        plain = drawn_sums(step, widths)
        with pytest.warns(UserWarning, match="no"):
            assert drawn_sums(graphed, widths) == plain
    assert captures.stream == "the usual one" and graphed.failed is captures[-1]
    assert len(captures) == 1 + (other != 30) and not graphed.captured
    assert how_steps_ran([graphed]) == "one by one, because a CUDA graph failed: no"


def test_a_graph_that_leaves_no_memory_for_the_rest_is_given_up(captures):
    captures.free = [10e9, 4e9]
    weight = torch.zeros(1)
    graphed = GraphedStep(lambda given: weight.add_(given))
    with pytest.warns(UserWarning, match="takes 6.0 GB of memory and leaves 4.0"):
        for _ in range(WARM_UP + 2):
            graphed(torch.ones(1))
    assert weight.item() == WARM_UP + 2 and not graphed.captured and not captures[0].operations


def test_it_is_told_how_the_steps_ran(captures):
    trainer = AdversarialTrainer(IMAGES, SMALL, "cpu", 3)
    assert trainer.compiled(trainer.fakes) == trainer.fakes and not trainer.graphed
    trainer.device = "cuda:0"
    trainer.update_fakes = trainer.compiled(trainer.fakes)
    trainer.device = "cpu"
    for _ in range(WARM_UP):
        trainer.step()
    assert trainer.how_steps_ran() == "one by one"
    trainer.step()
    assert trainer.how_steps_ran() == "CUDA graphs"


def test_what_a_graph_returns_is_overwritten_by_its_next_call(captures):
    graphed = GraphedStep(lambda given, regularised=False: given * 2)
    results = [graphed(torch.full((1,), float(turn))) for turn in range(WARM_UP + 2)]
    assert [result.item() for result in results[:WARM_UP]] == [0, 2, 4]
    assert results[-1] is results[-2] and results[-1].item() == 2 * (WARM_UP + 1)
    assert WARM_UP >= 1  # the optimiser's state must be there before the capture


# --- on a card ----------------------------------------------------------------------------------


def course(config, steps, graphed):
    """The trainer, movement of its weights and history of a training on the card, with graphs or without."""
    trainer = AdversarialTrainer(IMAGES, config, "cuda", 3)
    if not graphed:
        trainer.update_critic, trainer.update_generator = trainer.critic_step, trainer.generator_step
        trainer.update_fakes = trainer.fakes
    start = [weight.detach().clone() for weight in (*trainer.generator_weights, *trainer.critic_weights)]
    for _ in range(steps):
        trainer.step()
        trainer.log()
    way = torch.cat(
        [
            (now.detach() - then).flatten()
            for now, then in zip((*trainer.generator_weights, *trainer.critic_weights), start, strict=True)
        ]
    )
    return trainer, way, np.array(trainer.history)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")
@pytest.mark.parametrize("name", RECIPES)
def test_on_a_card_graphs_train_as_plain_steps_do(name, monkeypatch):
    """Not to the bit: a card adds in its own order, and Adam turns gradients near zero into whole steps."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    config = SMALL.model_copy(update={"precision": "float32", **RECIPES[name]})
    steps = 10 if config.recipe == "stylegan2" else WARM_UP + 4
    (graphed, way, history), (_, plain_way, plain_history) = (
        course(config, steps, True),
        course(config, steps, False),
    )
    assert graphed.update_critic.captured and graphed.update_generator.captured
    tolerance = 0.05 if config.precision == "bfloat16" else 0.01
    assert np.allclose(history, plain_history, rtol=tolerance, atol=tolerance * np.abs(plain_history).max(0))
    assert torch.linalg.vector_norm(way - plain_way) < 10 * tolerance * torch.linalg.vector_norm(plain_way)
