"""The page: executed notebooks and a run's tables as one HTML file that opens anywhere and asks for nothing.

``render_report`` merges the executed notebooks into one, takes their prose from the current sources, and exports
the whole by template/index.html.j2 over nbconvert's HTML exporter. What a cell and a table look like is in
cells.py and page_tables.py; they escape all that comes from data or parameters.
"""

import base64
import hashlib
import itertools
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
from markupsafe import Markup
from nbformat import NotebookNode

from helpers.files import locked, write_json, write_text
from helpers.params import Params, arm_meaning, public_parameters
from helpers.paths import ROOT, RunPaths, require
from helpers.report import summary
from helpers.report.cells import (
    before_last_words,
    code_html,
    combine,
    fold,
    headings,
    label_of,
    lift,
    output_html,
    outputs_of,
    prose,
    raw_cell,
    read_notebook,
    take_title,
)
from helpers.report.page.shown import SECTIONS, Section
from helpers.report.page_tables import as_text, frame_html, wrap_table
from helpers.report.provenance import folder_word, read_params, write_provenance
from helpers.report.words import listed, metric_words, percent, plain

TEMPLATE = Path(__file__).with_name("template")
PICTURED = 4  # further runs of a notebook whose figures are in the page: those of a GAN weigh a megabyte


# --- the page -----------------------------------------------------------------------------------


def render_report(run: str | RunPaths) -> Path:
    """Write reports/<run>/report.html, provenance.json and reports/index.html; return the page's path.

    Raises MissingStageError, a sentence that names the stage to run, where a file of the run is absent.
    """
    paths = run if isinstance(run, RunPaths) else RunPaths(run)
    params = read_params(paths)
    results = summary.read_results(paths, params)
    for arm, replicate in itertools.product(params.arms, range(params.replicates)):
        require(paths.classifier(arm, replicate) / "summary.json", "classifier")
    page = Page(paths, params)
    opening = page.opening(results)
    notebook = page.merge(results)
    closing = page.closing()
    write_text(paths.report, export(notebook, {**opening, **closing, "contents": page.contents}))
    write_json(paths.report.with_name("summary.json"), summary.public_summary(results))
    write_index(paths.report.parents[1])
    return paths.report


def export(notebook: NotebookNode, page: dict[str, Any]) -> str:
    """One HTML document of the merged notebook and what stands before and after it."""
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(extra_template_basedirs=[str(TEMPLATE.parent)], template_name=TEMPLATE.name)
    exporter.environment.autoescape = True
    for name, function in (("prose", prose), ("code", code_html), ("shown", output_html)):
        exporter.register_filter(name, function)
    body, _ = exporter.from_notebook_node(notebook, resources={"page": page | _assets()})
    return re.sub(r"[ \t]+\n", "\n", re.sub(r"\n{3,}", "\n\n", body))


def stylesheet() -> str:
    """The page's style."""
    return _asset("page.css")


def _asset(name: str) -> str:
    return (TEMPLATE / name).read_text(encoding="utf-8")


def _assets() -> dict[str, Any]:
    """The style and the one script of every page."""
    script = _asset("page.js")
    return {"css": Markup(stylesheet()), "js": Markup(script), "script_hash": _script_hash(script)}


