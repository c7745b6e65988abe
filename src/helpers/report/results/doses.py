"""What a synthetic image is worth in real ones: arms with more or fewer of either, in one figure.

The doses are arms like any other. An arm belongs here if it trains on all real images of the target or on a
share of them (``withhold``), and on no synthetic images or on ones that were not ranked (``select: random``
or ``all``): a ranking changes their kind and not only their number. The GAN behind the synthetic images of a
share was trained on that share only (``Params.gan_lack``).
"""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from helpers.evaluation import controls as own
from helpers.evaluation.roles import added_images
from helpers.evaluation.verdicts import Direction, verdict_of
from helpers.params import Arm, Params, SyntheticImages, Withhold
from helpers.report.drawing import draw_series
from helpers.report.results.scope import means_note
from helpers.report.style import styled
from helpers.report.table import Format, Table, of_row
from helpers.report.words import decimals, decimals_of, metric_name, percent, points_with_interval

METRICS = ("target_recall", "target_roc_auc")  # of which the figure has a panel each
UNRANKED = ("random", "all")


def doses(params: Params, splits: Sequence[pd.DataFrame], made: int) -> pd.DataFrame:
    """The arms that are doses, one row each: arm, share, real, synthetic; sorted, the largest share first.

    ``share`` is the part of the target's real training images that the arm keeps, ``real`` about how many
    they are (the mean over the parts of the split), ``synthetic`` how many images it adds, of ``made`` that
    there are. ``splits`` are helpers.data.manifest.load_split's tables, of all parts. Empty unless there are
    two shares or three numbers of synthetic images: fewer are no curve.
    """
    target = params.data.target_class
    trained = fmean(((split["dx"] == target) & (split["split"] == "train")).sum() for split in splits)
    rows = []
    for name, arm in params.arms.items():
        dose = _dose(name, arm, params, made)
        if dose is not None:
            share, synthetic = dose
            rows.append((name, share, round(share * trained), synthetic))
    table = pd.DataFrame(rows, columns=["arm", "share", "real", "synthetic"])
    table = table.drop_duplicates(["share", "synthetic"])  # the baseline repeated is no further dose
    if table["share"].nunique() < 2 and table["synthetic"].nunique() < 3:
        return table.iloc[:0]
    return table.sort_values(["share", "synthetic"], ascending=[False, True], ignore_index=True)


def _dose(name: str, arm: Arm, params: Params, made: int) -> tuple[float, int] | None:
    """The share of real images of the target and the number of synthetic ones; None for another recipe."""
    lack, added = arm.withhold, arm.synthetic
    if arm != Arm(withhold=lack, synthetic=added) or not (_of_target(lack, params) and _unranked(added)):
        return None
    kept = 1.0 if lack is None else 1.0 - lack.fraction
    if added is None:
        return kept, 0
    count = added_images(params, added, made)
    if count is None or params.synthetic_classes(name) != (params.data.target_class,):
        return None
    return kept, count


def _of_target(lack: Withhold | None, params: Params) -> bool:
    return lack is None or lack.class_ == params.data.target_class


def _unranked(added: SyntheticImages | None) -> bool:
    return added is None or (added.folder is None and added.select in UNRANKED)


@styled
def dose_figure(table: pd.DataFrame, arms: pd.DataFrame, target: str) -> Figure | None:
    """A panel per metric of METRICS: its mean and interval against the number of synthetic images.

    There is a line for each share of real images, named at its end; the arms of its points stand below each
    number. ``arms`` is evaluation/arms.csv. None where there are no doses.
    """
    if table.empty:
        return None
    counts = table.groupby("synthetic")["arm"].apply(list)
    places = [f"{count:,}\n" + "\n".join(of) for count, of in counts.items()]
    figure = Figure(figsize=(9, 3.8 + 0.15 * counts.map(len).max()))
    panels = figure.subplots(1, len(METRICS))
    for axes, metric in zip(panels, METRICS, strict=True):
        rows = table.merge(arms[arms["metric"] == metric], on="arm")
        names = {
            share: f"{100 * share:g} % real ({real:,})"
            for share, real in zip(rows["share"], rows["real"], strict=True)
        }
        percent_of = {part: 100 * rows[part] for part in ("mean", "low", "high")}
        series = rows.assign(x=rows["synthetic"], series=rows["share"].map(names), **percent_of)
        draw_series(axes, series, named=metric == METRICS[-1])
        axes.set_title(metric_name(metric, target), fontsize=9)
        axes.set_xticks(range(len(places)), places)
        axes.set_xlabel("synthetic images in training, and the arms")
    panels[0].set_ylabel("percent, not from zero")
    return figure


