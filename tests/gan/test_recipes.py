"""The registry of recipes: reading it loads no torch, and a new recipe is one file."""

import subprocess
import sys

import numpy as np
import pytest

from helpers import params
from helpers.gan import recipes
from helpers.gan.recipes import RECIPES
from helpers.gan.training import train_gan
from helpers.gan.weights import load_generator
from support.small_gan import IMAGES, SMALL

NEW_RECIPE = '''
"""StyleGAN2's networks with the hinge loss."""

from helpers.gan.recipes import RECIPES, Recipe


def build_loss(config, device):
    from helpers.gan.losses import CriticLoss, Loss, score_apart

    class HingeLoss(Loss):
        def critic(self, critic, real, fake, draws, regularised):
            real, fake = score_apart(critic, *self.augment_both(real, fake, draws))
            loss = (1 - real).relu().mean() + (1 + fake).relu().mean()
            sign = real.sign().mean()
            return CriticLoss(loss, real.mean(), fake.mean(), 0 * sign, 0 * sign, sign)

        def generator(self, generator, critic, draws, regularised):
            return -self.fake_scores(generator, critic, draws).mean()

    return HingeLoss(config, device)


RECIPE = Recipe(
    title="StyleGAN2 with the hinge loss",
    meaning="StyleGAN2's networks, hinge loss",
    own_parameters=frozenset(),
    build_networks=lambda config: RECIPES.get("stylegan2").build_networks(config),
    trainer=RECIPES.get("stylegan2").trainer,
    build_loss=build_loss,
)
'''


def test_each_recipe_claims_the_parameters_that_say_so():
    assert RECIPES.names() == ("diffusion", "paper", "stylegan2")
    for name in RECIPES.names():
        claimed = RECIPES.get(name).own_parameters
        described = {
            key
            for key, field in params.Gan.model_fields.items()
            if (field.description or "").startswith(f"recipe {name}: ")
        }
        assert claimed == described


def test_reading_recipes_and_selectors_loads_no_torch():
    code = (
        "import sys\n"
        "from helpers.gan.recipes import RECIPES\n"
        "from helpers.gan.selectors import SELECTORS\n"
        "for registry in (RECIPES, SELECTORS):\n"
        "    [registry.get(name) for name in registry.names()]\n"
        "assert 'torch' not in sys.modules and 'scipy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def with_hinge(tmp_path):
    """A third recipe, ``hinge``: one file in the folder of the others."""
    folder = tmp_path / "recipes"
    folder.mkdir()
    (folder / "hinge.py").write_text(NEW_RECIPE)
    recipes.__path__.append(str(folder))
    type(RECIPES).names.cache_clear()
    yield
    recipes.__path__.remove(str(folder))
    type(RECIPES).names.cache_clear()


def test_a_new_recipe_is_one_file(with_hinge, tmp_path):
    config = SMALL.model_copy(update={"recipe": "hinge", "steps": 2, "min_diversity": 0.0})
    history = train_gan(IMAGES, config, tmp_path / "gan", "cpu")
    assert np.isfinite(history.to_numpy()).all()
    assert load_generator(tmp_path / "gan", config, "cpu").resolution == 32
