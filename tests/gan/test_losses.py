"""The losses of both recipes against closed forms, their lazy penalties, and the augmentation."""

import math

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from helpers import params
from helpers.gan.augmentation import AMOUNTS, DRAWS, OPERATIONS, Augmentation, cut_out, move, recolour
from helpers.gan.draws import CriticDraws, GeneratorDraws, StepDraws
from helpers.gan.losses import score_with_slopes
from helpers.gan.nonsaturating import NonSaturatingLoss
from helpers.gan.recipes import RECIPES
from helpers.gan.wasserstein import WassersteinLoss, gradient_penalty
from helpers.gan.weights import empty_networks


class LinearCritic(nn.Module):
    """Scores of a weighted sum of the pixels: its gradient is the weight, everywhere.

    It keeps the interface of ``helpers.gan.networks.Critic``; an image is its own features.
    """

    def __init__(self, weight: torch.Tensor):
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, images: torch.Tensor, labels=None) -> torch.Tensor:
        return self.head(self.features(images))

    def features(self, images: torch.Tensor, tape: list | None = None) -> torch.Tensor:
        self.seen = images.detach()
        return images

    def head(self, features: torch.Tensor, labels=None) -> torch.Tensor:
        return (features * self.weight).sum((1, 2, 3))

    def slopes(self, features: torch.Tensor, tape: list, labels=None) -> torch.Tensor:
        return self.weight.expand_as(features)


def pixel(*values: float) -> torch.Tensor:
    """Images of one pixel and one channel."""
    return torch.tensor(values, dtype=torch.float64).view(-1, 1, 1, 1)


def settings(**changes) -> params.Gan:
    return params.Gan(
        **{"recipe": "stylegan2", "resolution": 32, "channel_scale": 0.03, "batch_size": 4} | changes
    )


def build_loss(config: params.Gan, device: str):
    """The loss of the configuration's recipe."""
    return RECIPES.get(config.recipe).build_loss(config, device)


def critic_draws(**given: torch.Tensor) -> CriticDraws:
    """Draws that hold what is given, and nothing else."""
    return CriticDraws(**{name: torch.empty(2, 0) for name in CriticDraws._fields} | given)


def generator_draws(**given: torch.Tensor) -> GeneratorDraws:
    """Draws that hold what is given, and nothing else."""
    return GeneratorDraws(**{name: torch.empty(2, 0) for name in GeneratorDraws._fields} | given)


def step_draws(generator, loss) -> StepDraws:
    """A source of draws for steps of four images."""
    random = torch.Generator().manual_seed(0)
    inputs = generator.latent_size, generator.noise_size
    return StepDraws(4, *inputs, loss.critic_sizes, loss.generator_sizes, random)


def sizes(loss) -> tuple[int, int]:
    """Uniform numbers per image of both steps."""
    return sum(loss.critic_sizes), sum(loss.generator_sizes)


# --- WGAN-GP ------------------------------------------------------------------------------------


def test_gradient_penalty_of_a_linear_critic():
    critic = LinearCritic(torch.full((3, 4, 4), 0.5, dtype=torch.float64))
    real, fake = (torch.randn(5, 3, 4, 4, dtype=torch.float64) for _ in range(2))
    norm = 0.5 * math.sqrt(48)
    _, _, slopes = score_with_slopes(critic, real, fake, torch.lerp(fake, real, 0.3))
    penalty, mean_norm = gradient_penalty(slopes)
    assert penalty.item() == pytest.approx((norm - 1) ** 2)
    assert mean_norm.item() == pytest.approx(norm)
    # d/dw (|w| - 1)^2 = 2 (|w| - 1) w / |w|
    (gradient,) = torch.autograd.grad(penalty, critic.weight)
    torch.testing.assert_close(gradient, 2 * (norm - 1) * critic.weight.detach() / norm)


