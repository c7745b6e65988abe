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
    "One row per run, arm and class that the run asks about: means over replicates in percent, and the "
    "change of the class's recall against the run's reference in points."
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
    """An arm's headline means (shares), and of each class that is asked about what became of its recall."""
    means = {
        metric: float(results.values(arm, metric).mean())
        for metric in ("accuracy", "macro_precision", "balanced_accuracy")
        if len(results.values(arm, metric))
    }
    recalls = [_public_recall(arm, metric, name, results) for metric, name in results.recalls_asked.items()]
    return {"arm": arm, **means, "recalls": recalls}


def _public_recall(arm: str, metric: str, name: str, results: Results) -> dict[str, Any]:
    """Recall of a class (share) and its change as text; without what the run has not."""
    told: dict[str, Any] = {"class": name}
    if len(values := results.values(arm, metric)):
        told["recall"] = float(values.mean())
    row, verdict, places = (
        results.comparison(arm, metric),
        results.verdict(arm, metric),
        results.places(metric),
    )
    if row is None or verdict is None:
        return told
    return told | {
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


def _of_earlier_version(run: dict[str, Any], arm: dict[str, Any]) -> list[dict[str, Any]]:
    """What ``_public_recall`` tells, of a summary that has the target's recall among its means."""
    return [{"class": run.get("target", ""), "recall": arm.get("target_recall")} | arm]


def _index_rows(runs: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "Run": run["folder"],
                "Arm": arm["arm"],
                "Accuracy": percent(arm.get("accuracy")),
                "Macro precision": percent(arm.get("macro_precision")),
                "Balanced accuracy": percent(arm.get("balanced_accuracy")),
                "Class": told.get("class", ""),
                "Its recall": percent(told.get("recall")),
                "Change of recall": told.get("change", ""),
                "Its interval": told.get("interval", ""),
                "A gain is": told.get("verdict", ""),
            }
            for run in runs
            for arm in run["arms"]
            for told in arm.get("recalls", _of_earlier_version(run, arm))
        ]
    )
