"""How near the synthetic images are to the real ones as sets, and what the filter does to that."""

from collections.abc import Callable
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from helpers.evaluation.verdicts import verdict
from helpers.gan.fidelity import MEASURES
from helpers.gan.variety import DIFFERENT
from helpers.report.drawing import DASHED, FAINT, INK, SYNTHETIC, draw_curve
from helpers.report.measures import MEASURE_NAMES, measure_name
from helpers.report.style import styled
from helpers.report.synthesis.scored import best
from helpers.report.table import Format, Table, of_row
from helpers.report.words import (
    FEATURE_NAMES,
    capitalised,
    improvement,
    listed,
    significant,
    with_interval,
)

BAND: dict[str, Any] = {"alpha": 0.2, "linewidth": 0}  # the middle 95 % of the draws
SET_NAMES = {
    "kept": "kept by the filter",
    "dropped": "left out",
    "random": "drawn at random",
    "real": "real, held out",
}


def fidelity_caption(fidelity: pd.DataFrame) -> str:
    """What ``fidelity_table`` holds, of how many images on either side."""
    sizes = fidelity.loc[fidelity["measure"] != DIFFERENT, "images"]
    least, most = int(sizes.min()), int(sizes.max())
    images = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    return (
        f"Sets of {images} images against as many training images: mean over the draws, and the middle 95 % "
        "of them. The last column is the floor: real images that were held out. Precision and density ask "
        "whether images look real, recall and coverage whether they are as various."
    )


def fidelity_table(fidelity: pd.DataFrame) -> Table:
    """synthetic/seed-<g>/fidelity.csv with a row per measure and a column per set: mean over the draws, and
    the middle 95 % of them.
    """
    frame = _measure_column(fidelity)
    formats, hidden = {}, []
    for name in (name for name in SET_NAMES if name in set(fidelity["set"])):
        rows = fidelity[fidelity["set"] == name].set_index("measure").reindex(frame["measure"])
        frame[name], frame[f"{name}_low"], frame[f"{name}_high"] = (
            rows[column].to_numpy() for column in ("value", "low", "high")
        )
        formats[name] = _with_interval_of(name)
        hidden += [f"{name}_low", f"{name}_high"]
    formats["measure"] = _measure_label(fidelity)
    return Table(frame, formats, SET_NAMES, tuple(hidden))


def _measure_label(fidelity: pd.DataFrame) -> Callable[[str], str]:
    """A format of measures: their names, and the size of the sample in which different images are counted."""
    features, sizes = fidelity["features"].iloc[0], fidelity.groupby("measure")["images"].first()
    return lambda measure: (
        measure_name(measure, features) + (f" of {sizes[measure]:.0f}" if measure == DIFFERENT else "")
    )


def _with_interval_of(name: str, signed: bool = False) -> Format:
    """A format of the column ``name`` and, in brackets, of the ends of its interval."""
    return of_row(
        lambda row: with_interval(row[name], row[f"{name}_low"], row[f"{name}_high"], signed=signed)
    )


def fidelity_sentence(fidelity: pd.DataFrame) -> str:
    """What was compared with what, and how the synthetic images stand to the floor."""
    first = fidelity.iloc[0]
    features, n = first["features"], int(first["images"])
    text = (
        f"Each set is compared with the training images in {FEATURE_NAMES[features]} features, {n:,} "
        f"images on either side, drawn {int(first['draws']):,} times. "
        "The Fréchet distance of so few images is biased upwards: it says something only beside others "
        f"of the same size{'' if features == 'inception' else ', and is no FID'}."
    )
    distance = fidelity[fidelity["measure"] == "kernel_distance"].set_index("set")
    if not {"real", "random"} <= set(distance.index):
        return text
    floor, fake = distance.loc["real"], distance.loc["random"]
    place = "above" if fake["low"] > floor["high"] else "not clearly above"
    name = measure_name("kernel_distance", features)
    return (
        f"{text} The floor is what held-out real images reach, here images {first['held_out']}: a "
        f"{name} of {significant(floor['low'])} to {significant(floor['high'])} "
        f"in 95 % of the draws. The synthetic images lie {place} it, at {significant(fake['value'])} "
        f"({significant(fake['low'])} to {significant(fake['high'])})."
    )


def filter_effect_table(fidelity: pd.DataFrame) -> Table:
    """The same as differences to as many images drawn at random, and whether the interval excludes zero."""
    frame = _measure_column(fidelity)
    rows = {
        name: fidelity[fidelity["set"] == name].set_index("measure").reindex(frame["measure"])
        for name in ("kept", "dropped")
    }
    formats, hidden = {"measure": _measure_label(fidelity)}, []
    for name, part in rows.items():
        low, high = f"{name}_low", f"{name}_high"
        frame[name], frame[low], frame[high] = (
            part[column].to_numpy() for column in ("difference", "difference_low", "difference_high")
        )
        formats[name] = _with_interval_of(name, signed=True)
        hidden += [low, high]
    frame["filtering"] = [
        filter_outcome(*row)
        for row in zip(frame["measure"], frame["kept_low"], frame["kept_high"], strict=True)
    ]
    return Table(
        frame, formats, {"kept": "kept minus random", "dropped": "left out minus random"}, tuple(hidden)
    )


def filter_outcome(measure: str, low: float, high: float) -> str:
    """What the interval of the difference to random images says of filtering, by which way is better."""
    return improvement(
        verdict(low, high).direction, higher_is_better=MEASURE_NAMES[measure].better == "higher"
    )


