"""The picture of the first screen: contrasts of arms as intervals beside the paper's own values."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from helpers.evaluation.controls import BEYOND_BLUR, SHARPNESS, controls
from helpers.evaluation.metrics import RECALL_OF
from helpers.evaluation.verdicts import Direction, Gain, Verdict, held_back, verdict_of
from helpers.evaluation.words import show_p
from helpers.report.page.results import Results, Row
from helpers.report.words import (
    MINUS,
    capitalised,
    counted,
    listed,
    metric_words,
    no_interval,
    points,
    points_interval,
    points_with_interval,
)

METRICS = (
    *("target_recall", "accuracy", "macro_recall", "macro_precision"),
    *("target_precision", "target_specificity", "target_operating_recall", "target_roc_auc"),
)
MOST_ROWS = 14  # contrasts in the picture; more would push it off the screen
STEPS = (1, 2, 5, 10, 20, 50)  # points between two ticks
MOST_TICKS = 7


@dataclass(frozen=True)
class Contrast:
    """One row of the picture; differences are in percentage points."""

    name: str
    primary: bool  # named before any result was seen
    difference: float
    ends: tuple[float, float] | None
    paper: float | None
    dots: tuple[float, ...]  # replicates, where there is no interval
    shown: str  # difference and interval as text
    verdict: Verdict
    why: str  # there is no interval, where there is none
    adjusted: str = ""  # the p value by Holm's rule that keeps an interval beside 0 from counting as shown


def contrast_chart(results: Results) -> Markup:
    """A table of contrasts with a drawn interval in each row, and how to read it, for each metric; the first
    one is in view.
    """
    shown = {metric: rows for metric in _metrics(results) if (rows := list(_contrasts(metric, results)))}
    if not shown:
        return Markup("")
    options = [
        Markup('<option value="{}">{}</option>').format(metric, _metric(metric, results)) for metric in shown
    ]
    panels, legends = [], []
    for place, (metric, rows) in enumerate(shown.items()):
        panels.append(_panel(metric, rows, results, hidden=place > 0))
        legend = Markup('<span data-metric="{}"{}>{}</span>')
        legends.append(legend.format(metric, _hidden(place > 0), _legend(rows, results)))
    return Markup(
        '<figure class="chart" id="contrasts"><div class="pick" hidden><label for="metric">Metric</label> '
        '<select id="metric">{}</select></div>{}<figcaption>{}</figcaption></figure>'
    ).format(Markup("").join(options), Markup("").join(panels), Markup("").join(legends))


def _metrics(results: Results) -> list[str]:
    """METRICS, and the recall of the other classes that get synthetic images; these come first where the
    answer is about them.
    """
    recalls = [f"{RECALL_OF}{name}" for name in results.params.classes_beside_target]
    first = bool(results.others) and results.classes_without_target(results.others[0])
    return [*recalls, *METRICS] if first else [*METRICS, *recalls]


def _hidden(hidden: bool) -> Markup:
    return Markup(" hidden" if hidden else "")


def _metric(metric: str, results: Results) -> str:
    return capitalised(metric_words(metric, results.target))


def _pairs(results: Results) -> list[tuple[str, str]]:
    """Arm and reference: first the contrasts that were named beforehand, or the first arm's.

    Then the other contrasts of two arms that the study asks for, such as filtered - random, those that tell
    synthesis and blur apart, and arms against the reference.
    """
    named, primary = results.contrasts, []
    if "role" in named.columns:
        rows = named[named["role"] == "primary"]
        primary = list(zip(rows["arm"], rows["reference"], strict=True))
    apart = [
        (control.arm, control.reference)
        for control in controls(results.params)
        if control.role in (BEYOND_BLUR, SHARPNESS)
    ]
    reference = results.params.evaluation.reference
    asked = zip(named["arm"], named["reference"], strict=True) if "arm" in named.columns else ()
    between = [pair for pair in asked if pair[1] != reference]  # such as filtered against random
    rest = [(arm, reference) for arm in results.others]
    return list(dict.fromkeys([*(primary or rest[:1]), *between, *apart, *rest]))


def _contrasts(metric: str, results: Results) -> Iterator[Contrast]:
    for arm, reference in _pairs(results)[:MOST_ROWS]:
        row = results.contrast(arm, reference, metric)
        if row is not None:
            yield _contrast(arm, reference, row, metric, results)


def _contrast(arm: str, reference: str, row: Row, metric: str, results: Results) -> Contrast:
    places, smallest = results.places(metric), results.params.evaluation.smallest_effect
    known = points_interval(row.get("low"), row.get("high"), places)
    theirs, base = results.paper_value(arm, metric), results.paper_value(reference, metric)
    dots: tuple[float, ...] = ()
    if not known:
        ours, others = results.values(arm, metric), results.values(reference, metric)
        pairs = zip(ours, others, strict=False)  # replicates share their seeds
        dots = tuple(100 * (one - other) for one, other in pairs)
    return Contrast(
        name=f"{arm} {MINUS} {reference}",
        primary=row.get("role") == "primary",
        difference=100 * row["difference"],
        ends=(100 * row["low"], 100 * row["high"]) if known else None,
        paper=None if theirs is None or base is None else 100 * (theirs - base),
        dots=dots,
        shown=points_with_interval(row["difference"], row.get("low"), row.get("high"), places),
        verdict=verdict_of(row, smallest),
        why="" if known else no_interval(row),
        adjusted=f"p = {show_p(row['p_holm'])} by Holm's rule" if held_back(row) else "",
    )


# --- what can be said ---------------------------------------------------------------------------


def said(verdict: Verdict, smallest: float) -> tuple[str, str]:
    """The kind of a row (for its colour and mark) and what may be said of its difference."""
    if verdict.direction is Direction.HIGHER:
        if verdict.gain is Gain.NEGLIGIBLE:
            return "small", "higher, but too little to matter"
        return "up", "higher"
    if verdict.direction is Direction.LOWER:
        return "down", "lower"
    if verdict.direction is Direction.NOT_TESTED:
        return "untested", "not tested"
    if verdict.gain is Gain.EXCLUDED:
        return "none", f"no gain of {100 * smallest:g} points or more"
    return "undecided", "undecided"


# --- the drawing --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scale:
    """The axis of a panel, percentage points."""

    low: float
    high: float

    @classmethod
    def of(cls, rows: Sequence[Contrast], smallest: float) -> "Scale":
        """Wide enough for all intervals, dots, values of the paper, zero and the smallest effect."""
        found = [0.0, -100 * smallest, 100 * smallest]
        for row in rows:
            found += [row.difference, *(row.ends or ()), *row.dots]
            found += [] if row.paper is None else [row.paper]
        margin = 0.06 * (max(found) - min(found))
        return cls(min(found) - margin, max(found) + margin)

    def at(self, value: float) -> str:
        """A place on the axis as a percentage of its width."""
        return f"{100 * (value - self.low) / (self.high - self.low):.2f}%"

    @property
    def ticks(self) -> list[int]:
        """Round values on the axis, zero among them."""
        step = next((step for step in STEPS if (self.high - self.low) / step < MOST_TICKS), STEPS[-1])
        return [step * k for k in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]


def _panel(metric: str, rows: Sequence[Contrast], results: Results, hidden: bool) -> Markup:
    smallest = results.params.evaluation.smallest_effect
    scale = Scale.of(rows, smallest)
    papers = any(row.paper is not None for row in rows)
    level = f"{100 * results.params.evaluation.confidence:.0f} %"
    change = f"This run ({level} interval)" if any(row.ends for row in rows) else "This run (no interval)"
    heads = [change, *(["Paper"] if papers else []), "What can be said"]
    ticks = Markup("").join(
        Markup('<span style="left:{}">{}</span>').format(scale.at(tick), _tick(tick)) for tick in scale.ticks
    )
    return Markup(
        '<table class="contrasts" data-metric="{}"{}><caption>Change of {}, percentage points{}</caption>'
        '<thead><tr><th scope="col">Arm {} other arm</th><td class="plot ticks" aria-hidden="true">{}</td>{}'
        "</tr></thead><tbody>{}</tbody></table>"
    ).format(
        metric,
        _hidden(hidden),
        metric_words(metric, results.target),
        _on_images(metric, results),
        MINUS,
        ticks,
        Markup("").join(Markup('<th scope="col">{}</th>').format(head) for head in heads),
        Markup("\n").join(_row(row, scale, smallest, papers) for row in rows),
    )


def _on_images(metric: str, results: Results) -> str:
    """How many test images a recall is of, after the metric's name; empty for other metrics."""
    name = metric.removeprefix(RECALL_OF) if metric.startswith(RECALL_OF) else results.target
    images = results.images(metric)
    if not images or not (metric == "target_recall" or metric.startswith(RECALL_OF)):
        return ""
    return f", on {counted(images, 'test image')} of {name}"


