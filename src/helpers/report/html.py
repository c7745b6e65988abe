"""The page: executed notebooks and a run's tables as one HTML file that opens anywhere and asks for nothing.

``render_report`` merges the executed notebooks into one, takes their prose from the current sources, and exports
the whole by template/index.html.j2 over nbconvert's HTML exporter. All that comes from data or parameters is
escaped; HTML that a notebook displays is cut down to tables and text.
"""

import base64
import fcntl
import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
from markupsafe import Markup, escape
from nbformat import NotebookNode

from helpers.errors import MissingStageError
from helpers.files import write_json, write_text
from helpers.params import Params, departures
from helpers.paths import ROOT, RunPaths, require
from helpers.report import summary
from helpers.report.provenance import public_parameters, read_params, write_provenance

TEMPLATE = Path(__file__).with_name("template")
SHRINK_ABOVE = 200_000  # bytes; a larger PNG is stored as WebP where that is smaller
SVG_LIMIT = 400_000  # characters
TALL = 30  # rows; a longer table scrolls in a box of its own
STREAM_LINES = 12  # printed lines that stand open
TAGS = [
    "a",
    "abbr",
    "b",
    "blockquote",
    "br",
    "caption",
    "code",
    "dd",
    "del",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "kbd",
    "li",
    "ol",
    "p",
    "pre",
    "s",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "u",
    "ul",
    "var",
]
ATTRIBUTES = {
    "a": ["href", "title"],
    "abbr": ["title"],
    "img": ["src", "alt", "width", "height"],
    "td": ["colspan", "rowspan", "data-value", "class"],
    "th": ["colspan", "rowspan", "data-value", "scope", "class"],
    "ol": ["start"],
}
NUMBER = re.compile(r"^[+\-\u2212]?[\d,]+(\.\d+)?(e[+-]?\d+)?\s*%?$|^(nan|\u2013|)$", re.IGNORECASE)


@dataclass(frozen=True)
class Section:
    """A notebook's place on the page."""

    stem: str  # of the notebook
    anchor: str
    title: str  # where the notebook's first cell has none
    stage: str  # for the message when it has not run


SECTIONS = (
    Section("01_eda", "data", "The data", "eda"),
    Section("02_gan_training", "gan", "Training the GAN", "gan"),
    Section("03_generation_filtering", "synthesis", "Generating and filtering", "synthesis"),
    Section("04_classifier_training", "classifier", "Training the classifier", "classifier"),
    Section("05_evaluation", "evaluation", "Evaluation", "evaluation"),
)


APART = ("claims", "audit", "departures")  # parts of a notebook that are sections of the page

# --- the page -----------------------------------------------------------------------------------


def render_report(run: str | RunPaths) -> Path:
    """Write reports/<run>/report.html, provenance.json and reports/index.html; return the page's path.

    Raises MissingStageError, a sentence that names the stage to run, where a file of the run is absent.
    """
    paths = run if isinstance(run, RunPaths) else RunPaths(run)
    params = read_params(paths)
    results = summary.read_results(paths, params)
    page = Page(paths, params)
    opening = page.opening(results)
    notebook = page.merge(results)
    closing = page.closing(results)
    write_text(paths.report, export(notebook, {**opening, **closing, "contents": page.contents}))
    write_json(paths.report.with_name("summary.json"), summary.public_summary(results))
    write_index(paths.report.parents[1])
    return paths.report


def export(notebook: NotebookNode, page: dict[str, Any]) -> str:
    """One HTML document of the merged notebook and what stands before and after it."""
    from nbconvert import HTMLExporter

    script = _asset("page.js")
    exporter = HTMLExporter(extra_template_basedirs=[str(TEMPLATE.parent)], template_name=TEMPLATE.name)
    exporter.environment.autoescape = True
    for name, function in (("prose", prose), ("code", code_html), ("shown", output_html)):
        exporter.register_filter(name, function)
    assets = {"css": Markup(stylesheet()), "js": Markup(script), "script_hash": _script_hash(script)}
    body, _ = exporter.from_notebook_node(notebook, resources={"page": page | assets})
    return re.sub(r"[ \t]+\n", "\n", re.sub(r"\n{3,}", "\n\n", body))


def stylesheet() -> str:
    """The page's style."""
    return _asset("page.css")


