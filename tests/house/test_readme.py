"""No number of the README and the docs about the kept runs was typed: each stands in, or follows from, a
table of the runs kept under reports/examples.
"""

import math
import re
from functools import cache

import pandas as pd
import pytest
from scipy.stats import t

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
    ("difference", "corrected_low", "corrected_high"),
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
    **{f"recall of {name}": f"recall_{name}" for name in ("df", "vasc", "akiec")},
    "balanced accuracy": "balanced_accuracy",
}
OF_MELANOMA = ("target_recall", "target_roc_auc", "accuracy", "target_operating_recall")  # of most tables
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


def change(run: str, contrast: str, metric: str, digits: int = 1) -> tuple[str, ...]:
    """The change in points, with its interval, of a contrast in a kept run."""
    for name in ("contrasts", "controls", "comparisons"):
        table = kept(run, f"evaluation/{name}")
        named = table["contrast"] if "contrast" in table else table["arm"] + " - " + table["reference"]
        rows = table[(named == contrast) & (table["metric"] == metric)]
        if len(rows):
            return tuple(shown(100 * rows.iloc[0][end], digits) for end in ("difference", "low", "high"))
    raise AssertionError(f"{run} has no {contrast} in {metric}")


def is_stated(run: str, contrast: str, metric: str, stated: list[tuple[str, ...]]) -> bool:
    """Whether a contrast of a kept run is among stated intervals, in as many decimals as these have."""
    return any(each == change(run, contrast, metric, max(map(_digits, each))) for each in stated)


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


def by_replicate(run: str, metric: str = "target_recall") -> pd.DataFrame:
    """A metric in percent: a row for each replicate, a column for each arm."""
    table = kept(run, "evaluation/metrics")
    return 100 * table.pivot(index="replicate", columns="arm", values=metric)


def work(run: str) -> tuple[int, float, float]:
    """How many jobs a run had without the page, the hours that they took, and those of its GANs."""
    jobs = kept(run, "jobs").query("stage != 'report'")
    hours = jobs.groupby("stage")["seconds"].sum() / 3600
    return len(jobs), hours.sum(), hours["gan"]


@cache
def sections() -> dict[str, str]:
    """What the results say below each heading that names a run, up to the next heading, by the run."""
    parts = (
        SECTION.split("## " + part) for part in re.split(r"^## ", page_text(RESULTS), flags=re.MULTILINE)
    )
    return {part[1]: part[2] for part in parts if len(part) == 3}


def answers() -> list[tuple[str, str, str, str]]:
    """(run, contrast, metric, cell) of every change in the tables of the sections that name a run."""
    found = []
    for run, section in sections().items():
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
    wrong = [each for each in answers() if not is_stated(*each[:3], stated_intervals(each[3])[:1])]
    assert not wrong
    runs = {
        "study",
        "study-equal",
        "study-jitter",
        "study-selectors",
        "study-whole",
        "study-classes",
        "study-diffusion",
        "study-frozen",
        "laptop",
    }
    assert len(answers()) >= 90 and {run for run, *_ in answers()} == runs


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


def test_the_number_of_metrics_beyond_chance():
    count, metrics = beyond_chance("study", "again")
    assert metrics == 20 and not count and "In none of twenty metrics is a difference" in page_text(RESULTS)


