"""The page: executed notebooks and a run's tables as one HTML file that opens anywhere and asks for nothing.

``render_report`` merges the executed notebooks into one, takes their prose from the source notebooks, and
exports the whole by template/index.html.j2 over nbconvert's HTML exporter. What comes from data or parameters
is escaped.
"""

import itertools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup
from nbformat import NotebookNode

from helpers.files import write_json, write_text
from helpers.params import Params, public_parameters, yaml_text
from helpers.paths import RunPaths, require
from helpers.report.page.answer import abstract, short_answer
from helpers.report.page.assets import TEMPLATE, assets
from helpers.report.page.cell_html import code_html, output_html, prose
from helpers.report.page.contrast_chart import contrast_chart
from helpers.report.page.control_sentences import (
    controls,
    equal_alarms,
    leak,
    next_steps,
    one_gan,
    shifted_thresholds,
    unseen_loss,
)
from helpers.report.page.facts import facts, facts_html
from helpers.report.page.headline import (
    arms_table,
    compared_words,
    headline,
    headline_caption,
    trainings_table,
)
from helpers.report.page.index import public_summary, write_index
from helpers.report.page.merge import Content, Merger
from helpers.report.page.numbering import Numbering
from helpers.report.page.provenance import write_provenance
from helpers.report.page.records import read_params
from helpers.report.page.results import Results, read_results
from helpers.report.page.sliders import filter_table, threshold_table
from helpers.report.words import plain


def render_report(run: str | RunPaths) -> Path:
    """Write reports/<run>/report.html, provenance.json and reports/index.html; return the page's path.

    Raises MissingStageError, a sentence that names the stage to run, where a file of the run is absent.
    """
    paths = run if isinstance(run, RunPaths) else RunPaths(run)
    params = read_params(paths)
    results = read_results(paths, params)
    for arm, replicate in itertools.product(params.arms, range(params.replicates)):
        require(paths.classifier(arm, replicate) / "summary.json", "classifier")
    numbering = Numbering()
    first = opening(results, numbering)
    merger = Merger(paths, params, numbering, additions(results, numbering), folds(results, numbering))
    merged = merger.notebook()
    last = closing(paths, params, numbering)
    write_text(paths.report, export(merged, {**first, **last, "contents": numbering.contents}))
    write_json(paths.report.with_name("summary.json"), public_summary(results))
    write_index(paths.report.parents[1])
    return paths.report


def export(notebook: NotebookNode, page: dict[str, Any]) -> str:
    """One HTML document of the merged notebook and what stands before and after it."""
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(extra_template_basedirs=[str(TEMPLATE.parent)], template_name=TEMPLATE.name)
    exporter.environment.autoescape = True
    for name, function in (("prose", prose), ("code", code_html), ("shown", output_html)):
        exporter.register_filter(name, function)
    body, _ = exporter.from_notebook_node(notebook, resources={"page": page | assets()})
    return re.sub(r"[ \t]+\n", "\n", re.sub(r"\n{3,}", "\n\n", body))


def opening(results: Results, numbering: Numbering) -> dict[str, Any]:
    """The first screen: title, what was run in one line, the answer, and the contrasts as a picture."""
    numbering.add_section("answer", "The answer")
    sentences = abstract(results)
    return {
        "title": results.title,
        "run": results.run.run,
        "drawn": results.source.drawn,
        "done": sentences[0],
        "short": short_answer(results),
        "abstract": sentences[1:],
        "contrasts": contrast_chart(results),
    }


def additions(results: Results, numbering: Numbering) -> dict[str, list[Content]]:
    """What the page itself says in sections of the article."""
    caption = "The arms, each a recipe for the training set."
    study = [unseen_loss(results), *controls(results)]
    return {
        "classifier": [lambda: numbering.table(arms_table(results), caption, "arms")],
        "results": [lambda: other_thresholds(results, numbering)],
        "controls": [lambda: paragraphs(study)],
        "open": [lambda: paragraphs([leak(results), one_gan(results), next_steps(results)])],
    }


def other_thresholds(results: Results, numbering: Numbering) -> Markup:
    """What the arms do at other thresholds, under a heading of its own, because another subject may stand
    before it; empty where nothing is known of it.
    """
    told = paragraphs([*equal_alarms(results), *shifted_thresholds(results)]) + threshold_table(results)
    title = "At other thresholds"
    return Markup('<h3 id="{}">{}</h3>\n').format(numbering.anchor(title), title) + told if told else told


def folds(results: Results, numbering: Numbering) -> dict[str, list[tuple[str, Content]]]:
    """What the page itself adds to the supplement: folds by title."""
    params = results.params
    trainings = "Every training of the classifier. The weights of the best epoch are those that are tested."
    return {
        "run": [
            ("What was run", lambda: facts_html(facts(results))),
            (
                f"{compared_words(results)}, metric by metric",
                lambda: numbering.table(headline(results), headline_caption(results), "headline", "Metric"),
            ),
        ],
        "synthesis": [
            (
                "The filter at every share",
                lambda: filter_table(results.run, params),
            )
        ],
        "classifier": [
            (
                "All trainings of the classifier",
                lambda: numbering.table(trainings_table(results), trainings, "trainings"),
            )
        ],
    }


def paragraphs(sentences: Iterable[str]) -> Markup:
    """Sentences as paragraphs, empty ones left out."""
    return Markup("\n").join(Markup("<p>{}</p>").format(each) for each in sentences if each)


def closing(paths: RunPaths, params: Params, numbering: Numbering) -> dict[str, Any]:
    """What stands after the notebooks: where the numbers come from. Writes provenance.json."""
    numbering.add_section("provenance", "Provenance")
    provenance = write_provenance(paths, params)
    caption = "What this run's numbers were made with."
    return {
        "provenance": provenance,
        "provenance_table": numbering.table(provenance_table(provenance), caption, "provenance"),
        "parameters": yaml_text(public_parameters(params)),
        "kept": provenance["kept_over_code_changes"],
        "by_hand": provenance["computed_by_hand"],
    }


def provenance_table(provenance: dict[str, Any]) -> pd.DataFrame:
    """Seeds, data, versions, device, threads and code as rows of two columns."""
    data, code = provenance["data"], provenance["code"]
    lesions = plain(data.get("lesions") or "an unknown number of")
    rows = [
        ("Data", f"{data['source']}, {plain(data.get('images'))} images of {lesions} lesions"),
        ("Checksum of the data", data.get("checksum")),
        *((f"Seed: {name}", value) for name, value in provenance["seeds"].items()),
        ("Device", provenance["device"]),
        ("Processor", provenance["host_cpu"]),
        *((f"Threads: {name}", value) for name, value in provenance["threads"].items()),
        *((f"Version: {name}", value) for name, value in provenance["versions"].items()),
        ("Commit", code["commit"]),
        *((f"Code: {name}", value) for name, value in code["digests"].items()),
    ]
    texts = [(what, _joined(value)) for what, value in rows]
    return pd.DataFrame([{"What": what, "Value": text} for what, text in texts if text])


def _joined(value: Any) -> str:
    """A value of the provenance as it stands there, the parts of a list with commas between them."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