def test_each_image_is_mixed_by_its_own_number():
    loss = build_loss(settings(recipe="paper"), "cpu")
    critic, mix = LinearCritic(torch.ones(1, 1, 1)), torch.tensor([[0.25], [1.0]])
    loss.critic(critic, torch.ones(2, 1, 1, 1), torch.zeros(2, 1, 1, 1), critic_draws(mix=mix), False)
    assert critic.seen.flatten().tolist() == [1, 1, 0, 0, 0.25, 1]  # real, fake, between


def test_wasserstein_losses_by_hand():
    loss = build_loss(settings(recipe="paper", gradient_penalty=10, drift_penalty=0.1), "cpu")
    assert isinstance(loss, WassersteinLoss) and sizes(loss) == (1, 0)
    critic = LinearCritic(torch.ones(1, 1, 1, dtype=torch.float64))
    terms = loss.critic(
        critic, pixel(3, 5), pixel(1, 2), critic_draws(mix=torch.rand(2, 1, dtype=torch.float64)), True
    )
    assert terms.score_real.item() == 4 and terms.score_fake.item() == 1.5
    assert terms.loss.item() == pytest.approx(1.5 - 4 + 0.1 * (9 + 25) / 2)  # the norm is 1: no penalty
    assert terms.sign_real.item() == 1  # both lie above the middle, 2.75
    generated = loss.generator(lambda latents, noise, labels: pixel(1, 2), critic, generator_draws(), False)
    assert generated.item() == -1.5


def test_wasserstein_has_nothing_lazy():
    loss = build_loss(settings(recipe="paper", path_length_weight=1.0), "cpu")
    assert not any(loss.critic_regularised(step) or loss.generator_regularised(step) for step in range(20))
    assert sizes(loss) == (1, 0)
    critic, draws = LinearCritic(torch.full((1, 1, 1), 3.0)), critic_draws(mix=torch.rand(2, 1))
    steep, flat = (
        loss.critic(critic, pixel(1, 2).float(), pixel(0, 0).float(), draws, False) for _ in range(2)
    )
    assert steep.gradient_penalty.item() == flat.gradient_penalty.item() == 4  # at every step


# --- non-saturating -----------------------------------------------------------------------------


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def test_non_saturating_losses_by_hand():
    loss = build_loss(settings(r1_weight=0.5, r1_every=4), "cpu")
    assert isinstance(loss, NonSaturatingLoss) and sizes(loss) == (0, 0)
    critic = LinearCritic(torch.full((1, 1, 1), 2.0, dtype=torch.float64))
    none = critic_draws()
    plain = loss.critic(critic, pixel(3, -5), pixel(1, 2), none, False)
    expected = (softplus(-6) + softplus(10)) / 2 + (softplus(2) + softplus(4)) / 2
    assert plain.loss.item() == pytest.approx(expected)
    assert plain.score_real.item() == -2 and plain.score_fake.item() == 3 and plain.sign_real.item() == 0
    assert plain.gradient_penalty.item() == plain.gradient_norm.item() == 0  # no R1 yet, and no nan
    regularised = loss.critic(critic, pixel(3, -5), pixel(1, 2), none, True)
    assert regularised.gradient_penalty.item() == 4 and regularised.gradient_norm.item() == 2
    assert regularised.loss.item() == pytest.approx(expected + 0.5 / 2 * 4 * 4)
    generated = loss.generator(lambda latents, noise, labels: pixel(1, 2), critic, generator_draws(), False)
    assert generated.item() == pytest.approx((softplus(-2) + softplus(-4)) / 2)


def test_r1_of_a_linear_critic_is_its_squared_weight():
    torch.manual_seed(0)
    loss = build_loss(settings(r1_weight=3.0, r1_every=1), "cpu")
    critic = LinearCritic(torch.randn(3, 4, 4, dtype=torch.float64))
    real, fake = (torch.randn(5, 3, 4, 4, dtype=torch.float64) for _ in range(2))
    none = critic_draws()
    terms, plain = (loss.critic(critic, real, fake, none, regularised) for regularised in (True, False))
    assert terms.gradient_penalty.item() == pytest.approx(critic.weight.square().sum().item())
    # d/dw r1_weight / 2 |w|^2 = r1_weight w
    (gradient,) = torch.autograd.grad(terms.loss - plain.loss, critic.weight)
    torch.testing.assert_close(gradient, 3.0 * critic.weight.detach())