def _tick(value: int) -> str:
    return f"{value:+d}".replace("-", MINUS) if value else "0"


def _row(row: Contrast, scale: Scale, smallest: float, papers: bool) -> Markup:
    kind, words = said(row.verdict, smallest)
    paper = Markup('<td class="theirs">{}</td>').format("" if row.paper is None else points(row.paper / 100))
    return Markup(
        '<tr class="{}{}"><th scope="row">{}</th><td class="plot" aria-hidden="true">{}</td>'
        '<td class="ours">{}</td>{}<td class="said">{}</td></tr>'
    ).format(
        kind,
        "" if row.primary else " exploratory",
        row.name,
        Markup("").join(_marks(row, scale, smallest)),
        row.shown,
        paper if papers else "",
        f"{words}; {row.adjusted}" if row.adjusted else words,
    )


def _marks(row: Contrast, scale: Scale, smallest: float) -> Iterator[Markup]:
    """Band of the smallest effect, zero line, interval, dots, the paper's value."""
    span = Markup('<span class="{}" style="left:{}"></span>')
    bar = Markup('<span class="{}" style="left:{};right:calc(100% - {})"></span>')
    yield bar.format("band", scale.at(-100 * smallest), scale.at(100 * smallest))
    yield span.format("zero", scale.at(0))
    if row.ends:
        yield bar.format("interval", *map(scale.at, row.ends))
    for dot in row.dots if len(row.dots) > 1 else ():
        yield span.format("replicate", scale.at(dot))
    yield span.format("dot", scale.at(row.difference))
    if row.paper is not None:
        yield span.format("paper", scale.at(row.paper))