@pytest.mark.parametrize(
    ("run", "contrast", "metric", "words"),
    [
        ("study", "filtered - baseline", "accuracy", "The paper's gain in accuracy"),
        ("study", "all - baseline", "target_recall", "recall is lower at the usual decision**"),
        ("study", "all - baseline", "target_roc_auc", "in an exploratory comparison"),
        ("study", "filtered - all", "target_recall", "The best 300 find more than all 1,000"),
        ("study", "withheld - baseline", "target_recall", "Recall is then lower"),
        ("study", "withheld - baseline", "target_roc_auc", "ten replicates, and the area"),
        ("study", "restored - withheld", "target_recall", "No gain of recall is shown against"),
        ("study", "restored - withheld", "target_roc_auc", "is lower with them"),
        ("study", "restored - withheld", "target_average_precision", "and so is average precision"),
        ("study", "withheld - baseline", "target_precision", "Precision is higher"),
        ("study", "withheld - baseline", "target_average_precision", "Precision is higher"),
        ("study", "restored - withheld", "macro_roc_auc", "The mean area over all seven"),
        ("study", "restored - baseline", "target_operating_recall", "both together are"),
        ("study", "filtered - blurred", "target_roc_auc", "Taken alone, the two tests"),
        ("study", "all - blurred_more", "target_roc_auc", "Taken alone, the two tests"),
        ("study", "filtered - blurred", "target_average_precision", "average precision for the best 300"),
        ("study", "blurred - oversampled", "target_recall", "Blurred in place of sharp"),
        ("study", "blurred_more - oversampled_more", "target_recall", "Blurred in place of sharp"),
        ("study", "blurred - oversampled", "target_roc_auc", "is lower as well"),
        ("study", "blurred_more - oversampled_more", "target_roc_auc", "is lower as well"),
        ("study", "oversampled - baseline", "target_recall", "shown a second time give"),
        ("study", "oversampled_more - baseline", "target_recall", "shown a second time give"),
        ("study", "oversampled - baseline", "target_precision", "The price is precision"),
        ("study", "oversampled_more - baseline", "target_precision", "The price is precision"),
        ("study", "oversampled - baseline", "target_operating_recall", "A better ranking is not shown"),
        ("study", "oversampled_more - baseline", "target_roc_auc", "A better ranking is not shown"),
        ("study-equal", "filtered - blurred", "target_recall", "At the usual decision, recall is lower"),
        ("study-equal", "filtered - blurred", "target_specificity", "Specificity is higher with them"),
        (
            "study-equal",
            "filtered - blurred",
            "target_operating_recall",
            "is shown only at the usual decision",
        ),
        ("study-equal", "filtered - blurred", "target_precision", "is shown only at the usual decision"),
        ("study-equal", "oversampled - baseline", "target_precision", "Repeated melanomas raise recall"),
        (
            "study-equal",
            "filtered - baseline",
            "target_recall",
            "Whether the synthetic images help, compared",
        ),
        ("study-equal", "blurred - oversampled", "target_recall", "blurred and oversampled differ by less"),
        ("study-jitter", "filtered - baseline", "target_recall", "by the critic's best 300 is shown, and a"),
        (
            "study-jitter",
            "filtered - blurred",
            "target_specificity",
            "Specificity is higher with the synthetic",
        ),
        (
            "study-jitter",
            "blurred - oversampled",
            "target_operating_recall",
            "corrected test. At one rate",
        ),
        ("study-jitter", "oversampled - baseline", "target_recall", "Recall is higher where 300 sharp"),
        ("study-jitter", "oversampled - baseline", "target_specificity", "It does show that precision"),
        ("study-jitter", "blurred - baseline", "macro_recall", "One of the ten stands there twice"),
        (
            "study-jitter",
            "filtered - blurred",
            "target_recall",
            "equally blurred real melanomas no difference",
        ),
        ("study-jitter", "blurred - oversampled", "target_recall", "Blurred copies still give lower"),
        (
            "study-jitter",
            "oversampled - baseline",
            "target_precision",
            "It does show that precision",
        ),
        ("study-selectors", "filtered - random", "target_recall", "For the critic's choice, +0.8"),
        ("study-whole", "blurred - baseline", "target_precision", "With 300 blurred melanomas precision is"),
        ("study-whole", "blurred - baseline", "target_specificity", "and specificity is, too"),
        ("study-whole", "filtered - baseline", "target_precision", "With the best 300 precision is higher"),
        ("study-whole", "filtered - blurred", "target_precision", "nor are the two arms shown to differ"),
        (
            "study-whole",
            "filtered - baseline",
            "accuracy",
            "The paper's gain in accuracy, +3.1, is excluded:",
        ),
        ("study", "blurred - baseline", "target_precision", "In the study no change of precision"),
        (
            "study-classes",
            "filtered - baseline",
            "balanced_accuracy",
            "No gain by synthetic images is shown, neither",
        ),
        (
            "study-classes",
            "random - baseline",
            "balanced_accuracy",
            "No gain by synthetic images is shown, neither",
        ),
        ("study-classes", "filtered - random", "balanced_accuracy", "than chance**, balanced accuracy"),
        ("study-classes", "weighted - baseline", "balanced_accuracy", "Weights in the loss, without a new"),
        ("study-classes", "weighted - baseline", "target_recall", "The recall of melanoma is higher too"),
        ("study-classes", "weighted - baseline", "target_specificity", "its specificity, -4.9"),
        ("study-classes", "weighted - baseline", "brier_score", "a worse Brier score"),
        ("study-classes", "oversampled_df - baseline", "recall_df", "With repeated photographs of a class"),
        ("study-classes", "oversampled_vasc - baseline", "recall_vasc", "With repeated photographs of a"),
        ("study-classes", "oversampled_akiec - baseline", "recall_akiec", "With repeated photographs of a"),
        ("study-classes", "weighted - baseline", "accuracy", "The price is accuracy"),
        ("study-classes", "weighted - baseline", "target_precision", "The price is accuracy"),
        ("study-classes", "weighted - baseline", "macro_roc_auc", "mean of the classes, changes by"),
        (
            "study-classes",
            "weighted - baseline",
            "target_operating_recall",
            "at one rate of false alarms is lower, -5",
        ),
        ("study-diffusion", "random - blurred", "macro_roc_auc", "the mean of the seven classes is higher"),
        ("study-diffusion", "filtered - all", "target_operating_specificity", "the mean area of random"),
        ("study-frozen", "filtered - baseline", "target_recall", "it lies below this interval"),
        ("study-frozen", "blurred - oversampled", "target_recall", "have the same signs as in the study"),
        ("study-frozen", "oversampled - baseline", "target_recall", "have the same signs as in the study"),
        ("laptop", "filtered - baseline", "accuracy", "an accuracy gain as large as the paper's"),
        ("laptop", "blurred - oversampled", "target_recall", "than with the same ones sharp"),
        ("laptop", "filtered - blurred", "target_recall", "do more than that cannot be told"),
    ],
)
def test_a_sentence_has_the_interval_of_its_own_contrast(run, contrast, metric, words):
    text = page_text(RESULTS)
    assert words in text
    start = text.index(words)
    assert is_stated(run, contrast, metric, stated_intervals(text[start : start + 300])), words


def test_a_sentence_of_the_readme_has_the_interval_of_its_own_contrast():
    text = page_text("README.md")
    for contrast, metric, words in [
        ("filtered - baseline", "target_recall", "a useful gain is excluded on HAM10000"),
        ("filtered - baseline", "target_roc_auc", "a useful gain is excluded on HAM10000"),
        ("filtered - blurred", "target_recall", "no difference in recall is shown"),
        ("all - blurred_more", "target_recall", "no difference in recall is shown"),
        ("blurred - oversampled", "target_recall", "Blurred copies give lower recall"),
        ("blurred - oversampled", "target_roc_auc", "Blurred copies give lower recall"),
        ("all - baseline", "target_recall", "With all 1,000 synthetic images"),
        ("blurred_more - baseline", "target_recall", "with 1,000 blurred real melanomas"),
        ("oversampled - baseline", "target_recall", "shown a second time raise recall"),
        ("oversampled - baseline", "target_operating_recall", "shown a second time raise recall"),
        ("withheld - baseline", "target_recall", "With fewer real melanomas"),
        ("withheld - baseline", "target_roc_auc", "With fewer real melanomas"),
        ("restored - withheld", "target_recall", "no gain of recall is shown"),
        ("restored - baseline", "target_recall", "no gain of recall is shown"),
        ("restored - withheld", "target_roc_auc", "The area is lower with them"),
        ("filtered - random", "target_recall", "The critic's choice was not shown"),
    ]:
        start = text.index(words)
        stated = stated_intervals(text[start : start + 420])
        assert is_stated("study", contrast, metric, stated), words
    start = text.index("In a smaller run, in which every photograph")
    stated = stated_intervals(text[start : start + 420])
    for contrast, metric in (
        ("filtered - blurred", "target_recall"),
        ("filtered - blurred", "target_operating_recall"),
        ("filtered - baseline", "target_recall"),
    ):
        assert is_stated("study-equal", contrast, metric, stated)
    start = text.index("where the whole network is trained in each arm")
    stated = stated_intervals(text[start:])[:1]
    assert is_stated("study-whole", "filtered - baseline", "target_recall", stated)
    start = text.index("images of the three rarest classes help")
    stated = stated_intervals(text[start:])[:2]
    for contrast in ("filtered - baseline", "weighted - baseline"):
        assert is_stated("study-classes", contrast, "balanced_accuracy", stated)
    start = text.index("melanomas of diffusion models help")
    stated = stated_intervals(text[start:])[:2]
    for contrast in ("filtered - baseline", "all - baseline"):
        assert is_stated("study-diffusion", contrast, "target_recall", stated)
    start = text.index("half of the training images are blurred at random")
    stated = stated_intervals(text[start : start + 320])
    for contrast in ("filtered - blurred", "filtered - baseline"):
        assert is_stated("study-jitter", contrast, "target_recall", stated)