def _asset(name: str) -> str:
    return (TEMPLATE / name).read_text(encoding="utf-8")


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
    names: set[str] = field(default_factory=set)
    tables: int = 0
    anchors: set[str] = field(default_factory=set)

    # numbers and anchors

    def figure_number(self, wanted: int | None) -> int:
        """The paper's number where it is free, else the next of ours, which begin at 9."""
        number = (
            wanted if isinstance(wanted, int) and wanted not in self.figures else next(n for n in range(9, 10_000) if n not in self.figures | self.reserved)
        )
        self.figures.add(number)
        return number

    def table_number(self) -> int:
        self.tables += 1
        return self.tables

    def anchor(self, text: str) -> str:
        """An id for a heading that no other has."""
        base = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "part"
        name = next(name for n in range(1, 10_000) if (name := base if n == 1 else f"{base}-{n}") not in self.anchors)
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
        caption = f"The paper and this run on the test images{_test_size(results)}. {_headline_note(results)}"
        return {
            "title": self.params.report.title,
            "run": self.paths.run,
            "drawn": results.drawn,
            "facts": summary.facts(results),
            "abstract": summary.abstract(results),
            "headline": self.table(summary.headline(results), caption, "headline", repeats="Metric"),
        }

    def table(self, frame: pd.DataFrame, caption: str, name: str, repeats: str | None = None) -> Markup:
        """A numbered table of texts; empty where the frame is."""
        return Markup("") if frame.empty else wrap_table(frame_html(frame, repeats), self.table_number(), caption, name)

    # the notebooks

    def merge(self, results: summary.Results) -> NotebookNode:
        """One notebook of all stages: prose of today's sources, outputs of the executed ones."""
        runs = [(section, self._executed(section)) for section in SECTIONS]
        for _, executed in runs:
            self.reserved |= {n for label in _labels(executed[0][1]) if isinstance(n := label.get("number"), int)}
        cells: list[NotebookNode] = []
        for section, executed in runs:
            cells += self._section(section, executed, results)
        notebook = nbformat.v4.new_notebook(cells=cells)
        notebook.metadata["language_info"] = {"name": "python"}
        return notebook

    def _executed(self, section: Section) -> list[tuple[str, NotebookNode]]:
        """The executed notebooks of a section with what each stands for, the one to show first."""
        names = [(what, self.paths.notebooks / f"{section.stem}{suffix}.ipynb") for what, suffix in executions(section, self.params)]
        return [(what, read_notebook(require(path, section.stage))) for what, path in names]

    def _section(self, section: Section, executed: list[tuple[str, NotebookNode]], results: summary.Results) -> list[NotebookNode]:
        what, shown = executed[0]
        from helpers.paths import NOTEBOOKS

        path = NOTEBOOKS / f"{section.stem}.ipynb"
        cells = combine(read_notebook(path) if path.exists() else None, shown)
        own, lifted = lift(cells)
        made = self._block(section.anchor, take_title(own) or section.title, own)
        if len(executed) > 1:
            note = Markup('<p class="note">Shown here: {}, one of {} runs of this notebook.</p>').format(what, len(executed))
            made.insert(2 if len(made) > 1 and made[1].cell_type == "markdown" else 1, _raw(note))
        if section.stage == "classifier":
            caption = "Every training of the classifier. The weights of the best epoch are those that are tested."
            made.insert(_before_last_words(made), _raw(self.table(summary.trainings_table(results), caption, "trainings")))
        elif len(executed) > 1:
            made.insert(_before_last_words(made), _raw(self._others(executed[1:])))
        blocks = [self._closed(made)]
        blocks += [self._closed(self._block(name, take_title(part, "#{1,6}") or name.capitalize(), part)) for name, part in lifted.items()]
        return [cell for block in blocks for cell in block]

    def _block(self, anchor: str, title: str, cells: list[NotebookNode]) -> list[NotebookNode]:
        """Cells of one section of the page, numbered and folded; the first carries the section's heading."""
        entry = self.add_section(anchor, title)
        for cell in cells:
            self._prepare(cell, entry)
        cells = fold(cells)
        for place, cell in enumerate(cells):
            cell.id = f"{entry['anchor']}-{place}"  # two notebooks may name a cell alike
        opening = _raw(Markup(""))
        opening.metadata["opens"] = {"anchor": entry["anchor"], "title": title}
        return [opening, *cells]

    def _closed(self, cells: list[NotebookNode]) -> list[NotebookNode]:
        return [*cells[:-1], NotebookNode(cells[-1] | {"metadata": cells[-1].metadata | {"closes": True}})]

    def _others(self, executed: list[tuple[str, NotebookNode]]) -> Markup:
        """The figures and tables of the runs that are not shown in full, folded."""
        blocks = []
        for what, notebook in executed:
            parts = []
            for cell in notebook.cells:
                for output in cell.get("outputs", []):
                    label = _label(output)
                    if label and label["kind"] in ("figure", "table"):
                        label["others"] = True
                        parts.append(output_html(output))
            if parts:
                blocks.append(Markup('<details class="others"><summary>{}</summary>{}</details>').format(what, Markup("").join(parts)))
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
            label = _label(output)
            if "text" in output:
                output["text"] = self._public(output["text"])
            if label and label["kind"] == "figure":
                label["number"] = self.figure_number(label.get("number"))
            elif label and label["kind"] == "table":
                label["number"] = self.table_number()
                self.names.add(str(label.get("name")))

    def _public(self, text: str) -> str:
        """Text without the places of this machine."""
        if self.params.data.root:
            text = text.replace(str(self.params.data.root), "FOLDER_OF_HAM10000")
        return text.replace(f"{ROOT}/", "").replace(str(ROOT), ".")

    # after the notebooks

    def closing(self, results: summary.Results) -> dict[str, Any]:
        """Claims, audit of the paper, departures, provenance."""
        parts: dict[str, Any] = {}
        if not results.claims.empty and "claims" not in self.names:
            self.add_section("claims", "The paper's claims")
            parts["claims"] = self.table(readable(results.claims), "Each claim of the paper, tested on this run.", "claims")
        findings = _audit()
        if not findings.empty and "audit" not in self.names:
            self.add_section("audit", "An audit of the paper")
            parts["audit"] = self.table(readable(findings), "The paper's own numbers, held against one another.", "audit")
        self.add_section("departures", "Departures from the paper")
        parts["departures"] = self._departures()
        self.add_section("provenance", "Provenance")
        provenance = write_provenance(self.paths, self.params)
        parts["provenance"] = provenance
        parts["provenance_table"] = self.table(provenance_table(provenance), "What this run's numbers were made with.", "provenance")
        parts["parameters"] = _yaml(public_parameters(self.params))
        parts["kept"] = provenance["kept_over_code_changes"]
        return parts

    def _departures(self) -> Markup:
        if "departures" in self.names:
            return Markup("")
        rows = departures(self.params)
        frame = pd.DataFrame(
            [{"Parameter": row["parameter"], "Paper": _plain(row["paper"]), "This run": _plain(row["this_run"]), "Meaning": row["meaning"]} for row in rows]
        )
        return self.table(frame, "Every parameter that differs from the paper's value, or from our reading where the paper is silent.", "departures")


