"""Notebook 02: the generative network and its training."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import NullLocator

from helpers.gan.recipes import RECIPES
from helpers.params import Gan
from helpers.report.drawing import INK, draw_curve, set_paddings
from helpers.report.paper_values import Paper
from helpers.report.style import SPLITS, styled
from helpers.report.table import Table
from helpers.report.words import plain


def architecture_table(gan: Gan, paper: Paper) -> Table:
    """Trainable parameters of the networks by part, counted on the networks.

    Of this run, and of the paper's size: the paper's own networks, or, where the recipe has no critic, the
    recipe's. Those have no published counts.
    """
    from helpers.gan.weights import empty_networks

    critic = RECIPES.get(gan.recipe).has_critic
    published = paper["parameters"].set_index("network")["parameters"] if critic else {}
    full_size = Gan() if critic else Gan(recipe=gan.recipe)
    rows = []
    for name, network, published_network in zip(
        ("generator", "discriminator"), empty_networks(gan), empty_networks(full_size), strict=True
    ):
        if network is None:
            continue
        ours, full = _counts(network), _counts(published_network)
        rows += [
            {"network": name, "part": part, "this_run": ours.get(part), "full_size": full.get(part)}
            for part in dict.fromkeys([*full, *ours])
        ]
        rows.append(
            {
                "network": name,
                "part": "total",
                "this_run": sum(ours.values()),
                "full_size": sum(full.values()),
                **({"paper": published.get(name)} if critic else {}),
            }
        )
    frame = pd.DataFrame(rows)
    columns = [column for column in ("this_run", "full_size", "paper") if column in frame]
    frame[columns] = frame[columns].astype("Int64")
    return Table(
        frame, {}, {"this_run": "this run", "full_size": "at the paper's size", "paper": "published"}
    )


def _counts(network: Any) -> dict[str, int]:
    """Trainable parameters by first name of the part."""
    counts: dict[str, int] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            part = name.removeprefix("network.").split(".")[0]
            counts[part] = counts.get(part, 0) + parameter.numel()
    return counts


def recipe_note(gan: Gan) -> str | None:
    """What this run trains in place of the paper's two networks; None where it trains a critic too."""
    if RECIPES.get(gan.recipe).has_critic:
        return None
    own = gan.diffusion
    predicted = "the noise" if own.prediction == "epsilon" else "a mix of noise and image (v)"
    return (
        "**This run trains another network.** What is said of a critic and of scores is about the paper, and "
        "where a GAN of this run is named, this network is meant. Here `gan.recipe` is `diffusion` (Ho et "
        f"al. 2020): real images are blended with noise, more of it at each of {own.steps:,} levels, and one "
        f"network learns to tell {predicted} from what it sees. Its loss is the mean squared error of that, "
        "weighed by level, and a falling loss is a better network. "
        "There is no critic, so nothing can run away between two networks, "
        "and no score by which images could be filtered. An image is painted from pure noise in "
        f"{own.sampling_steps} passes of the network; a GAN needs one."
    )


