"""Which synthetic images to keep: selectors side by side, by what the classifier gains and by fidelity."""

import pandas as pd
from matplotlib.figure import Figure

from helpers.data.by_class import rows_of_class
from helpers.evaluation.roles import added_images, adding
from helpers.gan.selectors import SELECTORS
from helpers.params import Params
from helpers.report.drawing import BAND, draw_series
from helpers.report.measures import MEASURE_NAMES, measure_name
from helpers.report.style import styled
from helpers.report.table import Format, Table, points_with_ends
from helpers.report.words import (
    FEATURE_NAMES,
    capitalised,
    counted,
    decimals_of,
    listed,
    metric_name,
    significant,
)

GAINS = ("target_recall", "target_roc_auc")
NEARNESS = ("kernel_distance", "coverage")
RANDOM, REAL = "random", "real"


def shown_class(params: Params) -> str:
    """The class whose kept images are shown: the target, or the first that has synthetic images."""
    target, names = params.data.target_class, params.gan_classes
    return target if target in names else names[0]


def kept_numbers(params: Params, made: int) -> pd.DataFrame:
    """The arms that keep a number of the synthetic images of ``shown_class``: arm, selector, kept.

    ``made``: how many there are of it. Empty where fewer than two selectors rank. An arm of all images is
    where every selector's curve ends; it counts with those at random.
    """
    rows = []
    for name, added in adding(params).items():
        count = added_images(params, added, made, shown_class(params))
        if count and added.select in ("top", "random", "all"):
            rows.append((name, added.rank if added.select == "top" else RANDOM, count))
    table = pd.DataFrame(rows, columns=["arm", "selector", "kept"])
    return table if table.loc[table["selector"] != RANDOM, "selector"].nunique() >= 2 else table.iloc[:0]


def fidelity_of_kept(selectors: pd.DataFrame, params: Params) -> pd.DataFrame:
    """The rows of evaluation/selectors.csv that are of ``shown_class``."""
    return rows_of_class(selectors, shown_class(params))


def selection_section(kept: pd.DataFrame, fidelity: pd.DataFrame, params: Params) -> str | None:
    """Heading and words of the section; None where fewer than two selectors are compared."""
    if kept.empty:
        return None
    names = [SELECTORS.get(name).meaning for name in dict.fromkeys(kept["selector"]) if name != RANDOM]
    judge = fidelity["features"].iloc[0] if len(fidelity) else None
    how = (
        f" How near the kept images are to the real ones is judged in features of {FEATURE_NAMES[judge]}, "
        "by which no selector has chosen."
        if judge
        else " How near the kept images are to the real ones was not measured: every network at hand has "
        "chosen some of them."
    )
    reference, name = params.evaluation.reference, shown_class(params)
    others = (
        f" Numbers kept and their nearness are those of the class {name}. The arms add images of other "
        "classes too, which also move what is gained."
        if len(params.gan_classes) > 1
        else ""
    )
    return (
        f"### Which images to keep\n\nThe arms keep the best images by {listed(names)}. Every line is a "
        f"selector: the number that is kept against what the classifier gains over *{reference}*. No number "
        "is best for all data; where the intervals of two lines overlap, neither is shown to be better."
        f"{how}{others} All of it is exploratory."
    )