def executions(section: Section, params: Params) -> list[tuple[str, str]]:
    """What each execution of a section's notebook stands for, and the end of its file name."""
    if section.stage in ("gan", "synthesis"):
        return [(f"GAN seed {seed}", f"-seed-{seed}") for seed in params.gan.seeds]
    if section.stage == "classifier":
        return [(f"arm {arm}, replicate {replicate}", f"-{arm}-replicate-{replicate}") for arm in params.arms for replicate in range(params.replicates)]
    return [("", "")]


def _test_size(results: summary.Results) -> str:
    size = int((results.split["split"] == "test").sum()) if "split" in results.split else 0
    return f" (n = {size:,})" if size else ""


def _headline_note(results: summary.Results) -> str:
    confidence = f"{100 * results.params.evaluation.confidence:.0f} %"
    if results.params.replicates < 2:
        return (
            "Every arm was trained once, so no difference between arms can be told from chance: the verdict is 'unclear'. Differences are in percentage points."
        )
    return f"This run: mean over {results.params.replicates} replicates. Differences are in percentage points, with {confidence} intervals; 'unclear' means that the interval contains zero."


def _audit() -> pd.DataFrame:
    try:
        from helpers.evaluation.paper import audit
    except ImportError:
        return pd.DataFrame()
    return audit()


def readable(frame: pd.DataFrame) -> pd.DataFrame:
    """A table of texts with plain headings."""
    shown = frame.copy().astype(object)
    shown.columns = [str(column).replace("_", " ").capitalize() for column in frame.columns]
    return shown.map(_plain)