def test_r1_is_computed_in_float32_under_autocast():
    config = settings(augment="differentiable")
    torch.manual_seed(0)
    _, critic = empty_networks(config)
    loss = build_loss(config, "cpu")
    real, fake = torch.randn(4, 3, 32, 32), torch.randn(4, 3, 32, 32)
    draws = critic_draws(augment_real=torch.rand(4, DRAWS), augment_fake=torch.rand(4, DRAWS))
    exact = loss.critic(critic, real, fake, draws, True)
    with torch.autocast("cpu", torch.bfloat16):
        fast = loss.critic(critic, real, fake, draws, True)
    assert fast.gradient_penalty.item() == exact.gradient_penalty.item() > 0
    assert fast.score_real.item() == pytest.approx(exact.score_real.item(), rel=0.05)


def test_lazy_penalties_come_when_they_are_due():
    loss = build_loss(settings(r1_every=3, path_length_weight=2.0, path_length_every=4), "cpu")
    assert [step for step in range(10) if loss.critic_regularised(step)] == [0, 3, 6, 9]
    assert [step for step in range(10) if loss.generator_regularised(step)] == [0, 4, 8]
    off = build_loss(settings(r1_weight=0, path_length_weight=0), "cpu")
    assert not any(off.critic_regularised(step) or off.generator_regularised(step) for step in range(10))


def test_between_two_penalties_the_terms_keep_the_last():
    loss = build_loss(settings(), "cpu")
    none = critic_draws()
    steep, flat = (LinearCritic(torch.full((1, 1, 1), slope, dtype=torch.float64)) for slope in (3.0, 1.0))
    loss.after_step(loss.critic(steep, pixel(1), pixel(0), none, True))
    later = loss.critic(flat, pixel(1), pixel(0), none, False)
    loss.after_step(later)
    assert later.gradient_penalty.item() == 9 and later.gradient_norm.item() == 3


class LinearGenerator:
    """One channel, two pixels: the styles times fixed slopes; |J^T y| is then |slope| times |y|."""

    def __init__(self, slope: float):
        self.slope = slope

    def mapping(self, latents, labels=None):
        return latents.clone().requires_grad_()

    def synthesise(self, styles, noise):
        return (self.slope * styles).view(len(styles), 1, 1, 2)

    def __call__(self, latents, noise, labels=None):
        return self.synthesise(self.mapping(latents), noise)


def test_path_length_penalty_by_hand():
    loss = build_loss(settings(path_length_weight=2.0, path_length_every=4), "cpu")
    assert sizes(loss) == (0, 3 * 32 * 32)
    path = torch.tensor([[0.9, 0.2], [0.5, 0.7]])
    draws = generator_draws(latents=torch.randn(2, 2, dtype=torch.float64), path=path)
    generator, critic = LinearGenerator(3.0), LinearCritic(torch.ones(1, 1, 2, dtype=torch.float64))
    plain = loss.generator(generator, critic, draws, False)
    assert loss.path_length.item() == 0
    regularised = loss.generator(generator, critic, draws, True)
    normal = torch.distributions.Normal(0.0, 1.0).icdf(path[0].double())  # half of the images
    length = 3 * normal.norm().item() / math.sqrt(2)
    assert loss.path_length.item() == pytest.approx(0.01 * length, rel=1e-5)
    assert (regularised - plain).item() == pytest.approx(2 * 4 * (0.99 * length) ** 2, rel=1e-4)


