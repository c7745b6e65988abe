"""The answer in groups of patients: by age, sex and site of the lesion."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from helpers.evaluation.roles import roles
from helpers.evaluation.subgroups import FEWEST
from helpers.evaluation.verdicts import verdict
from helpers.params import Params
from helpers.report.drawing import FAINT, centre_on_zero, draw_interval, name_rows
from helpers.report.names import shortened, title_room, wrapped
from helpers.report.style import arm_colours, styled
from helpers.report.table import Table
from helpers.report.words import (
    MINUS,
    counted,
    listed,
    metric_name,
    metric_words,
    no_interval,
    percent_interval_of_images,
    percent_of_images,
    points_interval_of_images,
    points_of_images,
)

RECALL = "target_recall"
MOST_ARMS = 3  # that one figure and one table compare


def arms_to_show(subgroups: pd.DataFrame, params: Params) -> list[str]:
    """The arms that are compared in groups: the paper's, and then others as they stand in the parameters."""
    part, changed = roles(params), subgroups.loc[subgroups["difference"].notna(), "arm"]
    there = list(dict.fromkeys(changed))
    first = [part[role] for role in ("filtered", "all") if role in part]
    return [*(arm for arm in first if arm in there), *(arm for arm in there if arm not in first)][:MOST_ARMS]


@styled
def subgroup_figure(subgroups: pd.DataFrame, arms: Sequence[str], target: str) -> Figure | None:
    """The arms' differences from the reference in each group, a panel for each metric, in points.

    ``subgroups`` is evaluation/subgroups.csv; groups with too few images of the target are left out, and
    there is no figure without others.
    """
    rows = subgroups[subgroups["difference"].notna() & subgroups["arm"].isin(arms)]
    if rows.empty:
        return None
    groups = list(dict.fromkeys(zip(rows["kind"], rows["group"], rows["target_images"], strict=True)))
    metrics = list(dict.fromkeys(rows["metric"]))
    titles = {metric: wrapped(metric_name(metric, target), 26) for metric in metrics}
    colours, step = arm_colours(arms), 0.7 / len(arms)
    height = 1.2 + title_room(titles.values()) + (0.22 + 0.16 * len(arms)) * len(groups)
    figure = Figure(figsize=(9, height))
    panels = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for axes, metric in zip(panels, metrics, strict=True):
        axes.axvline(0, color=FAINT, linewidth=1)
        for row in rows[rows["metric"] == metric].to_dict("records"):
            middle = groups.index((row["kind"], row["group"], row["target_images"]))
            place = middle + step * (arms.index(row["arm"]) - (len(arms) - 1) / 2)
            ends = (100 * row["difference_low"], 100 * row["difference_high"])
            draw_interval(axes, place, 100 * row["difference"], ends, colours[row["arm"]])
        axes.set_title(titles[metric], fontsize=9)
        axes.set_xlabel("points above the reference")
        axes.grid(False, axis="y")
        centre_on_zero(axes, least=5)
    name_rows(panels[0], [f"{shortened(name, 24)} (n = {count:,})" for _, name, count in groups])
    handles = [Line2D([], [], marker="s", linewidth=2, color=colours[arm], label=arm) for arm in arms]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(arms))
    return figure


def subgroup_caption(arms: Sequence[str], reference: str, target: str, confidence: float) -> str:
    """What ``subgroup_figure`` shows, and in which order."""
    order = f"; in each group, from above: {listed(list(arms))}" if len(arms) > 1 else ""
    return (
        f"Differences from {reference} by group (n = test images of {target}), with "
        f"{100 * confidence:.0f} % intervals where there are enough trainings{order}."
    )


def subgroup_table(subgroups: pd.DataFrame, arms: Sequence[str], reference: str, target: str) -> Table | None:
    """One row a group: its images, the reference's mean recall and each arm's difference, with intervals.

    Groups with too few images of the target stand there with their counts. None without any group.
    """
    if subgroups.empty:
        return None
    lines = []
    for (kind, group), rows in subgroups.groupby(["kind", "group"], sort=False):
        counts = rows.iloc[0]
        n = int(counts["target_images"])
        line = {"by": kind, "group": group, "images": counts["images"], f"of them {target}": n}
        recalls = rows[rows["metric"] == RECALL].set_index("arm")
        line[f"{reference}, %"] = _cell(recalls, reference, n, change=False)
        line |= {f"{arm} {MINUS} {reference}, points": _cell(recalls, arm, n, change=True) for arm in arms}
        lines.append(line)
    return Table(pd.DataFrame(lines))


