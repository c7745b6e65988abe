"""Captured training steps, on a stand-in for CUDA's graphs: replayed steps must train as the plain loop does.

The stand-in follows CUDA's rules. While it records, nothing happens to any tensor; afterwards the recorded
operations run on the same tensors, and no Python of the step runs. So whatever a step keeps outside of such
tensors would show.
"""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode_stack
from torch.utils._pytree import tree_leaves

from helpers import params
from helpers.gan import graphs
from helpers.gan.adversarial import AdversarialTrainer
from helpers.gan.graphs import WARM_UP, GraphedStep

IMAGES = np.random.default_rng(0).integers(0, 256, (10, 32, 32, 3), dtype=np.uint8)
WAITING = (
    "_local_scalar_dense",
    "lift_fresh",
    "nonzero",
    "is_nonzero",
    "equal",
    "_linalg_check_errors",
)  # a capture fails at these
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


class Recording(TorchDispatchMode):
    """In place of ``torch.cuda.CUDAGraph``: records operations, takes their effects back, replays them."""

    def __init__(self):
        super().__init__()
        self.operations, self.saved, self.replays = [], {}, 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        options = options or {}
        name = function._schema.name.removeprefix("aten::")
        assert name not in WAITING and "rand" not in name, f"{name} cannot be captured"
        for tensor in written(function, arguments, options):
            storage = tensor.untyped_storage()
            self.saved.setdefault(storage.data_ptr(), (storage, storage.clone()))
        result = function(*arguments, **options)
        self.operations.append((function, arguments, options, result))
        return result

    def __exit__(self, *failure):
        super().__exit__(*failure)
        for storage, before in self.saved.values():
            storage.copy_(before)

    @torch.no_grad()
    def replay(self):
        self.replays += 1
        for function, arguments, options, result in self.operations:
            returns = [value.alias_info for value in function._schema.returns]
            if any(alias and not alias.is_write for alias in returns):
                continue  # a view
            again = function(*arguments, **options)
            if not any(returns):
                for place, value in zip(tree_leaves(result), tree_leaves(again), strict=True):
                    if isinstance(place, torch.Tensor):
                        place.copy_(value)


class OneByOne(TorchDispatchMode):
    """Runs every operation as it comes. Some are rounded otherwise below any such mode than without one, on
    some processors: what is compared with a recording, and its steps before and after, must run like it.
    """

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        return function(*arguments, **(options or {}))


def written(function, arguments, options):
    """The tensors that an operation changes."""
    for place, argument in enumerate(function._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            given = arguments[place] if place < len(arguments) else options.get(argument.name)
            yield from (leaf for leaf in tree_leaves(given) if isinstance(leaf, torch.Tensor))


class Stream:
    def wait_stream(self, other):
        """There is one stream only."""


@pytest.fixture
def captures(monkeypatch):
    """CUDA's functions that graphs.py calls, on the CPU; the graphs that were recorded."""
    recorded = []
    for name in ("Stream", "current_stream"):
        monkeypatch.setattr(torch.cuda, name, Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: recorded.append(Recording()) or recorded[-1])
    monkeypatch.setattr(torch.cuda, "graph", lambda graph: graph)
    return recorded


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
            if any(isinstance(mode, Recording) for mode in _get_current_dispatch_mode_stack()):
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
    assert trainer.how_steps_ran() == (
        "one by one, because a CUDA graph failed: operation not permitted when stream is capturing"
    )


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
    assert graphs.WARM_UP >= 1  # the optimiser's state must be there before the capture


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