def _script_hash(script: str) -> str:
    """What the page's own policy calls the one script that may run in it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


@dataclass
class Page:
    """The page while it is put together: it numbers figures, tables and headings in reading order."""

    paths: RunPaths
    params: Params
    contents: list[dict[str, Any]] = field(default_factory=list)
    figures: set[int] = field(default_factory=set)
    reserved: set[int] = field(default_factory=set)
    tables: int = 0
    anchors: set[str] = field(default_factory=set)

    # numbers and anchors

    def figure_number(self, wanted: int | None) -> int:
        """The paper's number where it is free, else the next of ours, which begin at 9."""
        number = (
            wanted
            if isinstance(wanted, int) and wanted not in self.figures
            else next(n for n in range(9, 10_000) if n not in self.figures | self.reserved)
        )
        self.figures.add(number)
        return number

    def table_number(self) -> int:
        self.tables += 1
        return self.tables

    def anchor(self, text: str) -> str:
        """An id for a heading that no other has."""
        base = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "part"
        name = next(
            name for n in range(1, 10_000) if (name := base if n == 1 else f"{base}-{n}") not in self.anchors
        )
        self.anchors.add(name)
        return name

    def add_section(self, anchor: str, title: str) -> dict[str, Any]:
        entry = {"anchor": self.anchor(anchor), "title": title, "parts": []}
        self.contents.append(entry)
        return entry

    # before the notebooks

    def opening(self, results: summary.Results) -> dict[str, Any]:
        """Title, what was run, the answer, the headline table."""
        self.add_section("answer", "The answer")
        who = "This run" if self.params.data.source == "folder" else "The paper and this run"
        seeds = {
            name: ", with other seeds" * bool(self.params.identical_arms_before(name))
            for name in self.params.arms
        }
        arms = pd.DataFrame(
            [
                {"Arm": name, "Trained on": arm_meaning(arm) + seeds[name]}
                for name, arm in self.params.arms.items()
            ]
        )
        caption = f"{who}, metric by metric and arm by arm. {_headline_note(results)}"
        return {
            "title": results.title,
            "run": self.paths.run,
            "drawn": results.drawn,
            "facts": summary.facts(results),
            "abstract": summary.abstract(results),
            "controls": [
                *summary.controls(results),
                *summary.equal_alarms(results),
                *summary.shifted_thresholds(results),
            ],
            "leak": summary.leak(results),
            "headline": self.table(summary.headline(results), caption, "headline", repeats="Metric"),
            "arms": self.table(arms, "The arms, each a recipe for the training set.", "arms"),
        }

    def table(self, frame: pd.DataFrame, caption: str, name: str, repeats: str | None = None) -> Markup:
        """A numbered table of texts; empty where the frame is."""
        return (
            Markup("")
            if frame.empty
            else wrap_table(frame_html(frame, repeats), self.table_number(), caption, name)
        )

    # the notebooks

    def merge(self, results: summary.Results) -> NotebookNode:
        """One notebook of all stages: prose of today's sources, outputs of the executed ones."""
        runs = [(section, self._executed(section)) for section in SECTIONS]
        for _, executed in runs:
            labels = filter(None, map(label_of, outputs_of(executed[0][1])))
            self.reserved |= {n for label in labels if isinstance(n := label.get("number"), int)}
        cells: list[NotebookNode] = []
        for section, executed in runs:
            cells += self._section(section, executed, results)
        notebook = nbformat.v4.new_notebook(cells=cells)
        notebook.metadata["language_info"] = {"name": "python"}
        return notebook

    def _executed(self, section: Section) -> list[tuple[str, NotebookNode]]:
        """The executed notebooks of a section with what each stands for, the one to show first."""
        names = [(what, self.paths.notebooks / name) for what, name in section.shown(self.params)]
        return [(what, read_notebook(require(path, section.stage))) for what, path in names]

    def _section(
        self, section: Section, executed: list[tuple[str, NotebookNode]], results: summary.Results
    ) -> list[NotebookNode]:
        what, shown = executed[0]
        from helpers.paths import NOTEBOOKS

        path = NOTEBOOKS / f"{section.stem}.ipynb"
        cells = combine(read_notebook(path) if path.exists() else None, shown)
        own, lifted = lift(cells)
        made = self._block(section.anchor, take_title(own) or section.title, own)
        if (runs := section.executions(self.params)) > 1:
            note = Markup('<p class="note">Shown here: {}, one of {} runs of this notebook.</p>').format(
                what, runs
            )
            made.insert(2 if len(made) > 1 and made[1].cell_type == "markdown" else 1, raw_cell(note))
        if section.stage == "classifier":
            caption = (
                "Every training of the classifier. The weights of the best epoch are those that are tested."
            )
            made.insert(
                before_last_words(made),
                raw_cell(self.table(summary.trainings_table(results), caption, "trainings")),
            )
        elif len(executed) > 1:
            made.insert(before_last_words(made), raw_cell(self._others(shown, executed[1:])))
        blocks = [self._closed(made)]
        blocks += [
            self._closed(self._block(name, take_title(part, "#{1,6}") or name.capitalize(), part))
            for name, part in lifted.items()
        ]
        return [cell for block in blocks for cell in block]

    def _block(self, anchor: str, title: str, cells: list[NotebookNode]) -> list[NotebookNode]:
        """Cells of one section of the page, numbered and folded; the first carries the section's heading."""
        entry = self.add_section(anchor, title)
        for cell in cells:
            self._prepare(cell, entry)
        cells = fold(cells)
        for place, cell in enumerate(cells):
            cell.id = f"{entry['anchor']}-{place}"  # two notebooks may name a cell alike
        opening = raw_cell(Markup(""))
        opening.metadata["opens"] = {"anchor": entry["anchor"], "title": title}
        return [opening, *cells]

    def _closed(self, cells: list[NotebookNode]) -> list[NotebookNode]:
        return [*cells[:-1], NotebookNode(cells[-1] | {"metadata": cells[-1].metadata | {"closes": True}})]

    def _others(self, shown: NotebookNode, executed: list[tuple[str, NotebookNode]]) -> Markup:
        """What the runs that are not shown in full have of their own, folded: tables that differ from those of ``shown``, and of the first runs figures."""
        blocks, known = [], {output.data.get("text/html") for output in outputs_of(shown) if "data" in output}
        for place, (what, notebook) in enumerate(executed):
            parts = []
            for output in outputs_of(notebook):
                label = label_of(output)
                if label and (
                    label["kind"] == "figure"
                    and place < PICTURED
                    or label["kind"] == "table"
                    and output.data.get("text/html") not in known
                ):
                    label["others"] = True
                    parts.append(output_html(output))
            if parts:
                blocks.append(
                    Markup('<details class="others"><summary>{}</summary>{}</details>').format(
                        what, Markup("").join(parts)
                    )
                )
        if len(executed) > PICTURED:
            note = '<p class="note">To keep this page light, the figures of {} further runs are left to the folder figures beside it.</p>'
            blocks.append(Markup(note).format(len(executed) - PICTURED))
        return Markup("").join(blocks)

    def _prepare(self, cell: NotebookNode, entry: dict[str, Any]) -> None:
        """Number what a cell shows, and note its headings for the contents."""
        if cell.cell_type == "markdown":
            cell.metadata["headings"] = []
            cell.metadata["aside"] = cell.id == "try"
            for level, text in headings(cell.source):
                anchor = self.anchor(text)
                cell.metadata["headings"].append(anchor)
                if level == 2 and cell.id != "try":
                    entry["parts"].append({"anchor": anchor, "title": text})
        cell.source = self._public(cell.source)
        for output in cell.get("outputs", []):
            label = label_of(output)
            if "text" in output:
                output["text"] = self._public(output["text"])
            if label and label["kind"] == "figure":
                label["number"] = self.figure_number(label.get("number"))
            elif label and label["kind"] == "table":
                label["number"] = self.table_number()

    def _public(self, text: str) -> str:
        """Text without the places of this machine."""
        for folder, shown in (
            (self.params.data.root, folder_word(self.params)),
            (self.params.data.external_root, "FOLDER_OF_THE_EXTERNAL_TEST_SET"),
        ):
            text = text.replace(str(folder), shown) if folder else text
        return text.replace(f"{ROOT}/", "").replace(str(ROOT), ".")

    # after the notebooks

    def closing(self) -> dict[str, Any]:
        """Where the numbers come from."""
        self.add_section("provenance", "Provenance")
        provenance = write_provenance(self.paths, self.params)
        return {
            "provenance": provenance,
            "provenance_table": self.table(
                provenance_table(provenance), "What this run's numbers were made with.", "provenance"
            ),
            "parameters": _yaml(public_parameters(self.params)),
            "kept": provenance["kept_over_code_changes"],
        }


