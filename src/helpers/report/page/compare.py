"""Two finished runs on one page, such as a split by image beside a split by lesion.

What is compared is in helpers.evaluation.runs.compare_runs; here it becomes the page
reports/compare-<first>-<second>/report.html with its sentences, tables and figure.
"""

import re
from pathlib import Path
from typing import Any

from markupsafe import Markup

from helpers import paths as places
from helpers.errors import UserError
from helpers.files import write_json, write_table, write_text
from helpers.report.page import pair_tables
from helpers.report.page.assets import render_template
from helpers.report.page.index import write_index
from helpers.report.page.numbering import Numbering
from helpers.report.page.pair import (
    Pair,
    open_pair,
    sentences,
    without_counterpart,
    without_interval,
)
from helpers.report.page.pictures import figure_html, image_source, size_of
from helpers.report.page.provenance import git_commit
from helpers.report.page.reproduction import reproduction_command
from helpers.report.words import no_interval


def render_comparison(first: str, second: str) -> Path:
    """Write reports/compare-<first>-<second>/ and reports/index.html; return the page's path.

    The folder gets report.html, comparison.csv, comparison.json and differences.svg. Raises as ``open_pair``,
    and UserError where the folder is that of a run.
    """
    pair = open_pair(first, second)
    folder = places.REPORTS / f"compare-{first}-{second}"
    if (places.ARTIFACTS / folder.name).exists():
        raise UserError(
            f"--compare would write over the report of the run '{folder.name}': give that run another name."
        )
    page = _page(pair) | {"figure": _figure(pair, folder)}
    told = {"runs": list(pair.names), "sentence": page["sentences"][0] if page["sentences"] else ""}
    write_table(folder / "comparison.csv", pair.table)
    write_json(folder / "comparison.json", told)
    path = write_text(folder / "report.html", render_template("compare.html.j2", page))
    write_index(places.REPORTS)
    return path


def _page(pair: Pair) -> dict[str, Any]:
    """What the page says, without its figure."""
    commit = git_commit()
    return {
        "title": f"Two runs side by side: {' and '.join(pair.names)}",
        "drawn": [name for name, side in pair.sides if side.source.drawn],
        "names": pair.names,
        "sentences": sentences(pair),
        "alone": without_counterpart(pair),
        "commands": [(name, reproduction_command(name, side.params)) for name, side in pair.sides],
        "commit": commit and re.sub(r"\b([0-9a-f]{12})[0-9a-f]*", r"\1", commit),
    } | _tables(pair)


def _tables(pair: Pair) -> dict[str, Markup]:
    confidence = f"{100 * pair.first.params.evaluation.confidence:.0f} %"
    numbering = Numbering()
    return {
        "headline": numbering.table(
            pair_tables.headline(pair),
            "Both runs on their own test images. Their trainings and test images are not the same ones, so "
            f"the difference is unpaired; in percentage points, with its {confidence} interval where both "
            "runs have one of their own. Where the test sets share lesions the interval is somewhat "
            "too wide.",
            "headline",
            "Metric",
        ),
        "effects": numbering.table(
            pair_tables.effects(pair),
            "Each arm against its run's own reference: what either run answers.",
            "effects",
            "Metric",
        ),
        "leak": numbering.table(
            pair_tables.leak(pair),
            "Test images whose lesion was photographed in the training set too, and what they are worth to "
            "the reference arm.",
            "leak",
        ),
        "facts": numbering.table(pair_tables.facts(pair), "What was run.", "facts"),
        "departures": numbering.table(
            pair_tables.departures(pair), "Every parameter in which the two runs differ.", "departures"
        ),
    }


def _figure(pair: Pair, folder: Path) -> Markup:
    """The differences as a figure of the page, and as differences.svg in ``folder``."""
    from helpers.report.publish import svg_text
    from helpers.report.results.differences import forest
    from helpers.report.results.scope import has_intervals
    from helpers.report.style import arm_colours

    first, second = pair.names
    rows = pair.table[pair.table["metric"].isin(pair.metrics)].assign(reference=second, role="")
    known = "with its interval"
    if not has_intervals(rows):
        row = rows.iloc[0].to_dict()
        known = f"without an interval, for {no_interval(row)} in {without_interval(pair, row)}"
    label = {
        "alt": f"A square per arm and metric for the difference between {first} and {second}, around a line "
        "at zero.",
        "caption": f"{first} less {second}, in percentage points, {known}; each panel has its own scale. See "
        "whether a line keeps off zero: only there are the runs told apart.",
    }
    target, colours = pair.first.params.data.target_class, arm_colours(pair.first.arms)
    drawing = forest(rows, pair.metrics, target=target, colours=colours)
    svg = svg_text(drawing, "differences", label["alt"])
    write_text(folder / "differences.svg", svg)
    data = {"image/svg+xml": svg}
    return figure_html(image_source(data) or "", label, size_of({"data": data}), number=1)