def _measure_column(fidelity: pd.DataFrame) -> pd.DataFrame:
    measures = [measure for measure in MEASURE_NAMES if measure in set(fidelity["measure"])]
    return pd.DataFrame(
        {"measure": measures, "better": [MEASURE_NAMES[measure].better for measure in measures]}
    )


def filter_effect_sentence(
    fidelity: pd.DataFrame, sweep: pd.DataFrame, keep_fraction: float, scores: pd.DataFrame
) -> str:
    """One sentence: what keeping the best does to each measure, and what a stricter filter would do.

    'improves' and 'worsens' stand only where the interval of the difference to random images excludes zero.
    """
    kept = fidelity[fidelity["set"] == "kept"]
    if kept.empty or kept["difference_low"].isna().any():
        return "Too few images were kept to compare them with as many at random."
    outcomes: dict[str, list[str]] = {"improves": [], "worsens": [], "no difference shown": []}
    for row in kept.itertuples():
        name = measure_name(row.measure, row.features)
        ends = f" (a change of {significant(row.difference_low, 2)} to {significant(row.difference_high, 2)})"
        outcome = filter_outcome(row.measure, row.difference_low, row.difference_high)
        outcomes[outcome].append(name + ("" if outcome == "no difference shown" else ends))
    said = [f"{verb} {listed(outcomes[verb])}" for verb in ("improves", "worsens") if outcomes[verb]]
    if outcomes["no difference shown"]:
        said.append(f"shows no difference in {listed(outcomes['no difference shown'])}")
    against = (
        f"Against as many images drawn at random ({int(kept['images'].iloc[0]):,} in each set), keeping "
        f"{best(scores, f'{100 * keep_fraction:.0f} %')}"
    )
    return f"{against} {listed(said)}; {_sweep_clause(sweep)}."


def _sweep_clause(sweep: pd.DataFrame) -> str:
    steps = sweep[
        (sweep["set"] == "kept") & (sweep["measure"] == "kernel_distance") & sweep["difference_low"].notna()
    ]
    if steps.empty:
        return "a sweep of the share that is kept needs more images"
    outcomes = [
        filter_outcome("kernel_distance", row.difference_low, row.difference_high)
        for row in steps.itertuples()
    ]
    name = measure_name("kernel_distance", steps["features"].iloc[0])
    low, high = (f"{100 * fraction:.0f} %" for fraction in (steps["fraction"].min(), steps["fraction"].max()))
    better, worse = outcomes.count("improves"), outcomes.count("worsens")
    if not better and not worse:
        return f"no share from {low} to {high} changes the {name} by more than chance"
    told = [
        f"{count} {verb}{'s' if count == 1 else ''} it"
        for count, verb in ((better, "improve"), (worse, "worsen"))
        if count
    ]
    return (
        f"of the {len(steps)} shares from {low} to {high}, judged by the {name}, {listed(told)} by more "
        "than chance"
    )


@styled
def filter_sweep(sweep: pd.DataFrame, keep_fraction: float) -> Figure:
    """Each measure over the share of images that the filter keeps, beside what held-out real images reach.

    ``sweep`` is synthetic/seed-<g>/filter-sweep.csv: lines are means over the draws, bands their middle 95 %.
    """
    kept, real = sweep[sweep["set"] == "kept"], sweep[sweep["set"] == "real"]
    figure = Figure(figsize=(9, 4.8))
    panels = figure.subplots(2, 3, sharex=True)
    for axes, measure in zip(panels.T.flat, MEASURES, strict=True):
        better = MEASURE_NAMES[measure].better
        steps, floor = (
            kept[kept["measure"] == measure].sort_values("fraction"),
            real[real["measure"] == measure],
        )
        places = 100 * steps["fraction"]
        axes.fill_between(places, steps["low"], steps["high"], color=SYNTHETIC, **BAND)
        draw_curve(axes, places, steps["value"], color=SYNTHETIC, marker="o", markersize=4)
        for row in floor.itertuples():
            axes.axhspan(row.low, row.high, color=FAINT, **BAND)
            axes.axhline(row.value, color=INK, linewidth=1, linestyle=DASHED)
        axes.axvline(100 * keep_fraction, color=INK, linewidth=0.8, linestyle=":")
        if better == "higher":
            axes.set_ylim(bottom=0)
        axes.set_title(
            f"{capitalised(measure_name(measure, sweep['features'].iloc[0]))} ({better} is better)",
            fontsize=9,
        )
    for axes in panels[-1]:
        axes.set_xlabel("share of images kept, %")
        axes.set_xticks(range(20, 101, 20))
    _sweep_legend(figure)
    return figure


def _sweep_legend(figure: Figure) -> None:
    """Keys of the lines of ``filter_sweep``, and of both kinds of band in one entry."""
    keys: dict[str, Any] = {
        "best synthetic images": Line2D([], [], color=SYNTHETIC, marker="o", markersize=4),
        "held-out real images": Line2D([], [], color=INK, linewidth=1, linestyle=DASHED),
        "middle 95 % of the draws of each": (Patch(color=SYNTHETIC, **BAND), Patch(color=FAINT, **BAND)),
        "this run's filter": Line2D([], [], color=INK, linewidth=0.8, linestyle=":"),
    }
    side_by_side = {tuple: HandlerTuple(ndivide=None)}
    place: dict[str, Any] = {"loc": "outside lower center", "ncols": 4}
    figure.legend(list(keys.values()), list(keys), handler_map=side_by_side, **place)