def _headline_note(results: summary.Results) -> str:
    evaluation, replicates = results.params.evaluation, results.params.replicates
    more = "" if len(results.arms) <= summary.FEW_ARMS else " Section 5 has the other metrics."
    changes = f"Macro recall is what ISIC calls balanced accuracy. Changes are against {evaluation.reference}, in percentage points."
    if replicates < 3:
        return f"This run trained {'each arm once' if replicates == 1 else 'each arm twice'}: under three replicates no gain is tested. {changes}{more}"
    from helpers.report.results.scope import one_gan_note, single_gan_arms

    effect, note = (
        f"{100 * evaluation.smallest_effect:g}",
        one_gan_note(results.arms, single_gan_arms(results.params)),
    )
    compared = len(summary.headline_metrics(results)) * (len(results.arms) - 1)
    if compared >= 20:
        note = f" Were there no effect at all, about {round(compared * (1 - evaluation.confidence))} of {compared} such intervals would exclude zero.{note}"
    still = [
        metric_words(metric, results.target)
        for metric in summary.headline_metrics(results)
        if results.is_still(metric)
    ]
    small = (
        f" In {listed(still)} no arm's mean moves by {effect} points: there *contradicted* says little."
        if still
        else ""
    )
    return (
        f"This run: means over {replicates} replicates. {changes} That an arm gains is *supported* where the interval of its change lies above zero; "
        f"*contradicted* where it lies below {effect} points, which rules out a gain that matters and need not be a loss; *real but negligible* where it does "
        f"both; else *undecided*.{small}{more}{note}"
    )