def test_what_the_replicates_of_equal_sharpness_have_in_common():
    recalls = by_replicate("study-equal")
    changes = recalls["filtered"] - recalls["blurred"]
    assert (changes < 0).all() and len(changes) == 5
    said = "in each of the five replicates ({:.1f} to {:.1f})"
    assert said.format(changes.max(), changes.min()) in page_text(RESULTS)
    areas = by_replicate("study-equal", "target_roc_auc")
    assert (areas["filtered"] < areas["blurred"]).all()
    sharp = kept("study", "evaluation/metrics").query("arm == 'baseline' and replicate < 5")
    by_part = recalls["baseline"] - 100 * sharp.set_index("replicate")["target_recall"]
    assert f"single parts change by {by_part.min():.1f} to {by_part.max():+.1f} points" in page_text(RESULTS)
    said = "it finds {:.1f} % with photographs of full sharpness and has an area of {:.1f} %"
    means = 100 * sharp[["target_recall", "target_roc_auc"]].mean()
    assert said.format(*means) in page_text(RESULTS)
    probe = kept("study-equal", "synthesis/source-probe").query(
        "trunk == 'adapted' and compared == 'synthetic'"
    )
    assert probe["auc"].min() >= 0.99 and probe["gan_seed"].nunique() == 5
    jobs, hours, gans = work("study-equal")
    assert f"Its {jobs} jobs took {hours:.1f} hours" in page_text(RESULTS)
    assert f"{gans:.1f} of them were for training the GANs again" in page_text(RESULTS)


def differences(run: str) -> pd.DataFrame:
    """Each difference of two arms on the run's own test images, once."""
    tables = [kept(run, f"evaluation/{name}") for name in ("contrasts", "comparisons", "controls")]
    return pd.concat(tables).drop_duplicates(["arm", "reference", "metric"])


def shown_by_both(rows: pd.DataFrame) -> pd.Series:
    """Whether this project's interval and that of the corrected t test lie on one side of 0."""
    above = (rows["low"] > 0) & (rows["corrected_low"] > 0)
    return above | ((rows["high"] < 0) & (rows["corrected_high"] < 0))


def numbers_shown(rows: pd.DataFrame) -> tuple[str, str]:
    """In words, how many of the differences exclude 0, and how many do so by the corrected test too."""
    return WORDS[int(((rows["low"] > 0) | (rows["high"] < 0)).sum())], WORDS[int(shown_by_both(rows).sum())]


def test_what_the_replicates_of_random_sharpness_have_in_common():
    text = page_text(RESULTS)
    recalls, before = by_replicate("study-jitter"), by_replicate("study")
    fall, by_part = recalls["blurred"] - recalls["oversampled"], recalls["baseline"] - before["baseline"][:5]
    assert sorted(fall.round(1) < 0) == [False, True, True, True, True] and fall.max() == 0
    assert f"and {(before['blurred'] - before['oversampled'])[:5].mean():.1f} on these five parts" in text
    assert f"single parts change by {by_part.min():.1f} to {by_part.max():+.1f} points" in text
    more = recalls["oversampled"] - recalls["baseline"]
    assert len(recalls) == 5
    assert f"in each of the five replicates ({more.min():+.1f} to {more.max():+.1f})" in text
    named = [cell for run, *_, cell in answers() if run == "study-jitter"]
    ends = [stated_intervals(cell)[0][1:] for cell in named]
    assert len(named) == 20 and sum(float(low) * float(high) > 0 for low, high in ends) == 3
    rows = differences("study-jitter")
    own, both = numbers_shown(rows)
    said = f"{len(rows)} intervals were computed on HAM10000, of which {own} exclude 0 and {both} of these"
    assert said in text
    shown = rows[shown_by_both(rows)]
    assert set(shown["metric"]) == {"target_precision", "target_specificity"}
    assert set(shown["arm"] + " - " + shown["reference"]) == {"oversampled - baseline"}
    probe = kept("study-jitter", "synthesis/source-probe").query("trunk == 'adapted'")
    assert probe.query("compared != 'training'")["auc"].min() >= 0.99
    jobs, hours, gans = work("study-jitter")
    assert f"Its {jobs} jobs took {hours:.1f} hours" in text
    assert f"{gans:.1f} of these hours are the GANs'" in text


def test_what_the_ways_to_choose_images_have_in_common():
    text, rows = page_text(RESULTS), differences("study-selectors")
    assert (
        f"Of {len(rows)} intervals on HAM10000 (groups of patients not counted) two exclude 0, and neither"
        in text
    )
    assert numbers_shown(rows) == ("two", "no")
    beyond = rows[(rows["low"] > 0) | (rows["high"] < 0)]
    assert set(beyond["metric"]) == {"target_operating_recall"} and set(beyond["reference"]) == {"baseline"}
    assert sorted(beyond["arm"]) == ["filtered", "random"] and (beyond["high"] < 0).all()
    gains = rows[(rows["reference"] == "baseline") & (rows["metric"] == "target_recall")]
    assert len(gains) == 6 and gains["high"].max() < 0.054
    by_arm = gains.set_index("arm")
    assert [arm for arm in by_arm.index if by_arm["high"][arm] < 0.02] == ["likely"]
    wider = by_arm["corrected_high"][["nearest", "diverse"]]
    assert "up to {:+.1f} and {:+.1f}".format(*(100 * wider)) in text and (wider > 0.054).all()
    assert (by_arm["corrected_high"].drop(["nearest", "diverse"]) < 0.054).all()
    assert (beyond["degrees_of_freedom"] == 613).all()  # of the melanoma lesions alone
    outside = kept("study-selectors", "evaluation/external_contrasts")
    assert f"Of {len(outside)} intervals there three exclude 0" in text
    low = outside[(outside["low"] > 0) | (outside["high"] < 0)].set_index("arm")
    assert set(low["metric"]) == {"target_operating_specificity"} and set(low["reference"]) == {"baseline"}
    said = "{:.1f} points filtered, {:.1f} diverse and {:.1f} uncertain"
    falls = -100 * low["difference"][["filtered", "diverse", "uncertain"]]
    assert len(low) == 3 and said.format(*falls) in text
    sets = kept("study-selectors", "evaluation/selectors").query("measure == 'kernel_distance'")
    farther = (sets["difference_low"] > 0).groupby(sets["selector"]).sum()
    rules = ["critic", "classifier", "distance", "uncertainty", "diverse"]
    assert farther[rules].tolist() == [5, 5, 3, 3, 0] and not (sets["difference_high"] < 0).any()
    ours, before = (kept(run, "evaluation/metrics") for run in ("study-selectors", "study"))
    both = ours.merge(before, on=["arm", "replicate"], suffixes=("", "_before"))
    assert len(both) == 15
    assert (both["accuracy"] == both["accuracy_before"]).all()
    assert (both["target_recall"] == both["target_recall_before"]).all()
    assert (both["target_roc_auc"] - both["target_roc_auc_before"]).abs().max() < 3e-6


