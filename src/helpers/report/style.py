"""One look for every figure: the style file and an arm's colour."""

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ParamSpec, TypeVar

import matplotlib
import matplotlib.style

STYLE = Path(__file__).with_name("report.mplstyle")
SMALLEST = 8.3  # points, of any word in a figure: 11 px where its 9 inches are the page's 864 px

# Okabe and Ito's colours, told apart by every common kind of colour vision; the paper's own arms keep its
# hues
BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, GREY, INDIGO, WINE, OLIVE, BROWN, BLACK, PETROL, COPPER = (
    "#0072B2",
    "#009E73",
    "#E69F00",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#7F7F7F",
    "#332288",
    "#882255",
    "#6B7A00",
    "#661100",
    "#111111",
    "#0F6B78",
    "#A0662B",
)
KNOWN_ARMS = {
    "baseline": BLUE,
    "filtered": GREEN,
    "all": ORANGE,
    "random": PURPLE,
    "oversampled": SKY,
    "oversampled_more": OLIVE,
    "blurred": PETROL,
    "blurred_more": COPPER,
    "weighted": VERMILION,
    "again": GREY,
    "withheld": INDIGO,
    "restored": WINE,
    "theirs": BROWN,
}
SPARE = (OLIVE, BROWN, WINE, INDIGO, VERMILION, SKY, PURPLE, GREY, ORANGE, GREEN, BLUE, BLACK)
SPLITS = {"train": "#4C6A85", "validation": "#9DB4C8", "test": "#D9A441"}

Arguments = ParamSpec("Arguments")
Drawn = TypeVar("Drawn")


def styled(function: Callable[Arguments, Drawn]) -> Callable[Arguments, Drawn]:
    """Draw with the report's style, whatever the caller's matplotlib settings are."""

    @functools.wraps(function)
    def drawn(*arguments: Arguments.args, **options: Arguments.kwargs) -> Drawn:
        with matplotlib.style.context(["default", STYLE]):
            return function(*arguments, **options)

    return drawn


def arm_colours(arms: Iterable[str]) -> dict[str, str]:
    """A colour per arm: the same for a known arm in every figure of every run, a spare one for any other."""
    arms = list(dict.fromkeys(arms))
    taken = {KNOWN_ARMS[arm] for arm in arms if arm in KNOWN_ARMS}
    spare = [colour for colour in SPARE if colour not in taken] or list(SPARE)
    strangers = [arm for arm in arms if arm not in KNOWN_ARMS]
    return {arm: KNOWN_ARMS.get(arm) or spare[strangers.index(arm) % len(spare)] for arm in arms}