def _legend(rows: Sequence[Contrast], results: Results) -> str:
    """How to read the picture of one metric, as far as its marks are drawn."""
    parts = []
    if any(row.ends for row in rows):
        parts.append(f"A line is the {100 * results.params.evaluation.confidence:.0f} % interval")
    else:
        few = {1: "Each arm was trained once", 2: "Each arm was trained twice"}
        why = few.get(results.params.replicates, capitalised(rows[0].why))
        parts.append(f"{why}, so there are no intervals, and nothing can be told from chance")
    if any(row.adjusted for row in rows):
        parts.append("a p value stands where an interval alone excludes 0 and Holm's rule does not")
    roles = {row.primary for row in rows}
    if roles == {True, False}:
        parts.append("filled marks are of primary contrasts, named before any result; hollow ones are not")
    elif roles == {False}:
        parts.append("none is of a primary contrast, named beforehand")
    if any(row.paper is not None for row in rows):
        parts.append("a diamond is the paper's own value")
    effect = f"{100 * results.params.evaluation.smallest_effect:g}"
    parts.append(
        f"the grey band holds changes of less than {effect} points, the least that this study calls an effect"
    )
    left_out = [arm for arm, _ in _pairs(results)[MOST_ROWS:]]
    more = f" Not drawn: {listed(left_out)}." if left_out else ""
    return "; ".join(parts) + f".{more}"