def dose_caption(arms: pd.DataFrame, target: str, confidence: float) -> str:
    """What ``dose_figure`` and ``dose_table`` show of ``arms``, the table of evaluation/."""
    ends = f" with {100 * confidence:.0f} % intervals" if arms["low"].notna().any() else ""
    return (
        f"Recall and ranking of {target} by the numbers of real and of synthetic images: means over "
        f"replicates{ends}. In the figure the numbers of images are evenly "
        f"spaced.{means_note(arms)}"
    )


def dose_table(table: pd.DataFrame, arms: pd.DataFrame, target: str, n: int) -> Table | None:
    """The doses with mean and interval of METRICS, in percent; ``n`` counts the test images of the target."""
    if table.empty:
        return None
    frame = table[["real", "share", "synthetic", "arm"]]
    for metric in METRICS:
        rows = arms[arms["metric"] == metric].set_index("arm")
        columns = {f"{metric}_{part}": frame["arm"].map(rows[part]) for part in ("mean", "low", "high")}
        frame = frame.assign(**columns)
    formats: dict[str, Format] = {"share": lambda share: f"{100 * share:g} %", "real": "{:,}".format}
    formats |= {"synthetic": "{:,}".format} | {f"{metric}_mean": _cell(metric, n) for metric in METRICS}
    headers = {"real": f"real {target}", "share": "of all real ones", "synthetic": f"synthetic {target}"}
    headers |= {f"{metric}_mean": f"{metric_name(metric, target)}, %" for metric in METRICS}
    hidden = tuple(f"{metric}_{end}" for metric in METRICS for end in ("low", "high"))
    return Table(frame, formats, headers, hidden=hidden)


def _cell(metric: str, n: int) -> Format:
    """'64.1 (58.0 to 70.2)', or the mean alone where there is no interval."""

    def text(row: pd.Series) -> str:
        mean, *ends = (
            percent(row[f"{metric}_{part}"], decimals_of(metric, n)) for part in ("mean", "low", "high")
        )
        return f"{mean} ({' to '.join(ends)})" if all(ends) else mean

    return of_row(text)


def worth_section(
    table: pd.DataFrame, controls: pd.DataFrame, target: str, n: int, confidence: float = 0.95
) -> str | None:
    """Heading and words: what synthetic images gave in place of withheld real ones, and what those are worth.

    ``table`` is ``doses``', ``controls`` evaluation/controls.csv, ``n`` as in ``dose_table``. A rate of
    exchange is told only where both the loss of the real images and the gain by the synthetic ones are
    shown. None without doses.
    """
    if table.empty:
        return None
    lost = {row["arm"]: row for row in own.rows_of(controls, own.WITHHELD)}
    parts = [
        f"### What a synthetic image is worth\n\nMore real {target} images or more synthetic ones: every "
        "point is an arm with so many of each. Where real images are left out, the GAN behind the synthetic "
        "ones did not learn from them. "
        f"Numbers are about recall, with {100 * confidence:.0f} % intervals where the trainings are enough; "
        "all of it is exploratory."
    ]
    for row in own.rows_of(controls, own.RESTORED):
        dose = table[table["arm"] == row["arm"]]
        if not dose.empty and row["reference"] in lost:
            real = int(table["real"].max())
            parts.append(_worth(row, lost[row["reference"]], dose.iloc[0], real, target, decimals(n)))
    return "\n\n".join(parts)


def _worth(
    gained: Mapping[str, Any], lost: Mapping[str, Any], dose: pd.Series, real: int, target: str, places: int
) -> str:
    """One restored arm beside what the real images, which it lacks, gave."""
    lacking = real - dose["real"]
    gain = points_with_interval(gained["difference"], gained["low"], gained["high"], places)
    loss = points_with_interval(lost["difference"], lost["low"], lost["high"], places)
    told = (
        f"Without {lacking:,} of {real:,} real images of {target}, recall changed by {loss} points; "
        f"{dose['synthetic']:,} synthetic ones in their place changed it by {gain}."
    )
    shown = verdict_of(gained).direction == Direction.HIGHER and verdict_of(lost).direction == Direction.LOWER
    if not shown:
        return f"{told} What a synthetic image is worth in real ones cannot be told from that."
    rate = (gained["difference"] / dose["synthetic"]) / (-lost["difference"] / lacking)
    return (
        f"{told} A synthetic image was then worth about {rate:.2f} of a real one, a ratio of two estimates."
    )