def filtered_less_baseline(run: str, metric: str = "target_recall") -> pd.Series:
    """The difference on each of the first five parts, in points."""
    values = by_replicate(run, metric)[:5]
    return values["filtered"] - values["baseline"]


def test_how_far_apart_the_trainings_of_the_whole_network_lie():
    text = page_text(RESULTS)
    for run, said in (
        (
            "study-whole",
            "differs from the baseline's by {:.1f} to {:+.1f} points, with a standard deviation of {:.1f}",
        ),
        ("study", "same five parts of the study it is {:.1f} to {:+.1f}, with one of {:.1f}"),
    ):
        changes = filtered_less_baseline(run)
        assert said.format(changes.min(), changes.max(), changes.std()) in text
    assert f"the deviation is {filtered_less_baseline('study-frozen').std():.1f} on these parts" in text
    whole, study = by_replicate("study-whole"), by_replicate("study")[:5]
    said = "({:.1f} and {:.1f} points for the baseline)"
    assert said.format(whole["baseline"].std(), study["baseline"].std()) in text
    areas = [filtered_less_baseline(run, "target_roc_auc").std() for run in ("study-whole", "study")]
    assert "deviations of the difference are {:.2f} and {:.2f}".format(*areas) in text
    by_part = whole["baseline"] - study["baseline"]
    said = "finds {:.1f} % on these parts, with an area of {:.1f} %; single parts change by {:.1f} to {:+.1f}"
    area = by_replicate("study", "target_roc_auc")["baseline"][:5].mean()
    assert said.format(study["baseline"].mean(), area, by_part.min(), by_part.max()) in text


def test_what_the_study_finds_where_the_whole_network_is_trained_too():
    text = page_text(RESULTS)
    rows = differences("study-whole").set_index(["arm", "reference", "metric"])
    listed = text[text.index("there filtered - baseline is") :].split("Whether")[0]
    told, outside = iter(re.findall(r"[+-]\d\.\d+", listed)), []
    for arm, reference in (("filtered", "baseline"), ("blurred", "baseline"), ("filtered", "blurred")):
        for metric in OF_MELANOMA:
            before = by_replicate("study", metric)[:5]
            change, number = (before[arm] - before[reference]).mean(), next(told)
            assert number == f"{change:+.{_digits(number)}f}"
            low, high = 100 * rows.loc[(arm, reference, metric), ["low", "high"]].astype(float)
            if not low < change < high:
                outside.append((arm, reference, metric))
                assert 0 < low - change < 0.1
    assert outside == [("blurred", "baseline", "target_operating_recall")] and next(told, None) is None
    said = (
        "recall at one rate of false alarms of blurred - baseline, lies below its interval by less than 0.1"
    )
    assert said in text
    ends = ["difference", "low", "high", "corrected_low", "corrected_high"]
    accuracy = 100 * rows.loc[("filtered", "baseline", "accuracy"), ends].astype(float)
    said = "is excluded: {:+.2f} ({:+.2f} to {:+.2f}; by the corrected test {:+.2f} to {:+.2f})"
    assert said.format(*accuracy) in text and accuracy["corrected_high"] < 3.1


def test_what_the_trainings_of_the_whole_network_have_in_common():
    text, rows = page_text(RESULTS), differences("study-whole")
    said = f"Of {len(rows)} intervals on HAM10000 (groups of patients not counted) two exclude 0, precision"
    assert f"{said} and specificity of blurred - baseline, and precision does so by the corrected" in text
    beyond = rows[(rows["low"] > 0) | (rows["high"] < 0)].set_index("metric")
    assert set(beyond["arm"] + " - " + beyond["reference"]) == {"blurred - baseline"}
    assert sorted(beyond.index) == ["target_precision", "target_specificity"]
    assert shown_by_both(beyond)["target_precision"]
    assert numbers_shown(rows) == ("two", "one")
    named = rows[rows["metric"].isin(OF_MELANOMA)]
    assert len(named) == 12 and numbers_shown(named)[0] == "no"
    precisions = by_replicate("study-whole", "target_precision")
    assert len(precisions) == 5
    assert all((precisions[arm] > precisions["baseline"]).all() for arm in ("blurred", "filtered"))
    before = by_replicate("study", "target_precision")[:5]
    assert f"; {(before['blurred'] - before['baseline']).mean():+.1f} on these five parts)" in text
    freedom = rows.set_index(["arm", "reference", "metric"])["degrees_of_freedom"]
    assert (freedom[[(arm, "baseline", "target_precision") for arm in ("blurred", "filtered")]] > 1000).all()
    assert freedom["filtered", "baseline", "target_roc_auc"] > 200
    outside = kept("study-whole", "evaluation/external_contrasts")
    assert f"None of {len(outside)} intervals there excludes 0" in text and numbers_shown(
        outside.assign(corrected_low=0, corrected_high=0)
    ) == ("no", "no")
    curves = kept("study-whole", "trainings").reset_index(drop=True)
    best = curves.loc[curves.groupby(["arm", "replicate"])["validation_loss"].idxmin(), "epoch"]
    said = (
        f"in epochs {best.min()} to {best.max()} of eight, in {WORDS[(best == 8).sum()]} of the {len(best)}"
    )
    assert said in text
    jobs, hours, gans = work("study-whole")
    assert f"Its {jobs} jobs took {hours:.1f} hours" in text
    trained = kept("study-whole", "jobs").query("stage == 'classifier'")["seconds"].sum() / 3600
    assert f"{trained:.1f} of them were the 15 trainings' (two were" in text
    assert f"{gans:.1f} are the GANs' and are counted in `study-equal` too" in text