def _plain(value: Any) -> str:
    """A value as a reader writes it."""
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_plain(part)}" for key, part in value.items() if part is not None) or "nothing added"
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(part) for part in value)
    return str(value)


def provenance_table(provenance: dict[str, Any]) -> pd.DataFrame:
    """Seeds, data, versions, device, threads and code as rows of two columns."""
    data = provenance["data"]
    code = provenance["code"]
    rows = [
        ("Data", f"{data.get('source', '')}, {_plain(data.get('images'))} images of {_plain(data.get('lesions'))} lesions"),
        ("Checksum of the data", _plain(data.get("checksum"))),
        *((f"Seed: {name}", _plain(value)) for name, value in provenance["seeds"].items()),
        ("Device", _plain(provenance["device"])),
        ("Processor", _plain(provenance["host_cpu"])),
        *((f"Threads: {name}", _plain(value)) for name, value in provenance["threads"].items()),
        *((f"Version: {name}", value) for name, value in provenance["versions"].items()),
        ("Commit", code["commit"] or ""),
        *((f"Code: {name}", value) for name, value in code["digests"].items()),
    ]
    return pd.DataFrame([{"What": what, "Value": value} for what, value in rows if value])


def _yaml(values: dict[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)


# --- notebooks ----------------------------------------------------------------------------------


def read_notebook(path: Path) -> NotebookNode:
    """A notebook from disk; raises MissingStageError for a damaged one."""
    try:
        return nbformat.read(path, as_version=4)
    except (OSError, ValueError, nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        raise MissingStageError(f"{path} cannot be read ({error}): run its stage again.") from None


def combine(source: NotebookNode | None, executed: NotebookNode) -> list[NotebookNode]:
    """Cells in the order of today's source: prose from there, code and outputs from the executed notebook.

    Cells are matched by id. Executed code that the source does not have, such as the injected parameters, stays
    behind the cell that it followed; prose that the source no longer has is left out.
    """
    if source is None:
        return [NotebookNode(cell) for cell in executed.cells]
    done = {cell.id: cell for cell in executed.cells}
    known = {cell.id for cell in source.cells}
    followers: dict[str | None, list[NotebookNode]] = {}
    last = None
    for cell in executed.cells:
        if cell.id in known:
            last = cell.id
        elif cell.cell_type == "code":
            followers.setdefault(last, []).append(cell)
    cells = list(followers.get(None, []))
    for cell in source.cells:
        if cell.cell_type == "markdown":
            cells.append(cell)
        elif cell.id in done:
            cells.append(done[cell.id])
        cells += followers.get(cell.id, [])
    return cells


def take_title(cells: list[NotebookNode], marks: str = "#") -> str:
    """Remove the heading that opens the first prose cell (its level as a pattern) and return its text."""
    for cell in cells:
        if cell.cell_type == "markdown":
            found = re.match(rf"\s*{marks}\s+(.+?)\s*#*\s*(?:\n|$)", cell.source)
            if found:
                cell.source = cell.source[found.end() :]
            # a file's number is no section's: '01 - The data' is 'The data'
            return re.sub(r"^0\d\s*[.:\u00b7\u2013-]*\s+", "", _strip_markdown(found[1])) if found else ""
    return ""


def lift(cells: list[NotebookNode]) -> tuple[list[NotebookNode], dict[str, list[NotebookNode]]]:
    """The cells of a notebook's own section, and those of the parts that the page sets apart, by name.

    Such a part runs from the prose cell of its name to the next one's, or to the notebook's last words.
    """
    own: list[NotebookNode] = []
    lifted: dict[str, list[NotebookNode]] = {}
    name = None
    for cell in cells:
        if cell.cell_type == "markdown" and cell.id in (*APART, "try"):
            name = cell.id if cell.id in APART else None
        (own if name is None else lifted.setdefault(name, [])).append(cell)
    return own, lifted


def _before_last_words(cells: list[NotebookNode]) -> int:
    """Where to add to a section: before its suggestions, else at its end."""
    return len(cells) - 1 if cells and cells[-1].metadata.get("aside") else len(cells)


def fold(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Drop empty cells and outputs, and join code that shows nothing to the code that follows."""
    folded: list[NotebookNode] = []
    for cell in cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.get("outputs", []) if is_shown(output)]
            before = folded[-1] if folded else None
            if before is not None and before.cell_type == "code" and not before.outputs:
                cell.source = f"{before.source}\n\n{cell.source}".strip()
                folded.pop()
        if cell.source.strip() or cell.get("outputs"):
            folded.append(cell)
    return folded


def _raw(content: Markup) -> NotebookNode:
    """A cell of the page's own HTML."""
    cell = nbformat.v4.new_raw_cell(str(content))
    cell.metadata["own"] = True
    return cell


def _label(output: NotebookNode) -> dict[str, Any] | None:
    """The output's label for the page: kind, name, caption, alt, number."""
    label = output.get("metadata", {}).get("report")
    return label if isinstance(label, dict) and "kind" in label else None


def _labels(notebook: NotebookNode) -> Iterator[dict[str, Any]]:
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if label := _label(output):
                yield label


def is_shown(output: NotebookNode) -> bool:
    """Whether the page shows an output: no progress bars, warnings, or captions that it sets itself."""
    if output.output_type == "stream":
        return output.name == "stdout" and bool(output.text.strip())
    label = _label(output)
    if label and label["kind"] == "caption":
        return False
    data = output.get("data", {})
    if "application/vnd.jupyter.widget-view+json" in data:
        return False
    return output.output_type == "error" or any(
        kind in data for kind in ("image/svg+xml", "image/png", "image/jpeg", "text/html", "text/markdown", "text/plain")
    )


# --- HTML of one cell ---------------------------------------------------------------------------


def headings(markdown: str) -> list[tuple[int, str]]:
    """Level and text of the headings of a prose cell, fenced code left aside."""
    text = re.sub(r"(?ms)^(```|~~~).*?^\1", "", markdown)
    return [(len(marks), _strip_markdown(words)) for marks, words in re.findall(r"(?m)^(#{1,6})\s+(.+?)\s*#*\s*$", text)]


def _strip_markdown(text: str) -> str:
    return re.sub(r"[*`]|\[([^\]]*)\]\([^)]*\)", r"\1", text).strip()


def prose(cell: NotebookNode) -> Markup:
    """A prose cell as HTML: sanitised, headings one level down with their anchors, tables as the page sets them."""
    anchors = iter(cell.metadata.get("headings", []))
    return markdown_html(cell.source, anchors)


def markdown_html(source: str, anchors: Iterable[str] = ()) -> Markup:
    """Markdown as safe HTML; a heading of level n becomes one of level n + 1, at least 3."""
    from bs4 import BeautifulSoup
    from nbconvert.filters.markdown_mistune import markdown2html_mistune

    soup = BeautifulSoup(sanitise(markdown2html_mistune(formulae(source))), "html.parser")
    anchors = iter(anchors)
    for link in soup.find_all("a"):
        if link.get_text() == "\u00b6":
            link.decompose()
    for heading in soup.find_all(re.compile(r"^h[1-6]$")):
        heading.name = f"h{min(6, max(3, int(heading.name[1]) + 1))}"
        if anchor := next(anchors, None):
            heading["id"] = anchor
    for image in soup.find_all("img"):
        # only what is in the file itself may be shown
        if not str(image.get("src", "")).startswith("data:image/"):
            image.replace_with(image.get("alt", ""))
        elif not image.get("alt"):
            image["alt"] = "Picture in the text"
    for table in soup.find_all("table"):
        table.replace_with(BeautifulSoup(str(wrap_table(clean_table(str(table)))), "html.parser"))
    return Markup(str(soup))


def sanitise(html: str) -> str:
    """HTML cut down to text, tables and pictures from within the file; anything else becomes visible text."""
    import bleach

    html = re.sub(r"(?is)<style\b.*?</style>|<!--.*?-->", "", html)
    return bleach.clean(html, tags=set(TAGS), attributes=ATTRIBUTES, protocols=["http", "https", "mailto", "data"], strip=False)


GREEK = dict(
    alpha="\u03b1", beta="\u03b2", gamma="\u03b3", delta="\u03b4", epsilon="\u03b5", lambda_="\u03bb", mu="\u03bc", sigma="\u03c3", theta="\u03b8", nabla="\u2207",
    times="\u00d7", cdot="\u00b7", le="\u2264", leq="\u2264", ge="\u2265", geq="\u2265", pm="\u00b1", approx="\u2248", sum="\u03a3", in_="\u2208", to="\u2192", infty="\u221e", sim="~", ldots="\u2026",
)  # fmt: skip


def formulae(markdown: str) -> str:
    """Simple TeX between dollars as plain HTML; code is left as it is."""
    pieces = re.split(r"(?s)(```.*?```|`[^`\n]+`)", markdown)
    pieces[::2] = [re.sub(r"\$\$?(?=\S)([^$\n]+?)(?<=\S)\$\$?(?!\d)", lambda found: _formula(found[1]), piece) for piece in pieces[::2]]
    return "".join(pieces)


def _formula(tex: str) -> str:
    if re.fullmatch(r"[\d.,\s]*", tex):  # sums of money, not formulae
        return f"${tex}$"
    text = str(escape(tex))
    text = re.sub(r"\\(?:mathrm|mathbf|mathbb|text|mathcal|hat|tilde|operatorname)\{([^{}]*)\}", r"\1", text)
    text = re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", r"(\1) / (\2)", text)
    text = re.sub(
        r"\\([A-Za-z]+)", lambda found: GREEK.get(found[1]) or GREEK.get(f"{found[1]}_") or ("" if found[1] in ("left", "right", "quad") else found[1]), text
    )
    text = re.sub(r"_\{([^{}]*)\}|_(\w)", lambda found: f"<sub>{found[1] or found[2]}</sub>", text)
    text = re.sub(r"\^\{([^{}]*)\}|\^(\w)", lambda found: f"<sup>{found[1] or found[2]}</sup>", text)
    return f"<var>{text.replace('{', '').replace('}', '').replace(chr(92), '')}</var>"


def code_html(source: str) -> Markup:
    """Python with its syntax marked."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    return Markup(highlight(source, PythonLexer(), HtmlFormatter(nowrap=True)))


def output_html(output: NotebookNode) -> Markup:
    """One output as the page shows it: a numbered figure or table, sentences, a plain table, or printed text."""
    if output.output_type == "stream":
        return printed(output.text)
    if output.output_type == "error":
        return Markup('<pre class="printed error" tabindex="0">{}</pre>').format(f"{output.ename}: {output.evalue}")
    data, label = output.data, _label(output) or {}
    if picture := image_source(data):
        return figure_html(picture, label, _size(output, data))
    if "text/html" in data:
        return html_output(data["text/html"], label)
    if "text/markdown" in data:
        return Markup('<div class="prose">{}</div>').format(markdown_html(data["text/markdown"]))
    return printed(data.get("text/plain", ""))


def html_output(html: str, label: dict[str, Any]) -> Markup:
    """HTML that a notebook displayed: its tables as the page sets them, the rest as text."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(sanitise(html), "html.parser")
    tables = soup.find_all("table")
    if not tables:
        return Markup('<div class="output">{}</div>').format(Markup(str(soup)))
    number = None if label.get("others") else label.get("number")
    wrapped = [
        wrap_table(clean_table(str(table)), number if place == 0 else None, label.get("caption", "") if place == 0 else "", label.get("name"))
        for place, table in enumerate(tables)
    ]
    return Markup("").join(wrapped)


def printed(text: str) -> Markup:
    """Printed text: short as it is, long folded."""
    from nbconvert.filters import strip_ansi

    text = strip_ansi(text).strip("\n")
    if not text.strip():
        return Markup("")
    block = Markup('<pre class="printed" tabindex="0">{}</pre>').format(text)
    lines = text.count("\n") + 1
    return block if lines <= STREAM_LINES else Markup('<details class="fold"><summary>Printed, {} lines</summary>{}</details>').format(lines, block)


def image_source(data: dict[str, Any]) -> str | None:
    """An output's picture as a data address: the drawing where it is light, else pixels; None without one."""
    svg, png = data.get("image/svg+xml"), data.get("image/png")
    if svg and (len(svg) <= SVG_LIMIT or not png):
        text = svg if "xmlns=" in svg.split(">", 1)[0] else svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
        # in an image no script of the drawing runs, and its ids meet no others
        return "data:image/svg+xml;base64," + base64.b64encode(text.encode()).decode()
    for kind, content in (("image/png", png), ("image/jpeg", data.get("image/jpeg"))):
        if content:
            raw = base64.b64decode(content)
            kind, raw = shrink(raw) if kind == "image/png" else (kind, raw)
            return f"data:{kind};base64,{base64.b64encode(raw).decode()}"
    return None


def shrink(png: bytes) -> tuple[str, bytes]:
    """A large PNG as WebP where that is clearly smaller: media type and bytes."""
    if len(png) <= SHRINK_ABOVE:
        return "image/png", png
    from PIL import Image

    buffer = io.BytesIO()
    try:
        Image.open(io.BytesIO(png)).save(buffer, "WEBP", quality=90, method=4)
    except (OSError, ValueError, KeyError):
        return "image/png", png
    return ("image/webp", buffer.getvalue()) if buffer.tell() < 0.8 * len(png) else ("image/png", png)


def _size(output: NotebookNode, data: dict[str, Any]) -> tuple[int | None, int | None]:
    """Width and height on the page in pixels, where known: it keeps the text from jumping."""
    noted = output.get("metadata", {}).get("image/png") or {}
    if isinstance(noted, dict) and noted.get("width") and noted.get("height"):
        return int(noted["width"]), int(noted["height"])
    found = re.search(r"<svg\b[^>]*?\bviewBox=\"\s*[\d.-]+\s+[\d.-]+\s+([\d.]+)\s+([\d.]+)", data.get("image/svg+xml") or "")
    return (round(float(found[1]) * 4 / 3), round(float(found[2]) * 4 / 3)) if found else (None, None)


def inline(text: str) -> Markup:
    """A caption, escaped, with its `code` and *emphasis*."""
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))
    return Markup(re.sub(r"(?<![*\w])\*([^*\s][^*]*)\*(?![*\w])", r"<em>\1</em>", marked))


def plain_words(text: str) -> str:
    """A caption without its marks."""
    return text.replace("`", "").replace("*", "")


def figure_html(source: str, label: dict[str, Any], size: tuple[int | None, int | None]) -> Markup:
    """A figure: the picture as a button that enlarges it, number and caption below."""
    number = None if label.get("others") else label.get("number")
    name, caption = (f"Figure {number}" if number else "Figure"), label.get("caption") or ""
    alt = label.get("alt") or caption or "A picture that this notebook displays"
    width = Markup(' width="{}" height="{}"').format(*size) if all(size) else ""
    lead = Markup("<b>{}</b> ").format(name) if number else ""
    alt = plain_words(alt)
    return Markup(
        '<figure class="figure"{}><button class="enlarge" type="button" aria-label="Enlarge {}"><img src="{}" alt="{}"{}></button>{}</figure>'
    ).format(
        Markup(' id="figure-{}"').format(number) if number else "",
        name.lower() if not number else f"figure {number}",
        source,
        alt,
        width,
        Markup("<figcaption>{}{}</figcaption>").format(lead, inline(caption)) if caption or number else "",
    )


# --- tables -------------------------------------------------------------------------------------


def frame_html(frame: pd.DataFrame, repeats: str | None = None) -> Markup:
    """A table of texts as HTML: everything escaped, numbers to the right.

    In the column ``repeats`` a value that stands in the row above as well is shown only once the table is sorted.
    """
    texts = frame.map(_plain)
    numeric = {column: _is_numeric(texts[column]) for column in texts}
    head = Markup("").join(Markup('<th scope="col"{}>{}</th>').format(Markup(' class="number"') if numeric[column] else "", column) for column in texts)
    body, before = [], None
    for row in texts.to_dict("records"):
        cells, first = [], True
        for column, text in row.items():
            repeated = column == repeats and before is not None and before[column] == text
            content = Markup('<span class="repeat">{}</span>').format(text) if repeated else escape(text)
            tag = Markup('th scope="row"') if first else Markup("td")
            kind = Markup(' class="number"') if numeric[column] else ""
            cells.append(Markup("<{}{}>{}</{}>").format(tag, kind, content, "th" if first else "td"))
            first = False
        new = repeats is not None and before is not None and before[repeats] != row[repeats]
        body.append(Markup("<tr{}>{}</tr>").format(Markup(' class="new"') if new else "", Markup("").join(cells)))
        before = row
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(head, Markup("\n").join(body))


def _is_numeric(texts: Iterable[str]) -> bool:
    texts = [text.strip() for text in texts]
    return any(texts) and all(NUMBER.match(text) or re.fullmatch(r"[+\-\u2212]?[\d.,]+ (to|\u2013) [+\-\u2212]?[\d.,]+", text) for text in texts)


def clean_table(html: str) -> Markup:
    """A sanitised table of a notebook with the page's classes, scopes and nothing else."""
    from bs4 import BeautifulSoup

    table = BeautifulSoup(html, "html.parser").find("table")
    table.attrs = {}
    if not table.find("thead") and (first := table.find("tr")) and first.find("th"):
        first.wrap(BeautifulSoup("", "html.parser").new_tag("thead"))
    for caption in table.find_all("caption"):
        caption.decompose()
    body = table.find("tbody") or table
    for cell in table.find_all(["td", "th"]):
        header = cell.find_parent("thead") is not None
        kind = "number" if not header and NUMBER.match(cell.get_text(strip=True)) and cell.get_text(strip=True) else ""
        given = cell.get("class") or []
        given = given if isinstance(given, list) else given.split()
        if "number" in given or (kind and "text" not in given):
            cell["class"] = "number"
        else:
            del cell["class"]
        if cell.name == "th":
            cell["scope"] = "col" if header else "row"
            if header and not cell.get_text(strip=True):
                cell.name = "td"  # a heading without a text is none
                del cell["scope"]
    _align_headings(table, body)
    return Markup(str(table))


def _align_headings(table: Any, body: Any) -> None:
    """Let a heading stand to the right where every cell of its column does."""
    rows = [row.find_all(["td", "th"]) for row in body.find_all("tr") if row.find_parent("thead") is None]
    head = table.find("thead")
    if not rows or head is None or not head.find_all("tr"):
        return
    last = head.find_all("tr")[-1].find_all(["th", "td"])
    for place, cell in enumerate(last):
        column = [row[place] for row in rows if len(row) == len(last)]
        if column and all("number" in (cell.get("class") or "") for cell in column):
            cell["class"] = "number"


def wrap_table(table: Markup, number: int | None = None, caption: str = "", name: str | None = None) -> Markup:
    """A table with its number and caption, in a box that scrolls sideways where the page is narrow."""
    lead = Markup("<b>Table {}</b> ").format(number) if number else ""
    label = f"Table {number}" if number else "Table"
    wide = " wide" if str(table).split("</tr>", 1)[0].count("<th") > 4 else ""
    tall = " tall" if str(table).count("<tr") > TALL else ""
    return Markup('<figure class="table{}"{} data-name="{}">{}<div class="scroll" tabindex="0" role="region" aria-label="{}">{}</div></figure>').format(
        wide + tall,
        Markup(' id="table-{}"').format(number) if number else "",
        name or "table",
        Markup("<figcaption>{}{}</figcaption>").format(lead, inline(caption)) if number or caption else "",
        label + (f": {plain_words(caption)[:60]}" if caption else ""),
        table,
    )


# --- the index ----------------------------------------------------------------------------------


def write_index(reports: Path | None = None) -> Path:
    """Write reports/index.html, the rendered runs side by side; one writer at a time."""
    from jinja2 import Environment, FileSystemLoader

    if reports is None:
        from helpers.paths import REPORTS as reports
    with _locked(reports / ".index.lock"):
        runs = []
        for path in sorted(reports.glob("*/summary.json")):
            try:
                entry = json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                continue
            if path.with_name("report.html").exists() and isinstance(entry, dict) and "arms" in entry:
                runs.append(entry | {"folder": path.parent.name})
        environment = Environment(loader=FileSystemLoader(TEMPLATE), autoescape=True, trim_blocks=True, lstrip_blocks=True)
        script = _asset("page.js")
        table = (
            wrap_table(frame_html(_index_rows(runs), repeats="Run"), None, "One row per run and arm; shares in percent, means over replicates.", "runs")
            if runs
            else ""
        )
        page = environment.get_template("runs.html.j2").render(
            runs=runs, table=table, css=Markup(stylesheet()), js=Markup(script), script_hash=_script_hash(script)
        )
        return write_text(reports / "index.html", page)


def _index_rows(runs: list[dict[str, Any]]) -> pd.DataFrame:
    rows = []
    for run in runs:
        for arm in run["arms"]:
            rows.append(
                {
                    "Run": run["folder"],
                    "Images": "drawn" if run["source"] == "phantom" else "HAM10000",
                    "Split by": run["split"],
                    "Replicates": run["replicates"],
                    "Arm": arm["arm"],
                    "Accuracy": summary.percent(arm.get("accuracy")),
                    "Macro precision": summary.percent(arm.get("macro_precision")),
                    "Balanced accuracy": summary.percent(arm.get("balanced_accuracy")),
                    "Recall of the watched class": summary.percent(arm.get("target_recall")),
                    "Date": run["date"],
                }
            )
    return pd.DataFrame(rows)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file while in the block."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
