"""No number of the README and the docs about the kept runs was typed: each stands in, or follows from, a
table of the runs kept under reports/examples.
"""

import math
import re
from functools import cache

import pandas as pd
import pytest

from helpers.paths import REPORTS, ROOT

NUMBER = r"([+-]?\d+(?:\.\d+)?)"
INTERVAL = re.compile(rf"{NUMBER},? \(?{NUMBER} to {NUMBER}")
ENDS = [
    ("mean", "low", "high"),
    ("difference", "low", "high"),
    ("share", "low", "high"),
    ("value", "low", "high"),
    ("correlation", "low", "high"),
    ("rank_correlation", "low", "high"),
    ("difference", "difference_low", "difference_high"),
]
# measured by a script that the sentence names, not by a kept run
ELSEWHERE = {"docs/gan.md": {("0.15", "0.12", "0.21"): "benchmarks/fidelity_reduced.py"}}
RESULTS = "docs/results.md"
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("docs/*.md"), ROOT / "README.md"])
HEADERS = {  # of a column of changes, and the metric that it tells
    "melanoma recall": "target_recall",
    "area under the ROC curve": "target_roc_auc",
    "accuracy": "accuracy",
    "recall at one rate of false alarms": "target_operating_recall",
}
SECTION = re.compile(r"^## .*?\(`([\w-]+)`\)$", re.MULTILINE)  # a heading that names its run
COLUMNS = ("accuracy", "macro_precision", "macro_recall", "target_recall", "target_roc_auc")


@cache
def page_text(page: str) -> str:
    """A page with its signs made ASCII."""
    return (ROOT / page).read_text(encoding="utf-8").replace("\N{MINUS SIGN}", "-")


@cache
def kept(run: str, name: str) -> pd.DataFrame:
    return pd.read_csv(REPORTS / "examples" / run / f"{name}.csv")


def shown(value: float, digits: int) -> str:
    """A number as it stands in prose: no plus sign, and no minus sign before zero."""
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text


@cache
def kept_rows() -> list[tuple[float, ...]]:
    """(estimate, low, high) of every row of every kept table that has them."""
    found: list[tuple[float, ...]] = []
    for path in (REPORTS / "examples").glob("*/**/*.csv"):
        table = pd.read_csv(path)
        for ends in ENDS:
            if set(ends) <= set(table):
                found += map(tuple, table[list(ends)].dropna().to_numpy())
    return found


@cache
def kept_intervals(digits: int) -> set[tuple[str, ...]]:
    """The rows as texts with so many decimals, as they are and in percent."""
    return {
        tuple(shown(scale * number, digits) for number in row) for row in kept_rows() for scale in (1, 100)
    }


def stated_intervals(text: str) -> list[tuple[str, ...]]:
    """(estimate, low, high) as they stand in prose and tables."""
    return [
        tuple(shown(float(number), _digits(number)) for number in match.groups())
        for match in INTERVAL.finditer(text)
    ]


def _digits(number: str) -> int:
    return len(number.partition(".")[2])


def change(run: str, contrast: str, metric: str) -> tuple[str, ...]:
    """The change in points, with its interval, of a contrast in a kept run."""
    for name in ("contrasts", "controls", "comparisons"):
        table = kept(run, f"evaluation/{name}")
        named = table["contrast"] if "contrast" in table else table["arm"] + " - " + table["reference"]
        rows = table[(named == contrast) & (table["metric"] == metric)]
        if len(rows):
            return tuple(shown(100 * rows.iloc[0][end], 1) for end in ("difference", "low", "high"))
    raise AssertionError(f"{run} has no {contrast} in {metric}")


def beyond_chance(run: str, arm: str) -> tuple[int, int]:
    """Of how many metrics of an arm against the baseline the interval excludes zero, and of how many."""
    table = kept(run, "evaluation/comparisons")
    rows = table[(table["arm"] == arm) & (table["reference"] == "baseline")]
    return int(((rows["low"] > 0) | (rows["high"] < 0)).sum()), len(rows)


