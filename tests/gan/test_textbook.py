"""The fast training step is the textbook's: the same gradients from the same state and random numbers.

The comparison is made in float64. In float32, where a value lies within rounding of LeakyReLU's kink, the two
loops can fall on different sides of it, and a penalty on slopes shows that in the third digit.
"""

import sys

import numpy as np
import pytest
import torch

from helpers import params
from helpers.gan.adversarial import AdversarialTrainer
from support.project import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
from gan_textbook import Textbook, endless_batches

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
CONFIG = params.Gan(
    resolution=32, channel_scale=0.125, batch_size=8, precision="float32", threads=1, drift_penalty=0.0
)
VARIANTS = {
    "paper": {},
    "all layers bounded": {"spectral_norm": "all"},
    "no spectral norm, last RGB": {"spectral_norm": "none", "rgb": "last"},
    "the critic's drift bounded": {"drift_penalty": 0.1},
    "drift, penalty at half, no spectral norm": {
        "drift_penalty": 0.1,
        "penalty_share": 0.5,
        "spectral_norm": "none",
    },
    "other order": {"style_order": "noise_adain_activation"},
    "the penalty at half of the batch": {"penalty_share": 0.5},
    "the penalty at three of eight": {"penalty_share": 0.4},
    "the penalty at one image": {"penalty_share": 0.1},
}


def pair(dtype=torch.float64, **changes):
    """Ours and the textbook's in the same state, and one batch of everything that a step takes."""
    config = CONFIG.model_copy(update=changes)
    ours = AdversarialTrainer(IMAGES, config, "cpu", 5)
    for network in (ours.generator, ours.critic, ours.average):
        network.to(dtype)
    with torch.no_grad():
        for parameter in ours.generator.parameters():
            parameter.add_(
                0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
            )  # noise strengths and biases start at zero
    textbook = Textbook(config, dtype=dtype).copy_from(ours)
    real, critic_draws, generator_draws = ours.data.next_batch(), ours.draws.critic(), ours.draws.generator()
    return ours, textbook, (real.to(dtype), in_type(critic_draws, dtype), in_type(generator_draws, dtype))


def in_type(draws, dtype):
    """The same named draws in another precision."""
    return type(draws)(*(tensor.to(dtype) for tensor in draws))


def gradient(network):
    return torch.cat([weight.grad.flatten() for weight in network.parameters() if weight.grad is not None])


def relative_difference(first, second):
    return float((first - second).norm() / second.norm())


def both_steps(ours, textbook, inputs):
    """Gradients of ours and of the textbook: of the critic's step, then of the generator's."""
    real, drawn, generator_drawn = inputs
    ours.critic_step(real, ours.fakes(drawn.latents, drawn.noise), *drawn)
    textbook.critic_step(real, drawn.latents, drawn.noise, drawn.mix)
    critic = gradient(ours.critic), gradient(textbook.critic)
    # Adam's first step turns rounding at gradients near zero into whole steps
    ours.critic.load_state_dict(textbook.critic.state_dict())
    ours.generator_step(*generator_drawn)
    textbook.generator_step(generator_drawn.latents, generator_drawn.noise)
    return critic, (gradient(ours.generator), gradient(textbook.generator))


@pytest.mark.parametrize("name", VARIANTS)
def test_one_steps_gradients_agree(name):
    for mine, theirs in both_steps(*pair(**VARIANTS[name])):
        assert len(mine) == len(theirs) and theirs.norm() > 0
        assert relative_difference(mine, theirs) < 1e-11


@pytest.mark.parametrize("wrong", [{"gradient_penalty": 10.1}, {"drift_penalty": 0.001}])
def test_a_wrong_penalty_would_be_seen(wrong):
    ours, textbook, inputs = pair()
    textbook.config = textbook.config.model_copy(update=wrong)
    (mine, theirs), _ = both_steps(ours, textbook, inputs)
    assert relative_difference(mine, theirs) > 1e-6


def test_bfloat16_gradients_point_the_same_way_on_a_trained_critic():
    trained = AdversarialTrainer(
        IMAGES,
        CONFIG.model_copy(
            update={"n_critic": 1, "equalised": True, "lr_generator": 1e-3, "lr_discriminator": 2e-3}
        ),
        "cpu",
        0,
    )
    for _ in range(50):
        trained.step()
    gradients = []
    for precision in ("float32", "bfloat16"):
        ours = AdversarialTrainer(IMAGES, CONFIG.model_copy(update={"precision": precision}), "cpu", 0)
        for name in ("generator", "critic"):
            getattr(ours, name).load_state_dict(getattr(trained, name).state_dict())
        ours.generator_step(*ours.draws.generator())
        # the critic's step shall see the same images
        ours.generator.load_state_dict(trained.generator.state_dict())
        real, drawn = ours.data.next_batch(), ours.draws.critic()
        ours.critic_step(real, ours.fakes(drawn.latents, drawn.noise), *drawn)
        gradients.append((gradient(ours.critic), gradient(ours.generator)))
    for exact, fast in zip(*gradients, strict=True):
        assert float(torch.nn.functional.cosine_similarity(exact, fast, dim=0)) > 0.99


def test_the_same_random_numbers_give_the_same_course():
    ours, textbook, _ = pair()
    losses = []
    for _ in range(3):
        real = ours.data.next_batch().double()
        drawn = in_type(ours.draws.critic(), torch.float64)
        terms = ours.critic_step(real, ours.fakes(drawn.latents, drawn.noise), *drawn)
        expected = textbook.critic_step(real, drawn.latents, drawn.noise, drawn.mix)
        losses.append((float(terms.loss), float(expected)))
        drawn = in_type(ours.draws.generator(), torch.float64)
        expected = textbook.generator_step(drawn.latents, drawn.noise)
        losses.append((float(ours.generator_step(*drawn)), float(expected)))
    mine, theirs = np.array(losses).T
    np.testing.assert_allclose(mine, theirs, rtol=1e-6)
    torch.testing.assert_close(ours.average.constant, textbook.average.constant, rtol=1e-6, atol=1e-9)


def test_the_textbook_loop_runs_by_itself():
    textbook, batches = (
        Textbook(CONFIG.model_copy(update={"n_critic": 2})),
        endless_batches(IMAGES, 8, workers=0),
    )
    before = textbook.average.constant.clone()
    assert np.isfinite([textbook.step(batches) for _ in range(2)]).all()
    assert not torch.equal(before, textbook.average.constant)