def test_what_the_runs_of_the_rarest_classes_have_in_common():
    text, rows = page_text(RESULTS), differences("study-classes")
    beyond = rows[(rows["low"] > 0) | (rows["high"] < 0)]
    both = rows[shown_by_both(rows)]
    counts = beyond["arm"].value_counts()
    assert (
        f"Of {len(rows)} intervals on HAM10000 (groups of patients not counted) {len(beyond)} exclude" in text
    )
    others = beyond[beyond["arm"] != "weighted"]
    assert f"{counts['weighted']} of *weighted* and {WORDS[len(others)]} of repeated photographs" in text
    assert set(others["arm"] + " " + others["metric"]) == {
        f"oversampled_{name} recall_{name}" for name in ("df", "vasc", "akiec")
    }
    assert f"{WORDS[len(both)]} do so by the corrected test too" in text and set(both["arm"]) == {"weighted"}
    named = [
        cell for run, contrast, _, cell in answers() if run == "study-classes" and "weighted" not in contrast
    ]
    synthetic = [cell for cell in named[:15] if "\N{DAGGER}" not in cell]
    ends = [stated_intervals(cell)[0][1:] for cell in synthetic]
    assert len(ends) == 15 and not any(float(low) * float(high) > 0 for low, high in ends)
    balanced = by_replicate("study-classes", "balanced_accuracy")
    assert len(balanced) == 5 and (balanced["weighted"] > balanced["baseline"]).all()
    row = 100 * both.set_index("metric").loc["balanced_accuracy", ["corrected_low", "corrected_high"]].astype(
        float
    )
    assert "by the corrected test {:+.1f} to {:+.1f}), in each of the five parts".format(*row) in text
    classes = kept("study-classes", "evaluation/per_class").query("arm == 'baseline'")
    recalls = 100 * classes.groupby("class")["recall"].mean()
    said = "The baseline finds {:.1f} % of df, {:.1f} % of vasc and {:.1f} % of akiec"
    assert said.format(*recalls[["df", "vasc", "akiec"]]) in text
    assert classes.groupby("class")["support"].sum()[["df", "vasc", "akiec"]].tolist() == [115, 142, 327]
    found = classes.query("`class` == 'df'")["recall"]
    assert f"In {WORDS[(found == 0).sum()]} of the {WORDS[len(found)]} parts the baseline finds none" in text
    real = kept("study-classes", "synthesis/memorisation").groupby("class")["training_images"].unique()
    assert sorted(real["df"]) == [78] and sorted(real["vasc"]) == [95, 96]
    assert sorted(real["akiec"]) == [220, 221]
    assert "the 78 of df, and of the 95 or 96 of vasc" in text and "200 of the 220 or 221 of akiec" in text
    unsure = rows[rows["degrees_of_freedom"] > 90].query("arm == 'weighted'")["metric"]
    assert {"accuracy", "recall_vasc"} <= set(unsure)
    outside = kept("study-classes", "evaluation/external_contrasts")
    away = outside[(outside["low"] > 0) | (outside["high"] < 0)]
    assert f"Of {len(outside)} intervals there {WORDS[len(away)]} exclude 0, all of *weighted*" in text
    assert set(away["arm"]) == {"weighted"}
    told = stated_intervals(text[text.index("balanced accuracy against the baseline changes by") :])[:9]
    wanted = [(arm, "balanced_accuracy") for arm in ("filtered", "random", "weighted")]
    others = ["macro_roc_auc", "target_roc_auc", "target_recall", "target_specificity", "calibration_error"]
    assert set(away["metric"]) == {"balanced_accuracy", *others}
    table = outside.query("reference == 'baseline'").set_index(["arm", "metric"])
    assert told == [
        tuple(shown(100 * table.loc[key, end], 1) for end in ("difference", "low", "high"))
        for key in (*wanted, *(("weighted", metric) for metric in [*others, "target_operating_recall"]))
    ]
    jobs, hours, gans = work("study-classes")
    assert (
        f"Its {jobs} jobs took {hours:.1f} hours" in text and f"{gans:.1f} of them were for the GANs" in text
    )
    trunks = kept("study-classes", "jobs").query("stage == 'trunk'")["seconds"].sum() / 3600
    assert f"and {trunks:.1f} are those of the trunks" in text
    ours, before = (by_replicate(run)["baseline"] for run in ("study-classes", "study-selectors"))
    assert (ours == before).all()