# --- every interval ------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_every_interval_stands_in_a_kept_table(page):
    elsewhere = ELSEWHERE.get(page, {})
    unknown = [
        stated
        for stated in stated_intervals(page_text(page))
        if stated not in kept_intervals(max(map(_digits, stated))) and stated not in elsewhere
    ]
    assert not unknown
    assert all(script in page_text(page) for script in elsewhere.values())


def test_the_pages_state_intervals():
    assert len(stated_intervals(page_text(RESULTS))) > 60
    assert len(stated_intervals(page_text("docs/gan.md"))) > 20


# --- tables, cell by cell -----------------------------------------------------------


def rows_of(text: str) -> list[list[str]]:
    return [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]


def answers() -> list[tuple[str, str, str, str]]:
    """(run, contrast, metric, cell) of every change in the tables of the sections that name a run."""
    found = []
    _, *parts = SECTION.split(page_text(RESULTS))
    for run, section in zip(parts[::2], parts[1::2], strict=True):
        header: list[str] = []
        for row in rows_of(section):
            named = re.search(r"\((\w+ - \w+)\)", row[0])
            if named is None:
                header = [cell.strip() for cell in row]
                continue
            cells = zip(header, row, strict=True)
            found += [(run, named[1], HEADERS[head], cell) for head, cell in cells if head in HEADERS]
    return found


def test_each_answer_is_that_of_its_own_contrast():
    wrong = [each for each in answers() if stated_intervals(each[3])[0] != change(*each[:3])]
    assert not wrong
    assert len(answers()) >= 40 and {run for run, *_ in answers()} == {"laptop", "laptop-rigorous"}


def test_each_arms_row_is_its_own():
    rows = [row for row in rows_of(page_text(RESULTS)) if re.match(r" `[\w-]+`, \w+ $", row[0])]
    assert len(rows) >= 10
    for name, *cells in rows:
        run, arm = re.match(r" `([\w-]+)`, (\w+) ", name).groups()
        table = kept(run, "evaluation/arms").set_index(["arm", "metric"])
        for cell, metric in zip(cells, COLUMNS, strict=True):
            row = 100 * table.loc[(arm, metric), ["mean", "low", "high"]].astype(float)
            assert stated_intervals(cell) == [tuple(shown(value, 1) for value in row)], (name, metric)


# --- what sentences count ------------------------------------------------------------------------

WORDS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


@pytest.mark.parametrize(
    ("run", "arm", "sentence"),
    [
        ("laptop-rigorous", "again", "in {count} of its twenty metrics the interval excludes zero"),
        ("fullsize-rigorous", "oversampled", "in {count} of its twenty metrics the interval lies above zero"),
    ],
)
def test_the_number_of_metrics_beyond_chance(run, arm, sentence):
    count, metrics = beyond_chance(run, arm)
    assert metrics == 20 and sentence.format(count=WORDS[count]) in page_text(RESULTS)