def test_path_length_teaches_the_generator_in_every_precision():
    config = settings(path_length_weight=2.0)
    torch.manual_seed(0)
    generator, critic = empty_networks(config)
    loss = build_loss(config, "cpu")
    draws = step_draws(generator, loss).generator()
    draws.path[0, :2] = torch.tensor([0.0, 1 - 2**-24])  # the ends of what a uniform number may be
    for autocast in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            value = loss.generator(generator, critic, draws, True)
        gradients = torch.autograd.grad(value, list(generator.parameters()))
        assert all(torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("recipe", ["paper", "stylegan2"])
@pytest.mark.parametrize("augment", ["none", "differentiable", "adaptive"])
def test_both_losses_have_one_interface_and_draw_nothing_themselves(recipe, augment):
    config = settings(recipe=recipe, augment=augment, path_length_weight=0.0 if recipe == "paper" else 1.0)
    torch.manual_seed(0)
    generator, critic = empty_networks(config)
    loss = build_loss(config, "cpu")
    random = torch.get_rng_state()
    source = torch.Generator().manual_seed(0)
    real, draws = torch.rand(4, 3, 32, 32, generator=source), step_draws(generator, loss)
    for step in (0, 1):
        drawn = draws.critic()
        fake = generator(drawn.latents, drawn.noise).detach()
        terms = loss.critic(critic, real, fake, drawn, loss.critic_regularised(step))
        loss.after_step(terms)
        value = loss.generator(generator, critic, draws.generator(), loss.generator_regularised(step))
        assert all(torch.isfinite(term) for term in terms) and torch.isfinite(value)
    assert torch.equal(torch.get_rng_state(), random)
    again = build_loss(config, "cpu")
    again.load_state({name: tensor.clone() for name, tensor in loss.state().items()})
    assert again.state() == loss.state() and all(
        a is not b for a, b in zip(again.state().values(), loss.state().values(), strict=True)
    )


# --- augmentation -------------------------------------------------------------------------------


def augmentation(kind: str, probability: float | None = None) -> Augmentation:
    made = Augmentation(settings(augment=kind), "cpu")
    if probability is not None:
        made.probability.fill_(probability)
    return made


def named(**amounts: float) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """One image's operations and amounts: the given ones, by the operation of the same first word."""
    chosen = {key.split("_")[0] for key in amounts}
    applied = {name: torch.tensor([name in chosen]) for name in OPERATIONS}
    values = {name: torch.tensor([amounts.get(name.replace(" ", "_"), 0.0)]) for name in AMOUNTS}
    return applied, values


IMAGES = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(3)) * 2 - 1


def test_probability_zero_is_the_identity_even_outside_the_range():
    draws = torch.rand(6, DRAWS)
    assert torch.equal(augmentation("adaptive", 0.0)(3 * IMAGES, draws), 3 * IMAGES)
    assert augmentation("none")(IMAGES, torch.empty(6, 0)) is IMAGES and augmentation("none").draws == 0


def test_each_image_depends_on_its_own_draws_only():
    draws = torch.rand(6, DRAWS, generator=torch.Generator().manual_seed(0))
    vary = augmentation("differentiable")
    varied = vary(IMAGES, draws)
    assert torch.equal(varied, vary(IMAGES, draws))
    torch.testing.assert_close(varied[2:4], vary(IMAGES[2:4], draws[2:4]))
    assert all(not torch.allclose(a, b, atol=0.05) for a, b in zip(varied, IMAGES, strict=True))


def test_an_operation_is_applied_with_its_probability():
    draws = torch.rand(4000, DRAWS, generator=torch.Generator().manual_seed(0))
    draws[:, : OPERATIONS.index("brightness")] = 1  # all but brightness are off
    draws[:, OPERATIONS.index("brightness") + 1 : len(OPERATIONS)] = 1
    flat = torch.zeros(4000, 3, 2, 2)
    changed = augmentation("adaptive", 0.3)(flat, draws).flatten(1).any(1)
    assert changed.double().mean().item() == pytest.approx(0.3, abs=0.03)


