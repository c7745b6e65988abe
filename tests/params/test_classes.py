"""Parameters of synthetic images of several classes: what they mean, and which sentences refuse them."""

import pytest

from helpers.errors import ParameterError
from helpers.params import arm_meaning, load_params

BOTH = ["gan.classes=[target, df]", "gan.conditional=true"]


def arm(text: str) -> list[str]:
    return [*BOTH, f"arms.x={{synthetic: {{{text}}}}}"]


def test_the_default_is_the_target_class_by_its_name():
    params = load_params("quick", ["data.target_class=bkl"])
    assert params.gan.classes == ("target",) and params.gan_classes == ("bkl",) and not params.gan.label_count
    params = load_params("quick", arm("select: top, counts: {target: 3, df: 2}"))
    assert params.gan_classes == ("mel", "df") and params.gan.label_count == 2
    assert params.arms["x"].synthetic.counts == {"mel": 3, "df": 2}
    assert params.synthetic_classes("x") == params.synthetic_classes("all") == ("mel", "df")
    assert params.synthetic_classes("baseline") == ()


def test_several_classes_have_one_conditional_gan_or_one_each():
    params = load_params("quick", BOTH[:1])
    assert params.separate_classes == ("mel", "df") and not params.gan.label_count
    assert load_params("quick", BOTH).separate_classes == load_params("quick").separate_classes == ()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (["gan.classes=[target, a/b]"], "the GAN of the class 'a/b' would lie in a folder of that name"),
        (BOTH[1:], "gan.classes names target alone: name at least two"),
        (["gan.classes=[target, mel]", BOTH[1]], "gan.classes names a class twice"),
        (arm("select: top, count: 3, counts: {df: 2}"), "give 'count' or 'counts', not both"),
        (arm("select: top, share: 0.5, fraction: 0.2"), "give 'fraction' or 'share', not both"),
        (arm("select: random, share: 1"), "arms.x.synthetic.share must be less than 1"),
        (arm("select: random, share: 0"), "arms.x.synthetic.share must be more than 0"),
        (arm("select: random"), "needs 'count', 'counts', 'fraction' or 'share'"),
        (arm("select: all, share: 0.5"), "takes every image; drop 'share'"),
        (arm("folder: here, share: 0.5"), "'share' goes with the GAN's images"),
        (arm("select: top, counts: {dff: 2}"), r"'dff' (did you mean 'df'?), and gan.classes names mel, df"),
        (arm("select: top, counts: {df: 999}"), "asks for 999 synthetic images, and synthesis.count"),
        (arm("select: top, counts: {df: 0}"), "counts.df must be"),
        (arm("select: top, counts: {}"), "counts must hold at least 1"),
    ],
)
def test_mistakes_are_sentences(changes, sentence):
    with pytest.raises(ParameterError) as caught:
        load_params("quick", changes)
    assert sentence in str(caught.value)


def test_an_arm_that_withholds_any_class_of_the_gan_gets_a_gan_of_its_own():
    lack = "arms.x={withhold: {class: df}, synthetic: {select: all}}"
    assert list(load_params("quick", [*BOTH, lack]).gans()) == [0, "0-x"]
    assert list(load_params("quick", [lack]).gans()) == [0]


def test_what_an_arm_adds_is_said():
    for text, meaning in (
        ("select: top, counts: {mel: 3, df: 2}", "the 3 (mel) and 2 (df) best synthetic images"),
        (
            "select: random, share: 0.3",
            "randomly chosen synthetic images, 30 % of the training images of each",
        ),
    ):
        assert meaning in arm_meaning(load_params("quick", arm(text)).arms["x"])