@pytest.mark.parametrize(
    ("run", "contrast", "metric", "words"),
    [
        ("laptop", "filtered - baseline", "accuracy", "an accuracy gain as large as the paper's"),
        ("laptop", "blurred - oversampled", "target_recall", "lowers recall at the usual decision"),
        ("laptop", "blurred - oversampled", "target_operating_recall", "no difference is shown"),
        ("laptop", "filtered - blurred", "target_recall", "do more than that cannot be told"),
        ("laptop-rigorous", "filtered - baseline", "accuracy", "excluded: "),
        (
            "laptop-rigorous",
            "filtered - baseline",
            "target_roc_auc",
            "none is shown in the area under the ROC",
        ),
        ("laptop-rigorous", "weighted - baseline", "accuracy", "points of accuracy"),
        ("laptop-rigorous", "withheld - baseline", "target_roc_auc", "points of recall and 2.1 of area"),
        ("laptop-rigorous", "again - baseline", "accuracy", "metrics the interval excludes zero"),
        ("laptop-rigorous", "again - baseline", "macro_specificity", "macro specificity,"),
        (
            "fullsize-rigorous",
            "restored - withheld",
            "target_recall",
            "its images in their place lower",
        ),
        ("fullsize-rigorous", "restored - withheld", "target_operating_recall", "against leaving them out"),
        ("fullsize-rigorous", "restored - withheld", "target_roc_auc", "against leaving them out"),
        ("fullsize-rigorous", "filtered - baseline", "accuracy", "size is excluded, "),
        ("fullsize-rigorous", "oversampled - baseline", "macro_recall", "mean recall of the classes"),
    ],
)
def test_a_sentence_has_the_interval_of_its_own_contrast(run, contrast, metric, words):
    text = page_text(RESULTS)
    assert words in text
    start = text.index(words)
    assert change(run, contrast, metric) in stated_intervals(text[start : start + 260]), words


def test_p_values_of_the_main_claim():
    row = kept("laptop-rigorous", "evaluation/contrasts").query(
        "contrast == 'filtered - baseline' and metric == 'target_recall'"
    )
    assert f"(p = {row['p'].iloc[0]:.3f}, and {row['p_holm'].iloc[0]:.3f} by Holm's rule" in page_text(
        RESULTS
    )


def test_sets_that_the_critic_made_worse():
    worse, total = 0, 0
    for run in ("laptop", "laptop-rigorous"):
        table = kept(run, "synthesis/fidelity").query("set == 'kept' and measure == 'kernel_distance'")
        worse, total = worse + int((table["difference_low"] > 0).sum()), total + len(table)
    assert f"in {WORDS[worse]} of {WORDS[total]} GANs" in page_text(RESULTS)


def test_the_share_of_test_images_of_trained_lesions():
    counts = kept("laptop", "evaluation/metrics_by_lesion").query("arm == 'baseline' and replicate == 0")
    by_lesion = counts.set_index("lesions")
    for column, words in (("images", "test images"), ("target_images", "test melanomas")):
        share = 100 * by_lesion.loc["seen", column] / by_lesion[column].sum()
        assert f"{share:.1f} % of the {words}" in page_text(RESULTS)


# --- times ---------------------------------------------------------------------------------------


def test_the_seconds_of_jobs():
    jobs = kept("laptop-rigorous", "jobs")
    minutes, text = int(jobs["seconds"].sum() // 60), page_text(RESULTS)
    assert f"{minutes // 60} h {minutes % 60} min of jobs" in text
    gans = jobs.loc[jobs["stage"] == "gan", "seconds"].sort_values().tolist()
    short = [seconds for seconds in gans if seconds < gans[-1] / 10]
    assert f"{WORDS[len(short)]} of the {WORDS[len(gans)]} GANs were interrupted" in text
    seconds = " and ".join(f"{math.floor(part + 0.5)}" for part in short)
    assert f"their last restart, of {seconds} s, was timed" in text


def test_the_memory_of_jobs():
    text = page_text("README.md")
    for run in ("laptop", "laptop-rigorous", "fullsize-rigorous"):
        row = next(line for line in text.splitlines() if line.startswith(f"| `{run}.yaml`"))
        assert f"{kept(run, 'jobs')['peak_memory_mb'].max() / 1000:.1f} GB a job" in row


def test_trainings_that_no_table_shows_are_named():
    text = page_text(RESULTS)
    for run in ("laptop", "laptop-rigorous", "fullsize-rigorous"):
        trained = (
            kept(run, "jobs").query("stage == 'classifier'")["job"].str.extract(r"classifier-(\w+)-rep")[0]
        )
        hidden = set(trained) - set(kept(run, "evaluation/arms")["arm"])
        assert all(f"`{run}` also holds one training of the arm `{arm}`" in text for arm in hidden), run