def test_what_the_runs_of_the_diffusion_models_have_in_common():
    text, rows = page_text(RESULTS), differences("study-diffusion").dropna(subset=["low"])
    assert f"Of {len(rows)} intervals on HAM10000 two exclude 0, and neither" in text
    assert numbers_shown(rows) == ("two", "no")
    beyond = rows[(rows["low"] > 0) | (rows["high"] < 0)]
    assert set(beyond["arm"] + " - " + beyond["reference"] + " " + beyond["metric"]) == {
        "random - blurred macro_roc_auc",
        "filtered - all target_operating_specificity",
    }
    by_contrast = rows.set_index(["arm", "reference", "metric"])
    against = by_contrast.xs("baseline", level="reference")
    for metric, gain in (("target_recall", 0.054), ("accuracy", 0.031)):
        changes = against.xs(metric, level="metric").loc[["filtered", "random", "all"]]
        assert (changes["high"] < gain).all() and (changes["corrected_high"].drop("all") < gain).all()
        if metric == "target_recall":
            assert (changes["high"] > 0.02).all() and changes["low"].drop("all").between(-0.041, -0.039).all()
            assert -0.08 < changes.loc["all", "low"] < -0.078
    most = against["corrected_high"]
    assert f"(*all*: up to {100 * most['all', 'target_recall']:+.1f})" in text
    assert most["all", "accuracy"] < 0.031
    recall = by_contrast.xs("target_recall", level="metric")
    low, high, widest, end = 100 * recall.loc[
        ("random", "blurred"), ["low", "high", "corrected_low", "corrected_high"]
    ].astype(float)
    assert -3 < low < high < 3 < end
    assert f"(by the corrected test not, {widest:+.1f} to {end:+.1f})" in text
    assert recall.loc[("filtered", "blurred"), "low"] < -0.03
    choice = recall.loc[("filtered", "random")]
    assert choice["high"] < 0.02 < choice["corrected_high"]
    freedom = by_contrast["degrees_of_freedom"].reset_index()
    known = {contrast for run, contrast, *_ in answers() if run == "study-diffusion"}
    freedom["contrast"] = freedom["arm"] + " - " + freedom["reference"]
    none = freedom[freedom["contrast"].isin(known) & freedom["metric"].isin(OF_MELANOMA)]
    none = none[none["degrees_of_freedom"] > 600]
    assert set(none["contrast"] + " " + none["metric"]) == {
        *(f"{arm} - baseline accuracy" for arm in ("filtered", "random", "blurred")),
        "filtered - random accuracy",
        "filtered - baseline target_operating_recall",
        "filtered - random target_operating_recall",
    }
    outside = kept("study-diffusion", "evaluation/external_contrasts")
    away = outside[(outside["low"] > 0) | (outside["high"] < 0)]
    assert f"Of {len(outside)} intervals there three exclude 0" in text and len(away) == 3
    assert outside["corrected_low"].isna().all() and 3 < 0.05 * len(outside) < 4
    told = stated_intervals(text[text.index("of melanoma is higher with *random*") :])[:3]
    metrics = ["target_roc_auc", "macro_roc_auc", "target_operating_specificity"]
    order = away.set_index("metric").loc[metrics]
    assert list(order["arm"] + " - " + order["reference"]) == [*2 * ["random - blurred"], "all - baseline"]
    ends = order[["difference", "low", "high"]].to_numpy()
    assert told == [tuple(shown(100 * value, 2) for value in row) for row in ends]
    jobs, hours, gans = work("study-diffusion")
    own = kept("study-diffusion", "jobs").query("stage == 'trunk'")["seconds"].sum() / 3600
    said = f"The other {jobs - 5} jobs took {hours - gans:.1f} hours without the report's page; {own:.1f} of"
    assert said in text
    named = rows[rows["metric"].isin(OF_MELANOMA)].set_index(["arm", "reference"])
    named = named.loc[[*((arm, "baseline") for arm in ("filtered", "random", "all")), ("random", "blurred")]]
    assert len(named) == 16 and (named["low"] < 0).all() and (named["high"] > 0).all()
    finds, area = (
        by_replicate("study-diffusion", metric)["baseline"].mean()
        for metric in ("target_recall", "target_roc_auc")
    )
    said = f"finds {finds:.1f} % of the 1,113 melanomas, and its area under the ROC curve is {area:.1f} %"
    assert said in text
    study = by_replicate("study")[:5]
    assert all((by_replicate("study-diffusion")[arm] == study[arm]).all() for arm in ("baseline", "blurred"))


def test_the_groups_in_which_the_arms_of_the_diffusion_models_differ():
    arms = kept("study-diffusion", "evaluation/subgroups").dropna(subset=["difference_low"])
    pairs = kept("study-diffusion", "evaluation/subgroup_contrasts").dropna(subset=["low"])
    above, below = (
        pairs[(pairs["low"] > 0) | (pairs["high"] < 0)],
        arms[(arms["difference_low"] > 0) | (arms["difference_high"] < 0)],
    )
    assert f"Of {len(arms) + len(pairs)} intervals in groups of patients four do" in page_text(RESULTS)
    assert above["group"].tolist() == ["60 and over", "male", "face"] and (above["low"] > 0).all()
    assert set(above["arm"] + above["reference"] + above["metric"]) == {"randomblurredtarget_roc_auc"}
    (row,) = below.to_dict("records")
    assert (row["arm"], row["group"], row["metric"]) == ("blurred", "male", "target_roc_auc")
    assert row["difference_high"] < 0


def test_what_the_images_of_the_diffusion_models_are_like():
    section = sections()["study-diffusion"]
    ours, before = (
        kept(run, "synthesis/fidelity").pivot(index="gan_seed", columns=["measure", "set"], values="value")
        for run in ("study-diffusion", "study-selectors")
    )

    def span(table: pd.DataFrame, measure: str, of: str = "random", digits: int = 2) -> str:
        values = table[measure][of]
        return f"{values.min():.{digits}f} to {values.max():.{digits}f}"

    assert len(ours) == len(before) == 5
    table = [line.strip(" |").split(" | ") for line in section.splitlines() if line.startswith("  | ")][1:]
    measures = ("density", "coverage", "recall", "frechet_distance", "different_images")
    for measure, (_, _, diffusion, gans, held_out) in zip(measures, table, strict=True):
        digits = 2 if measure in ("density", "coverage", "recall") else 0
        assert diffusion == span(ours, measure, digits=digits)
        assert gans == span(before, measure, digits=digits)
        if measure not in ("density", "different_images"):
            assert held_out == span(ours, measure, "real", digits)
    assert ours["density"]["real"].round(1).eq(1).all() and table[0][-1] == "about 1"
    assert ours["different_images"]["real"].round().eq(31).all() and table[-1][-1] == "31"
    nearer = ours["kernel_distance"]["random"] < before["kernel_distance"]["random"]
    said = f"diffusion models' images is smaller in {WORDS[nearer.sum()]} of the five parts"
    assert said in section
    more = (before["recall"]["random"] > ours["recall"]["random"]).sum()
    assert f"GANs' recall of images is higher in {WORDS[more]} of the five parts" in section
    of_kept = kept("study-diffusion", "synthesis/fidelity").query("set == 'kept'")
    lows = of_kept.set_index("measure")["difference_low"]
    for measure in ("kernel_distance", "frechet_distance", "density"):
        assert len(lows[measure]) == 5 and (lows[measure] > 0).all()
    said = f"of 32 of them only {span(ours, 'different_images', 'kept', 0)} are different ones"
    assert said in section


