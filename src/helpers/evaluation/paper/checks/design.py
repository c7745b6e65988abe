"""What the paper's comparison can and cannot show, and what its curves say of the GAN (section 4 and 5.1)."""

from collections.abc import Iterator

from helpers.evaluation.paper.checks.finding import Finding, Paper


def findings(paper: Paper) -> Iterator[Finding]:
    yield from _comparison(paper)
    yield from _components()
    yield from _scale_of_scores(paper)
    yield from _critic(paper)


def _comparison(paper: Paper) -> Iterator[Finding]:
    counts = paper.tables["arms"].set_index("arm")["synthetic_images"]
    few, many = counts["filtered"], counts["all"]
    yield Finding(
        "Filtered and All differ only in quality",
        "4.6",
        "quality decides",
        "they differ in number too",
        few == many,
        f"{few:,} against {many:,} images; no arm of {few:,} random images, none of {few:,} repeated real "
        "melanomas",
    )
    yield Finding(
        "The comparison allows for the chance of training",
        "4.6",
        f"{len(counts)} models",
        "one training of each arm, no interval",
        False,
        "the difference between two trainings of one arm is not known from one of each",
    )


def _components() -> Iterator[Finding]:
    yield Finding(
        "The filter's judge is independent of the generator",
        "4.4",
        "quality scoring",
        "the critic that trained the generator also selects its images",
        False,
        "one network in both parts",
    )
    yield Finding(
        "The architecture is StyleGAN2",
        "4.2",
        "StyleGAN2 with AdaIN",
        "AdaIN is the first StyleGAN's layer",
        False,
        "StyleGAN2 replaced AdaIN by weight demodulation (Karras et al. 2020)",
    )


def _scale_of_scores(paper: Paper) -> Iterator[Finding]:
    results = paper.tables["gan_results"].set_index("quantity")
    low, high = results.loc["generator_loss", ["low", "high"]]
    penalty = results.loc["gradient_penalty", "high"]
    weight = paper.tables["hyperparameters"].set_index("parameter")["value"]["gan.gradient_penalty"]
    yield Finding(
        "Generator loss and critic loss tell of a stable scale of scores",
        "5.1",
        f"loss {low:g} to {high:g}, critic loss near zero, clear separation",
        "the scale drifted",
        False,
        f"the generator's loss is minus the mean score of its images, so that is {-high:g} to {-low:g}; "
        f"a critic loss near zero with a penalty of at most {weight:g} x {penalty:g} = {weight * penalty:g} "
        f"puts real images within about {weight * penalty:g} of it, little beside {low:g}",
    )


def _critic(paper: Paper) -> Iterator[Finding]:
    side = paper.tables["hyperparameters"].set_index("parameter")["value"]["gan.resolution"]
    yield Finding(
        "The critic's slope is bounded in one way",
        "4.2, 4.3",
        "spectral normalisation and a gradient penalty",
        "bounded twice",
        False,
        "both bound the slope: spectral normalisation limits what each layer that has it can add, and the "
        "penalty asks for a slope of 1",
    )
    yield Finding(
        "Resizing for the generative network keeps skin texture",
        "4.1",
        f"nearest neighbour to {side:g} x {side:g}",
        "texture is aliased",
        False,
        f"one pixel in {600 * 450 / side**2:.1f} of the data set's 600 x 450 is taken, the others are "
        "dropped unseen",
    )