def provenance_table(provenance: dict[str, Any]) -> pd.DataFrame:
    """Seeds, data, versions, device, threads and code as rows of two columns."""
    data = provenance["data"]
    code = provenance["code"]
    rows = [
        (
            "Data",
            f"{data['source']}, {plain(data.get('images'))} images of {plain(data.get('lesions') or 'an unknown number of')} lesions",
        ),
        ("Checksum of the data", as_text(data.get("checksum"))),
        *((f"Seed: {name}", as_text(value)) for name, value in provenance["seeds"].items()),
        ("Device", as_text(provenance["device"])),
        ("Processor", as_text(provenance["host_cpu"])),
        *((f"Threads: {name}", as_text(value)) for name, value in provenance["threads"].items()),
        *((f"Version: {name}", value) for name, value in provenance["versions"].items()),
        ("Commit", code["commit"] or ""),
        *((f"Code: {name}", value) for name, value in code["digests"].items()),
    ]
    return pd.DataFrame([{"What": what, "Value": value} for what, value in rows if value])


def _yaml(values: dict[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)


# --- the index ----------------------------------------------------------------------------------


def render_template(name: str, page: dict[str, Any]) -> str:
    """A page without notebooks: template/<name> with the style and the script of every page; all values are escaped."""
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(
        loader=FileSystemLoader(TEMPLATE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(name).render(page=page | _assets())


def write_index(reports: Path | None = None) -> Path:
    """Write reports/index.html, the rendered runs side by side; one writer at a time."""
    if reports is None:
        from helpers.paths import REPORTS as reports
    with locked(reports / "index.html"):
        runs = [entry for entry in _rendered(reports, "summary.json") if "arms" in entry]
        compared = [entry for entry in _rendered(reports, "comparison.json") if "runs" in entry]
        caption = "One row per run and arm: means over replicates in percent, and the change of recall against the run's reference in points."
        table = (
            wrap_table(frame_html(_index_rows(runs), repeats="Run"), None, caption, "runs") if runs else ""
        )
        return write_text(
            reports / "index.html",
            render_template("runs.html.j2", {"runs": runs, "compared": compared, "table": table}),
        )


def _rendered(reports: Path, name: str) -> list[dict[str, Any]]:
    """What the rendered pages below ``reports`` say of themselves in the file ``name``, each with its folder."""
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
    rows = []
    for run in runs:
        for arm in run["arms"]:
            rows.append(
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
            )
    return pd.DataFrame(rows)