def test_how_near_the_images_of_the_diffusion_models_are_to_training_photographs():
    section = sections()["study-diffusion"]
    near, before = (
        kept(run, "synthesis/memorisation").set_index("space")
        for run in ("study-diffusion", "study-selectors")
    )
    features, pixels = near.drop("pixels"), near.loc["pixels"]
    shares = [100 * part["share"] for part in (features, pixels)]
    ends = [f"{share.min():.1f} to {share.max():.1f} %" for share in shares]
    assert (
        f"By features, {ends[0]} of the images lie nearer" in section
        and set(features["held_out_images"]) == {361, 362}
        and f"in pixels it is {ends[1]}" in section
    )
    more = (features["low"] > features["expected"]).sum()
    assert f"in {WORDS[more]} of the five models the 95 % interval lies above that" in section
    assert not (pixels["low"] > pixels["expected"]).any()
    most = 100 * before.drop("pixels")["share"].max()
    assert f"(of the GANs' images it is at most {most:.1f} %)" in section
    ours, theirs = (
        kept(run, "synthesis/source-probe")
        .query("compared == 'synthetic' and trunk == 'adapted'")
        .pivot(index="gan_seed", columns="detail", values="auc")
        for run in ("study-diffusion", "study-selectors")
    )
    assert (ours["as they come"] == 1).all() and f"{ours['after the round trip'].min():.3f}" == "0.999"
    assert f"The GANs' images have at least {theirs['after the round trip'].min():.3f} there" in section
    less = (theirs["after the round trip"] < ours["after the round trip"]).sum()
    assert f"less than these in {WORDS[less]} of the five parts" in section


def test_how_many_of_the_intervals_of_equal_sharpness_exclude_zero():
    rows = differences("study-equal")
    own = (rows["low"] > 0) | (rows["high"] < 0)
    in_words, both = numbers_shown(rows)
    text = page_text(RESULTS)
    assert f"{len(rows)} intervals were computed on HAM10000, and {in_words} exclude 0" in text
    assert f"{both} of the {in_words} do so by the corrected" in text
    assert set(rows["metric"][own]) == {"target_recall", "target_precision", "target_specificity"}
    chance = rows.set_index(["arm", "reference", "metric"]).loc[("filtered", "blurred", "target_recall")]
    assert chance["degrees_of_freedom"] == 613  # of the melanoma lesions: none is left for the trainings


def external(run: str, arm: str) -> tuple[str, ...]:
    """The change of recall on the external test set, against the baseline."""
    table = kept(run, "evaluation/external_contrasts").query(
        f"arm == '{arm}' and reference == 'baseline' and metric == 'target_recall'"
    )
    return tuple(shown(100 * table.iloc[0][end], 1) for end in ("difference", "low", "high"))


def test_the_external_test_set_is_told_of_the_run_that_is_named():
    for run, arms in (
        ("study", ("filtered", "all", "blurred_more", "oversampled")),
        ("study-equal", ("filtered", "blurred", "oversampled")),
        ("study-jitter", ("filtered", "blurred", "oversampled")),
        ("study-selectors", ("filtered", "random", "nearest", "diverse", "likely", "uncertain")),
        ("study-whole", ("filtered", "blurred")),
        ("study-diffusion", ("filtered", "random", "all", "blurred")),
        ("study-frozen", ("filtered", "all", "blurred", "oversampled")),
        ("laptop", ("filtered", "all", "blurred", "oversampled")),
    ):
        section = sections()[run]
        told = section[section.index("**On the official test set") :].split("\n")[0]
        assert [external(run, arm) for arm in arms] == stated_intervals(told)[: len(arms)]
        if run in ("study", "laptop"):
            assert external(run, "filtered") in stated_intervals(page_text("README.md"))


def test_p_values_of_the_primary_tests():
    table = kept("study", "evaluation/contrasts").query("role == 'primary'").set_index(["contrast", "metric"])
    order = ["filtered - baseline", "filtered - blurred", "all - blurred_more"]
    recall, area = (
        [f"{table.loc[(contrast, metric), 'p_holm']:.2f}" for contrast in order]
        for metric in ("target_recall", "target_roc_auc")
    )
    said = "the p values are {}, {} and {} for recall, and {}, {} and {} for the area under the curve"
    assert said.format(*recall, *area) in page_text(RESULTS)
    assert len(table) == 6 and (table["p_holm"] >= 0.05).all()  # none of the six is shown


def test_what_the_filter_did_to_the_sets_of_all_gans():
    table = kept("study", "synthesis/fidelity").query("set == 'kept' and measure == 'kernel_distance'")
    table = table[~table["gan_seed"].str.contains("restored")]  # which have seen half of the melanomas
    worse, better = int((table["difference_low"] > 0).sum()), int((table["difference_high"] < 0).sum())
    assert f"in {WORDS[worse]} of {WORDS[len(table)]} GANs" in page_text(RESULTS) and not better
    assert f"in {WORDS[worse]} of {WORDS[len(table)]} GANs" in page_text("README.md")


def test_one_replicate_stands_apart():
    recall = by_replicate("study")
    *others, largest = sorted(recall["filtered"] - recall["blurred"])
    low, high = others[0], others[-1]
    said = f"it has {largest:+.1f} points, the nine others {low:.1f} to {high:+.1f}"
    assert said in page_text(RESULTS)


def test_the_fall_without_half_of_the_melanomas_is_in_every_replicate():
    values = kept("study", "evaluation/metrics").pivot(index="replicate", columns="arm")
    fall = values["target_recall"]["withheld"] - values["target_recall"]["baseline"]
    worse = values["target_roc_auc"]["restored"] - values["target_roc_auc"]["withheld"]
    assert len(fall) == 10 and (fall < 0).all() and (worse < 0).all()
    text = page_text(RESULTS)
    assert "-20.0 (-27.7 to -12.4), in each of the ten replicates" in text
    assert (values["target_roc_auc"]["withheld"] < values["target_roc_auc"]["baseline"]).sum() == 9
    assert "in nine of the ten" in text
    said = f"in each of the ten replicates (from {100 * worse.max():.1f} to {100 * worse.min():.1f})"
    assert said in text


def test_the_replicates_of_the_frozen_trunk_lie_far_apart():
    recall = by_replicate("study-frozen")
    differences = recall["filtered"] - recall["baseline"]
    said = f"by {differences.min():.1f} points in one replicate and by {differences.max():+.1f} in another"
    assert said in page_text(RESULTS)
    epochs = kept("study-frozen", "trainings").groupby(["arm", "replicate"])["epoch"].max()
    assert f"(after {epochs.min()} to {epochs.max()} epochs)" in page_text(RESULTS)