def subgroup_contrasts_table(contrasts: pd.DataFrame) -> Table | None:
    """Recall in each group between other arms than the reference: a row a group, a column a contrast, points.

    ``contrasts`` is evaluation/subgroup_contrasts.csv; there is no table without a contrast.
    """
    rows = contrasts[contrasts["metric"] == RECALL]
    if rows.empty:
        return None
    lines = []
    for (kind, group), inside in rows.groupby(["kind", "group"], sort=False):
        n = int(inside["target_images"].iloc[0])
        line = {"by": kind, "group": group, "n": n}
        for row in inside.itertuples():
            change = _change(row.difference, row.low, row.high, n, row.method)
            line[f"{row.arm} {MINUS} {row.reference}, points"] = change
        lines.append(line)
    return Table(pd.DataFrame(lines))


def _change(difference: float, low: float, high: float, n: int, method: str) -> str:
    """A difference of recall on ``n`` images of the target with its interval, in points."""
    known = not pd.isna(low)
    ends = points_interval_of_images(low, high, n) if known else no_interval({"method": method})
    return f"{points_of_images(difference, n)} ({ends})"


def _cell(rows: pd.DataFrame, arm: str, n: int, change: bool) -> str:
    """A mean or a difference of ``arm`` with its interval in one cell."""
    if arm not in rows.index:
        return "too few"
    row = rows.loc[arm]
    if change:
        # the method is the mean's: where that has an interval, the difference lacks one for want of variation
        method = row["method"] if pd.isna(row["low"]) else "no variation"
        return _change(row["difference"], row["difference_low"], row["difference_high"], n, method)
    return f"{percent_of_images(row['mean'], n)} ({percent_interval_of_images(row['low'], row['high'], n)})"


def subgroup_sentence(
    subgroups: pd.DataFrame, arms: Sequence[str], reference: str, target: str, confidence: float = 0.95
) -> str:
    """Which groups can be judged, in how many of them an arm's recall differs, and what cannot be asked."""
    judged = subgroups[subgroups["metric"] == RECALL]
    names = subgroups.groupby(["kind", "group"], sort=False).ngroups
    shown = judged.groupby(["kind", "group"], sort=False).ngroups
    skin = " Skin tone is not in the metadata, and nothing here estimates it."
    if not names:
        return f"The metadata name neither age nor sex nor site.{skin}"
    if not shown:
        return (
            f"No group by age, sex or site has {FEWEST} test images of {target}, so that none is judged; the "
            f"table has the counts of {counted(names, 'group')}.{skin}"
        )
    changes = judged[judged["arm"].isin(arms) & judged["difference_low"].notna()]
    ends = zip(changes["difference_low"], changes["difference_high"], strict=True)
    apart = changes[[verdict(low, high).excludes_zero for low, high in ends]]
    told = [
        f"*{row.arm}* in the group {row.group} ({points_of_images(row.difference, row.target_images)})"
        for row in apart.itertuples()
    ]
    few = (
        f" The others, {names - shown} of {names}, have fewer, or none in some part of the split, and are "
        "only counted."
    ) * (names > shown)
    what = (
        f" In these groups {len(apart)} of {len(changes)} intervals of {metric_words(RECALL, target)} "
        f"against *{reference}* exclude 0; by chance alone about one in {1 / (1 - confidence):.0f} would."
    )
    said = f" They are {listed(told)}." if told else ""
    return (
        f"{counted(shown, 'group')} by age, sex and site {'has' if shown == 1 else 'have'} at least {FEWEST} "
        f"test images of {target}.{few}{what if len(changes) else ''}{said}{skin}"
    )


def subgroup_contrasts_sentence(contrasts: pd.DataFrame, target: str, confidence: float = 0.95) -> str | None:
    """In how many groups recall differs between other arms than the reference; None without a contrast."""
    rows = contrasts[contrasts["metric"] == RECALL]
    rows = rows[rows["low"].notna()]
    if rows.empty:
        return None
    ends = zip(rows["low"], rows["high"], strict=True)
    apart = rows[[verdict(low, high).excludes_zero for low, high in ends]]
    told = [
        f"*{row.arm}* {MINUS} *{row.reference}* in the group {row.group} "
        f"({points_of_images(row.difference, row.target_images)})"
        for row in apart.itertuples()
    ]
    pairs = list(dict.fromkeys(f"*{row.arm}* {MINUS} *{row.reference}*" for row in rows.itertuples()))
    said = f" They are {listed(told)}." if told else ""
    return (
        f"Of the contrasts between other arms ({listed(pairs)}), {len(apart)} of {len(rows)} intervals of "
        f"{metric_words(RECALL, target)} in these groups exclude 0; by chance alone about one in "
        f"{1 / (1 - confidence):.0f} would.{said}"
    )
