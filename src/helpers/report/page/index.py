"""The list of rendered runs, reports/index.html, and what each run tells it."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from helpers.data.sources import SOURCES
from helpers.files import locked, write_text
from helpers.report.page.assets import render_template
from helpers.report.page.facts import backbone_name, last_day
from helpers.report.page.results import Results
from helpers.report.page.tables import table_html, text_table
from helpers.report.words import capitalised, percent, points, points_interval

CAPTION = (
    "One row per run and arm: means over replicates in percent, and the change of recall against the run's "
    "reference in points."
)


def public_summary(results: Results) -> dict[str, Any]:
    """What reports/index.html shows of a run."""
    last = last_day(results)
    return {
        "run": results.run.run,
        "title": results.title,
        "source": results.params.data.source,
        "split": results.params.data.split.by,
        "replicates": results.params.replicates,
        "backbone": backbone_name(results),
        "date": f"{last:%Y-%m-%d}" if last else "",
        "target": results.target,
        "arms": [_public_arm(arm, results) for arm in results.arms],
    }


def _public_arm(arm: str, results: Results) -> dict[str, Any]:
    """An arm's headline means (shares) and what became of the target's recall, as text."""
    means = {
        metric: float(results.values(arm, metric).mean())
        for metric in ("accuracy", "macro_precision", "balanced_accuracy", "target_recall")
        if len(results.values(arm, metric))
    }
    row, places = results.comparison(arm, "target_recall"), results.places("target_recall")
    verdict = results.verdict(arm, "target_recall")
    if row is None or verdict is None:
        return {"arm": arm, **means}
    return {
        "arm": arm,
        **means,
        "change": points(row["difference"], places),
        "interval": points_interval(row["low"], row["high"], places),
        "verdict": verdict.gain.short,
    }


def write_index(reports: Path) -> Path:
    """Write reports/index.html, the rendered runs side by side; one writer at a time."""
    with locked(reports / "index.html"):
        runs = [entry for entry in _rendered(reports, "summary.json") if "arms" in entry]
        compared = [entry for entry in _rendered(reports, "comparison.json") if "runs" in entry]
        table = table_html(text_table(_index_rows(runs), "Run"), "runs", CAPTION) if runs else ""
        for run in runs:
            run["images"] = _images(run.get("source", ""))
        page = {"runs": runs, "compared": compared, "table": table}
        return write_text(reports / "index.html", render_template("runs.html.j2", page))


def _images(source: str) -> str:
    """What a run's images are, in a few words; the source's name where it is no longer known."""
    return capitalised(SOURCES.get(source).short_phrase) if source in SOURCES.names() else source


def _rendered(reports: Path, name: str) -> list[dict[str, Any]]:
    """What rendered pages below ``reports`` say of themselves in the file ``name``, each with its folder."""
    found = []
    for path in sorted(reports.glob(f"*/{name}")):
        try:
            entry = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            continue
        if path.with_name("report.html").exists() and isinstance(entry, dict):
            found.append(entry | {"folder": path.parent.name})
    return found


def _index_rows(runs: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "Run": run["folder"],
                "Arm": arm["arm"],
                "Accuracy": percent(arm.get("accuracy")),
                "Macro precision": percent(arm.get("macro_precision")),
                "Balanced accuracy": percent(arm.get("balanced_accuracy")),
                "Recall of the watched class": percent(arm.get("target_recall")),
                "Change of recall": arm.get("change", ""),
                "Its interval": arm.get("interval", ""),
                "A gain is": arm.get("verdict", ""),
            }
            for run in runs
            for arm in run["arms"]
        ]
    )