def test_movements_by_hand():
    image = IMAGES[:1]
    torch.testing.assert_close(move(image, *named(mirror_x=-0.5)), image.flip(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(move(image, *named(mirror_y=-0.5)), image.flip(2), atol=1e-4, rtol=0)
    assert torch.equal(move(image, *named(brightness=1.0)), image)
    applied, amounts = named(mirror_x=0.5)  # heads: not mirrored
    torch.testing.assert_close(move(image, applied, amounts), image, atol=1e-4, rtol=0)
    applied, amounts = named(angle=0.5)
    torch.testing.assert_close(
        move(image, applied | {"rotation": torch.tensor([True])}, amounts),
        image.rot90(-1, (2, 3)),
        atol=1e-4,
        rtol=0,
    )
    applied, amounts = named(x=1.0)  # an eighth of 16 pixels to the right
    shifted = move(image, applied | {"translation": torch.tensor([True])}, amounts)
    torch.testing.assert_close(shifted[..., 2:], image[..., :-2], atol=1e-4, rtol=0)
    grown = move(torch.ones(1, 3, 16, 16), *named(scale=1.0))
    torch.testing.assert_close(grown, torch.ones(1, 3, 16, 16))


def test_colours_by_hand():
    image = torch.tensor([0.5, -0.5, 0.0]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    torch.testing.assert_close(recolour(image, *named(brightness=0.5)), image + 0.25)
    grey = 0.299 * 0.5 - 0.587 * 0.5
    torch.testing.assert_close(recolour(image, *named(saturation=-1.0)), torch.full((1, 3, 4, 4), grey))
    torch.testing.assert_close(recolour(image, *named(contrast=1.0)), 1.5 * image)  # its mean is 0


def test_a_square_is_cut_out():
    applied, amounts = named(cutout_x=0.0, cutout_y=0.0)
    cut = cut_out(torch.ones(1, 3, 8, 8), applied, amounts)
    assert cut[0, 0].sum() == 64 - 16 and cut[0, :, 2:6, 2:6].abs().sum() == 0


def test_resampling_differentiates_twice_by_its_adjoint():
    from helpers.gan.augmentation import _Resampling

    torch.manual_seed(0)
    matrices = torch.tensor([[[0.8, -0.5, 1.0], [0.5, 0.8, -0.5]]], dtype=torch.float64)
    images = torch.randn(1, 2, 5, 5, dtype=torch.float64, requires_grad=True)
    resample = lambda x: _Resampling.apply(x, matrices)  # noqa: E731
    assert torch.autograd.gradcheck(resample, images) and torch.autograd.gradgradcheck(resample, images)


def test_augmentation_keeps_float32_in_autocast_and_differentiates_twice():
    draws = torch.rand(6, DRAWS)
    images = IMAGES.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        varied = augmentation("differentiable")(images, draws)
    assert varied.dtype == torch.float32
    (slope,) = torch.autograd.grad(varied.pow(3).sum(), images, create_graph=True)
    (second,) = torch.autograd.grad(slope.square().sum(), images)
    assert torch.isfinite(second).all() and second.abs().sum() > 0


def test_real_and_fake_are_augmented_by_one_law():
    loss = build_loss(settings(augment="differentiable"), "cpu")
    draws = torch.rand(6, DRAWS, generator=torch.Generator().manual_seed(0))
    alike = critic_draws(augment_real=draws, augment_fake=draws)
    real, fake = loss.augment_both(IMAGES, IMAGES, alike)
    assert torch.equal(real, fake)
    _, other = loss.augment_both(IMAGES, IMAGES, alike._replace(augment_fake=draws.flip(0)))
    assert not torch.allclose(real, other, atol=0.05)
    seen = []
    loss.generator(
        lambda latents, noise, labels: IMAGES,
        lambda images, labels: seen.append(images) or images.sum((1, 2, 3)),
        generator_draws(augment_fake=draws),
        False,
    )
    assert torch.equal(seen[0], real)


def test_the_controller_rises_when_the_critic_is_too_sure_and_falls_else():
    control = Augmentation(
        settings(augment="adaptive", augment_target=0.6, augment_kimg=0.1, batch_size=10), "cpu"
    )  # a tenth a step
    address = control.probability.data_ptr()
    for _ in range(3):
        control.update(torch.tensor(0.9))
    assert control.probability.item() == pytest.approx(0.3)
    control.update(torch.tensor(0.5))
    assert control.probability.item() == pytest.approx(0.2)
    for _ in range(12):
        control.update(torch.tensor(1.0))
    assert control.probability.item() == 1
    assert control.probability.data_ptr() == address  # a captured step reads from there
    fixed = augmentation("differentiable")
    fixed.update(torch.tensor(-1.0))
    assert fixed.probability.item() == 1


class Operations(TorchDispatchMode):
    """Names of all operations that run, backward passes included."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.seen.add(str(function))
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("recipe", ["paper", "stylegan2"])
def test_a_step_can_be_captured_in_a_graph(recipe):
    """No value is read on the host, none comes from there, none is drawn, and no shape depends on a value."""
    config = settings(recipe=recipe, augment="adaptive", path_length_weight=1.0)
    torch.manual_seed(0)
    generator, critic = empty_networks(config)
    loss = build_loss(config, "cpu")
    real, draws = torch.rand(4, 3, 32, 32), step_draws(generator, loss)
    drawn, generator_drawn = draws.critic(), draws.generator()
    for operations in (
        Operations(),
        Operations(),
    ):  # the first pass fills caches, as the one before a capture does
        with operations, torch.autocast("cpu", torch.bfloat16):
            fake = generator(drawn.latents, drawn.noise).detach()
            terms = loss.critic(critic, real, fake, drawn, loss.critic_regularised(0))
            torch.autograd.grad(terms.loss, list(critic.parameters()))
            loss.after_step(terms)
            value = loss.generator(generator, critic, generator_drawn, loss.generator_regularised(0))
            torch.autograd.grad(value, list(generator.parameters()), allow_unused=True)
    assert "aten.convolution.default" in operations.seen
    forbidden = {
        "aten._local_scalar_dense.default",
        "aten.lift_fresh.default",
        "aten.nonzero.default",
        "aten.is_nonzero.default",
        "aten.equal.default",
    }
    assert not forbidden & operations.seen
    assert not [name for name in operations.seen if "rand" in name or "bernoulli" in name]


def test_the_second_recipe_learns_a_colour():
    config = settings(r1_weight=0.1, r1_every=4)
    torch.manual_seed(0)
    generator, critic = empty_networks(config)
    loss = build_loss(config, "cpu")
    colour = torch.tensor([0.6, -0.2, 0.1]).view(1, 3, 1, 1)
    optimisers = {
        network: torch.optim.Adam(network.parameters(), 5e-3, betas=(0.0, 0.99))
        for network in (generator, critic)
    }
    source = torch.Generator().manual_seed(0)

    def draw() -> list[torch.Tensor]:
        return [
            torch.randn(4, size, generator=source) for size in (generator.latent_size, generator.noise_size)
        ]

    def generator_drawn() -> GeneratorDraws:
        return GeneratorDraws(*draw(), *(torch.empty(4, 0) for _ in range(3)))

    def descend(value: torch.Tensor, network: nn.Module) -> None:
        for weight, gradient in zip(
            network.parameters(), torch.autograd.grad(value, list(network.parameters())), strict=True
        ):
            weight.grad = gradient
        optimisers[network].step()

    inputs = draw()
    distance = lambda: (generator(*inputs).mean((0, 2, 3)) - colour.flatten()).norm().item()  # noqa: E731
    before = distance()
    for step in range(60):
        real = colour + 0.05 * torch.randn(4, 3, 32, 32, generator=source)
        terms = loss.critic(
            critic, real, generator(*draw()).detach(), critic_draws(), loss.critic_regularised(step)
        )
        descend(terms.loss, critic)
        loss.after_step(terms)
        descend(loss.generator(generator, critic, generator_drawn(), False), generator)
    assert distance() < before / 2