def gan_sentence(history: pd.DataFrame, images: int, batch_size: int) -> str:
    """How long the network was trained and where it ended."""
    steps = int(history["step"].max())
    late = history.iloc[-max(1, len(history) // 10) :]
    took = f"The generator took {steps:,} steps of {batch_size} images, learning from {images:,} training "
    took += "images. Over the last tenth of the training the "
    if not has_scores(history):
        return (
            f"{took}mean loss is {plain(late['loss'].mean())}; it began at {plain(history['loss'].iloc[0])}."
        )
    separated = late["score_real"].mean() > late["score_fake"].mean()
    order = "above" if separated else "not above"
    return (
        f"{took}critic scores real images {order} generated ones on average "
        f"({plain(late['score_real'].mean())} against {plain(late['score_fake'].mean())}), "
        f"and the mean gradient penalty is {plain(late['gradient_penalty'].mean())}."
    )


def has_scores(history: pd.DataFrame) -> bool:
    """Whether a history is of a training with a critic, which gives scores."""
    return "score_real" in history


class _Panel(NamedTuple):
    """A panel of Figure 3: curves of history.csv by column, and what was read off the paper's figure."""

    title: str
    curves: Mapping[str, tuple[str, str | None]]  # colour, label
    linear: float  # below it the common scale with the paper is linear, above it logarithmic
    bands: tuple[tuple[str, str], ...]  # quantity of paper.yaml, colour
    levels: tuple[tuple[str, str], ...] = ()  # quantity and colour of ends (scores) or peaks (penalty)


REAL, FAKE = SPLITS["train"], "#D55E00"
PANELS = (
    _Panel("Generator loss", {"generator_loss": (INK, None)}, 10, (("generator_loss", INK),)),
    _Panel("Critic loss", {"critic_loss": (INK, None)}, 10, (("critic_loss_range", INK),)),
    _Panel(
        "Mean critic score",
        {"score_real": (REAL, "real"), "score_fake": (FAKE, "generated")},
        10,
        (("score_real_range", REAL), ("score_fake_range", FAKE)),
        (("score_real", REAL), ("score_fake", FAKE)),
    ),
    _Panel(
        "Gradient penalty",
        {"gradient_penalty": (INK, None)},
        0.01,
        (("gradient_penalty", INK),),
        (("gradient_penalty_peak", INK),),
    ),
)
WITHOUT_CRITIC = (
    _Panel("Loss", {"loss": (INK, None)}, 1, ()),
    _Panel("Norm of the gradient", {"gradient_norm": (INK, None)}, 1, ()),
)


def training_caption(paper: Paper, history: pd.DataFrame) -> str:
    """What ``gan_training`` shows and what to look for."""
    shown = "Training of the generative network: logged values faint, their running median strong."
    if not has_scores(history):
        return (
            f"{shown} The loss should fall, fast at first and then slowly, and the gradient should stay "
            "bounded. Nothing of the paper's can stand beside these curves."
        )
    return (
        f"{shown} Real images score higher; the gap shrinks as the generator learns. A gap that grows again "
        f"is a warning. The gradient penalty should stay small.{paper_curves_note(paper, history)}"
    )


def training_alt(history: pd.DataFrame) -> str:
    """What ``gan_training`` shows, for those who do not see it."""
    if not has_scores(history):
        return "Two curves over training steps: loss, norm of the gradient."
    curves = "generator loss, critic loss, mean scores of real and generated images, gradient penalty"
    return f"Four curves over generator steps: {curves}."


@styled
def gan_training(history: pd.DataFrame, paper: Paper | None = None) -> Figure:
    """The paper's Figure 3: both losses, both mean scores and the gradient penalty over generator steps.

    Beside the ``paper`` the ranges read off its figure are bars and the ends of its scores diamonds, on one
    scale with this run: the x axis is then the share of the training, the y axis logarithmic away from zero.
    Without a critic the loss and its gradient's norm are shown, and nothing of the paper.
    """
    if not has_scores(history):
        return _denoiser_training(history)
    read = _readings(paper)
    places = 100 * history["step"] / history["step"].max() if read else history["step"]
    figure = Figure(figsize=(9, 4))
    if read:
        set_paddings(figure, wspace=0.05)
    grid = figure.subplots(2, 2, sharex=True).ravel()
    for axes, panel in zip(grid, PANELS, strict=True):
        for column, (colour, label) in panel.curves.items():
            _trace(axes, places, history[column], colour, label)
        low, high = _without_spikes(history[list(panel.curves)].to_numpy())
        axes.set_ylim(0 if panel.title == "Gradient penalty" else low, high)
        axes.set_title(panel.title)
        axes.margins(x=0.01)
        if read:
            _draw_readings(axes, panel, read)
    grid[2].legend(loc="lower left" if read else "best", ncols=2)
    for axes in grid[2:]:
        axes.set_xlabel("share of the training, %" if read else "generator step")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.xaxis.set_major_formatter("{x:,.0f}")
    if read:
        handles = [
            Line2D([], [], color=INK, label="this run"),
            Patch(color=INK, alpha=RANGE["alpha"], label="range of the paper's curve"),
            Line2D([], [], linestyle="", label="its end, or peak after epoch 100", **END),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def _denoiser_training(history: pd.DataFrame) -> Figure:
    """Loss and gradient over training steps, both from zero."""
    figure = Figure(figsize=(9, 2.8))
    for axes, panel in zip(figure.subplots(1, 2), WITHOUT_CRITIC, strict=True):
        for column, (colour, label) in panel.curves.items():
            _trace(axes, history["step"], history[column], colour, label)
        axes.set_ylim(0, _without_spikes(history[list(panel.curves)].to_numpy())[1])
        axes.set_title(panel.title)
        axes.margins(x=0.01)
        axes.set_xlabel("training step")
        axes.xaxis.set_major_formatter("{x:,.0f}")
    return figure


RANGE: dict[str, Any] = {"alpha": 0.4, "linewidth": 0, "clip_on": False}
END: dict[str, Any] = {"marker": "D", "markersize": 6, "markerfacecolor": "white", "color": INK}
Reading = tuple[float, float]


def _readings(paper: Paper | None) -> dict[str, Reading]:
    """What was read off the paper's figures, (low, high) by quantity; empty where it is no yardstick."""
    if paper is None or paper["figures"].empty:
        return {}
    read = paper["figures"][paper["figures"]["arm"].isna()].set_index("quantity")
    return {str(name): (float(row["low"]), float(row["high"])) for name, row in read.iterrows()}


def _draw_readings(axes: Axes, panel: _Panel, read: Mapping[str, Reading]) -> None:
    """The paper's ranges as bars right of the panel, and the scale that holds both."""
    low, high = axes.get_ylim()
    for number, (quantity, colour) in enumerate(panel.bands):
        ends = read[quantity]
        bar = Rectangle((102 + 2.5 * number, ends[0]), 1.6, ends[1] - ends[0], color=colour, **RANGE)
        axes.add_patch(bar)
        low, high = min(low, ends[0]), max(high, ends[1])
    for number, (quantity, colour) in enumerate(panel.levels):
        level = next(value for value in read[quantity] if np.isfinite(value))
        axes.plot(102.8 + 2.5 * number, level, clip_on=False, linestyle="", **END | {"color": colour})
        low, high = min(low, level), max(high, level)
    axes.set_xlim(-1, 100.5)
    axes.set_yscale("symlog", linthresh=panel.linear)
    penalty = panel.title == "Gradient penalty"
    axes.set_ylim(0 if penalty else 1.3 * min(low, -1), 1.3 * max(high, 0))
    axes.yaxis.set_major_formatter("{x:g}" if penalty else "{x:,.0f}")
    axes.yaxis.set_minor_locator(NullLocator())


def paper_curves_note(paper: Paper, history: pd.DataFrame) -> str:
    """What ``gan_training`` draws of the paper, for its caption; empty where it draws nothing of it."""
    read = _readings(paper)
    if not read:
        return ""
    stated = paper["gan_results"].set_index("quantity").loc["epochs", "high"]
    return (
        " A bar right of a panel is the range, lowest to highest value, of the paper's curve; it is no "
        "deviation. Bars and diamonds were read off the paper's Figure 3, whose axis ends at "
        f"{read['gan_epochs'][1]:g} epochs (its text: {stated:g}); this run ends at "
        f"{int(history['step'].max()):,} generator steps. The critic loss's bar begins at epoch "
        f"{read['settled_from'][0]:g}; before, that curve goes from {plain(read['critic_loss_early'][0])} to "
        f"{plain(read['critic_loss_early'][1])}. The penalty's bar is that of most epochs; early it reaches "
        f"{plain(read['gradient_penalty_early'][1])}."
    )


def paper_scores_sentence(paper: Paper) -> str | None:
    """Why the paper's two score curves and its critic loss cannot all be right; None without the paper."""
    read = _readings(paper)
    if not read:
        return None
    real, fake, loss = read["score_real"][1], read["score_fake"][0], read["critic_loss"][0]
    return (
        f"The paper's curves end with scores of about {plain(real)} for real and {plain(fake)} for generated "
        f"images, which would make a critic loss of {plain(fake - real)}; its own curve is at about "
        f"{plain(loss)}. They fit if the curve of the real images is drawn with its sign turned: then both "
        f"levels are near {plain(fake)} and about {plain(-loss)} apart, and what the paper calls a clear "
        "separation is the drift of a level that nothing holds."
    )


def _trace(axes: Axes, steps: pd.Series, values: pd.Series, colour: str, label: str | None) -> None:
    """A faint raw line under its running median."""
    window = max(1, len(values) // 25)
    if window > 1:
        draw_curve(axes, steps, values, color=colour, alpha=0.25, linewidth=0.7)
    median = values.rolling(window, center=True, min_periods=1).median()
    draw_curve(axes, steps, median, color=colour, label=label)


def _without_spikes(values: np.ndarray) -> tuple[float, float]:
    """Limits of an axis on which a few spikes, as at the first steps, do not flatten the rest."""
    low, high = (
        np.nanquantile(values[np.isfinite(values)], [0.005, 0.995])
        if np.isfinite(values).any()
        else (0.0, 1.0)
    )
    room = 0.06 * (high - low) or 0.5
    return low - room, high + room