@styled
def selection_figure(
    kept: pd.DataFrame, comparisons: pd.DataFrame, fidelity: pd.DataFrame, target: str
) -> Figure | None:
    """Gains in GAINS against the number of images kept, and the fidelity of what is kept; a line a selector.

    ``comparisons`` is evaluation/comparisons.csv, ``fidelity`` ``fidelity_of_kept``'s: means over the GANs,
    with the mean ends of their intervals.
    """
    if kept.empty:
        return None
    nearness = _nearness_titles(fidelity)
    panels = [(metric_name(metric, target), _gains(kept, comparisons, metric)) for metric in GAINS]
    panels += [(title, _fidelity(kept, fidelity, measure)) for measure, title in nearness.items()]
    figure = Figure(figsize=(9, 3.6 * (len(panels) // 2)))
    for number, (title, rows) in enumerate(panels):
        axes = figure.add_subplot(len(panels) // 2, 2, number + 1)
        if title not in nearness.values():
            axes.axhline(0, color=BAND, linewidth=3, zorder=0)
            axes.set_ylabel("points against the reference" if number == 0 else "")
        draw_series(axes, rows, named=number % 2 == 1)
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("synthetic images kept")
    return figure


def _nearness_titles(fidelity: pd.DataFrame) -> dict[str, str]:
    """The titles of the panels of NEARNESS, with which way is better; none where it was not measured."""
    if fidelity.empty:
        return {}
    names = {measure: measure_name(measure, fidelity["features"].iloc[0]) for measure in NEARNESS}
    return {
        measure: f"{capitalised(name)}, {MEASURE_NAMES[measure].better} is better"
        for measure, name in names.items()
    }


def _gains(kept: pd.DataFrame, comparisons: pd.DataFrame, metric: str) -> pd.DataFrame:
    rows = kept.merge(comparisons[comparisons["metric"] == metric], on="arm")
    points = {part: 100 * rows[part] for part in ("difference", "low", "high")}
    return rows.assign(x=rows["kept"], series=rows["selector"], **points).assign(mean=points["difference"])


def _fidelity(kept: pd.DataFrame, fidelity: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Means over the GANs, series in the order of ``kept``; draws at random are the same at every number."""
    rows = fidelity[(fidelity["measure"] == measure) & (fidelity["selector"] != REAL)]
    means = rows.groupby(["selector", "kept"])[["value", "low", "high"]].mean().reset_index()
    anyhow, chosen = means[means["selector"] == RANDOM], means[means["selector"] != RANDOM]
    anyhow = anyhow.drop(columns="kept").merge(
        pd.DataFrame({"kept": sorted(set(chosen["kept"]))}), how="cross"
    )
    order = list(dict.fromkeys([*kept["selector"], RANDOM]))
    table = pd.concat([chosen, anyhow]).sort_values("selector", key=lambda names: names.map(order.index))
    return table.rename(columns={"selector": "series", "kept": "x", "value": "mean"})


def selection_table(
    kept: pd.DataFrame, comparisons: pd.DataFrame, fidelity: pd.DataFrame, target: str, n: int
) -> Table | None:
    """The figure in numbers: a row for each arm, gains in points and fidelity as the mean over the GANs.

    ``n`` counts the test images of the target.
    """
    if kept.empty:
        return None
    frame = kept.sort_values(["kept", "selector"], ignore_index=True)
    formats: dict[str, Format] = {"kept": "{:,}".format}
    headers, hidden = {}, []
    for metric in GAINS:
        rows = comparisons[comparisons["metric"] == metric].set_index("arm")
        for part in ("difference", "low", "high"):
            frame = frame.assign(**{f"{metric}_{part}": frame["arm"].map(rows[part])})
        formats[f"{metric}_difference"] = points_with_ends(metric, decimals_of(metric, n))
        headers[f"{metric}_difference"] = f"{metric_name(metric, target)}, points"
        hidden += [f"{metric}_low", f"{metric}_high"]
    for measure in NEARNESS if len(fidelity) else ():
        means = _fidelity(kept, fidelity, measure).set_index(["series", "x"])["mean"]
        pairs = zip(frame["selector"], frame["kept"], strict=True)
        frame = frame.assign(**{measure: [means.get(pair) for pair in pairs]})
        formats[measure] = significant
        headers[measure] = measure_name(measure, fidelity["features"].iloc[0])
    return Table(frame, formats, headers, hidden=tuple(hidden))


def selection_caption(fidelity: pd.DataFrame) -> str:
    """What the intervals of ``selection_figure`` are."""
    if fidelity.empty:
        return "What the classifier gains by each selector, with intervals where there are enough trainings."
    gans, draws = fidelity["gan"].nunique(), int(fidelity["draws"].iloc[0])
    size = int(fidelity["images"].iloc[0])
    return (
        "What the classifier gains by each selector, with intervals where there are enough trainings, and "
        f"how near the kept images are to the real ones: means over {counted(gans, 'GAN')} and the middle "
        f"95 % of {draws} draws of {size} images."
    )