def test_what_the_usual_correction_would_say():
    """Nadeau and Bengio's corrected t: the variance between replicates enlarged by test over training."""
    values = by_replicate("study")

    def interval(contrast: str) -> tuple[float, float]:
        arm, reference = contrast.split(" - ")
        differences = values[arm] - values[reference]
        error = differences.std() * math.sqrt(1 / len(differences) + 0.2 / 0.675)
        half = t.ppf(0.975, len(differences) - 1) * error
        return differences.mean() - half, differences.mean() + half

    end = interval("filtered - baseline")[1]
    assert f"excluded from {end:.1f} points on, not from 2" in page_text(RESULTS)
    assert f"by the usual, more cautious test only one of {end:.1f} points or more" in page_text("README.md")
    for contrast in ("all - baseline", "blurred_more - baseline"):
        assert interval(contrast)[0] < 0 < interval(contrast)[1]
    for contrast in ("blurred - oversampled", "blurred_more - oversampled_more", "withheld - baseline"):
        assert interval(contrast)[1] < 0
    controls = kept("study", "evaluation/controls").set_index(["contrast", "metric"])
    control = 100 * controls.loc[("withheld - baseline", "target_roc_auc")]
    ends = (f"{control[name]:+.1f}" for name in ("difference", "corrected_low", "corrected_high"))
    assert "{} ({} to {} by that test)".format(*ends) in page_text(RESULTS)
    restored = controls.loc[("restored - withheld", "target_recall"), "corrected_high"]
    assert f"in the place of the missing half from {100 * restored:.1f} points on." in page_text(RESULTS)
    assert controls.loc[("restored - withheld", "target_roc_auc"), "corrected_high"] < 0
    for contrast in ("oversampled - baseline", "oversampled_more - baseline"):
        assert interval(contrast)[0] > 0


@pytest.mark.parametrize(
    ("run", "least"),
    [
        ("study", 6),
        ("study-equal", 1),
        ("study-jitter", 0),
        ("study-selectors", 0),
        ("study-whole", 0),
        ("study-classes", 2),
        ("study-diffusion", 0),
    ],
)
def test_the_marked_changes_are_those_that_the_corrected_test_shows_too(run, least):
    rows = differences(run)
    rows = rows[shown_by_both(rows)]
    shown = set(zip(rows["arm"] + " - " + rows["reference"], rows["metric"], strict=True))
    cells = [each for each in answers() if each[0] == run]
    marked = {(contrast, metric) for _, contrast, metric, cell in cells if "\N{DAGGER}" in cell}
    assert marked == {(contrast, metric) for _, contrast, metric, _ in cells} & shown and len(marked) >= least


def test_recall_by_groups():
    table = kept("study", "evaluation/subgroups").query("arm == 'baseline' and metric == 'target_recall'")
    found = {group: f"{100 * mean:.0f} %" for group, mean in zip(table["group"], table["mean"], strict=True)}
    said = "({} under 40 years, {} from 60) and in women ({}, in men {})"
    groups = ("under 40", "60 and over", "female", "male")
    assert said.format(*(found[group] for group in groups)) in page_text(RESULTS)


def test_the_groups_in_which_filtered_and_blurred_differ():
    table = kept("study", "evaluation/subgroup_contrasts").query("metric == 'target_recall'")
    beyond = (table["low"] > 0) | (table["high"] < 0)
    asked = (table["arm"] == "filtered") & (table["reference"] == "blurred")
    assert not beyond[asked].any()
    text = page_text(RESULTS)
    told = asked & table["low"].notna()
    assert f"recall is shown to differ in none of {told.sum()} groups (in a 14th, *foot* with 28 mel" in text
    (without,) = table[asked & ~told].to_dict("records")
    assert (without["group"], without["target_images"], asked.sum()) == ("foot", 28, 14)
    others, sharper = table[~asked], table["reference"].str.startswith("oversampled")
    assert len(others.drop_duplicates(["arm", "reference"])) == 7
    said = f"the other seven contrasts between two arms have {others['low'].notna().sum()} intervals in these"
    assert said in text and (table["high"][sharper & beyond] < 0).all()
    counts = (table["low"][sharper].notna().sum(), (sharper & beyond).sum())
    assert "Of the {} of blurred against sharp copies {} exclude 0".format(*counts) in text
    rest = table["low"][~asked & ~sharper].notna().sum()
    assert f"of the other {rest} {WORDS[int((beyond & ~sharper).sum())]} exclude 0" in text


def test_the_arms_that_differ_on_the_external_test_set():
    table = kept("study", "evaluation/external_contrasts").query("reference != 'baseline'")
    beyond = table[(table["low"] > 0) | (table["high"] < 0)]
    assert beyond["arm"].str.startswith("blurred").all()
    assert beyond["reference"].str.startswith("oversampled").all()
    text = page_text(RESULTS)
    said = f"{len(table)} intervals were computed on this test set; {WORDS[len(beyond)]} of them exclude 0"
    assert said in text and f"and all {WORDS[len(beyond)]} are of blurred against sharp copies" in text
    told = sections()["study"]
    told = stated_intervals(told[told.index("Blurred in place of sharp, the same melanomas lower") :])[:6]
    sharp = (("blurred", "oversampled"), ("blurred_more", "oversampled_more"))
    asked = [(*pair, metric) for metric in ("target_recall", "target_roc_auc") for pair in sharp]
    asked += [("filtered", "blurred", "target_recall"), ("all", "blurred_more", "target_recall")]
    rows = table.set_index(["arm", "reference", "metric"])
    for row, stated in zip(asked, told, strict=True):
        digits = 2 if row[2] == "target_roc_auc" else 1
        found = rows.loc[row]
        assert stated == tuple(shown(100 * found[end], digits) for end in ("difference", "low", "high"))


def test_the_share_of_test_images_of_trained_lesions():
    counts = kept("laptop", "evaluation/metrics_by_lesion").query("arm == 'baseline' and replicate == 0")
    by_lesion = counts.set_index("lesions")
    for column, words in (("images", "test images"), ("target_images", "test melanomas")):
        share = 100 * by_lesion.loc["seen", column] / by_lesion[column].sum()
        assert f"{share:.1f} % of the {words}" in page_text(RESULTS)


# --- times ---------------------------------------------------------------------------------------


def test_the_seconds_of_jobs():
    jobs = kept("study", "jobs").query("stage != 'report'")
    assert f"Its {len(jobs)} jobs took {jobs['seconds'].sum() / 3600:.1f} hours" in page_text(RESULTS)


def test_the_memory_of_jobs():
    text = page_text("README.md")
    for run in ("laptop", "study", "fullsize-rigorous"):
        row = next(line for line in text.splitlines() if line.startswith(f"| `{run}.yaml`"))
        assert f"{kept(run, 'jobs')['peak_memory_mb'].max() / 1000:.1f} GB a job" in row
