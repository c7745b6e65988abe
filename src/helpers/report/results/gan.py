"""The training of the generative network, in the paper's terms."""

from collections import Counter

import pandas as pd

from helpers.data.by_class import CLASS, rows_of_class
from helpers.files import read_table
from helpers.params import Params
from helpers.paths import RunPaths, require
from helpers.report.gan import has_scores
from helpers.report.paper_values import Paper
from helpers.report.synthesis.fidelity import filter_outcome
from helpers.report.table import Format, Table, of_row
from helpers.report.words import NONE, missing, plain, significant, with_interval

KERNEL = "kernel_distance"


def read_training(run: RunPaths, params: Params) -> tuple[pd.DataFrame, pd.DataFrame]:
    """history.csv of the first GAN and scores.csv of its images; an empty history where the run trains none.

    Raises MissingStageError where they are not made yet.
    """
    seed = params.gan.seeds[0]
    if not params.trains_gan:
        return pd.DataFrame(), pd.read_csv(require(run.synthetic(seed) / "scores.csv", "synthesis"))
    history = pd.read_csv(require(run.gan(seed) / "history.csv", "gan"))
    return history, pd.read_csv(require(run.synthetic(seed) / "scores.csv", "synthesis"))


def filters_of_all_gans(run: RunPaths, params: Params) -> pd.DataFrame | None:
    """The kernel distance of as many images at random and of the kept ones, and their difference with its
    interval, a row for each GAN of the run.

    Read from fidelity.csv of every synthesis; of several classes, of the first. None where the run trains
    fewer than two GANs, of which the figures of the one say all, or none of them can be compared. Raises
    MissingStageError where a synthesis is not made yet.
    """
    if not params.trains_gan or len(params.gan.seeds) < 2:
        return None
    rows = []
    for seed in params.gan.seeds:
        table = read_table(require(run.synthetic(seed) / "fidelity.csv", "synthesis"))
        table = rows_of_class(table, params.gan_classes[0])
        of_set = table[table["measure"] == KERNEL].set_index("set")
        if {"kept", "random"} <= set(of_set.index) and pd.notna(of_set.at["kept", "difference_low"]):
            kept = of_set.loc["kept"]
            rows.append(
                {"seed": seed, "random": of_set.at["random", "value"], "kept": kept["value"]}
                | {end: kept[end] for end in ("difference", "difference_low", "difference_high")}
                | {"filtering": filter_outcome(KERNEL, kept["difference_low"], kept["difference_high"])}
            )
    return pd.DataFrame(rows) if rows else None


def filters_sentence(found: pd.DataFrame | None) -> str | None:
    """In how many of the run's networks the filter makes the set better or worse than a random choice.

    ``found`` is the answer of ``filters_of_all_gans``; None without one.
    """
    if found is None:
        return None
    counts = Counter(found["filtering"])
    return (
        "What is shown here is of the first generative network. Judged by the kernel distance, the images "
        "that the filter kept lie farther from the real ones than as many at random in "
        f"{counts['worsens']} of {len(found)} networks, and nearer in {counts['improves']}; in "
        f"{counts['no difference shown']} no difference is shown."
    )


def filters_table(found: pd.DataFrame | None) -> Table | None:
    """The rows of ``filters_of_all_gans`` as a table; None without any."""
    if found is None:
        return None
    formats: dict[str, Format] = dict.fromkeys(("random", "kept"), significant)
    formats["difference"] = of_row(
        lambda row: with_interval(
            row["difference"], row["difference_low"], row["difference_high"], signed=True
        )
    )
    headers = {
        "seed": "GAN seed",
        "random": "as many at random",
        "kept": "kept by the filter",
        "difference": "kept less random",
    }
    return Table(found, formats, headers, hidden=("difference_low", "difference_high"))


def _amounts(history: pd.DataFrame, scores: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Quantity, label and value of how much was trained, painted and kept."""
    kept = int(scores["selected"].sum())
    return [
        ("epochs", "Epochs", plain(float(history["epoch"].max()))),
        ("steps", "Generator steps", plain(int(history["step"].max()))),
        ("synthetic_images", "Synthetic images", plain(len(scores))),
        ("kept_images", "Kept by the filter", plain(kept)),
        ("kept_percent", "Kept, %", f"{100 * kept / len(scores):.0f}"),
    ]


def gan_results_table(history: pd.DataFrame, scores: pd.DataFrame, paper: Paper) -> Table | None:
    """What the paper publishes of its GAN's training beside what history.csv and scores.csv of this run hold.

    Where each class has a GAN of its own, each has a column. The first tenth of the training is left out of
    the ranges. None where no GAN was trained.
    """
    if history.empty:
        return None
    separate = list(dict.fromkeys(history[CLASS].astype(str))) if CLASS in history else []
    headers = {f"this_run_{name}": f"this run, {name}" for name in separate} or {"this_run": "this run"}
    columns: dict[str, list[str]] = {}
    for column, name in zip(headers, separate or [""], strict=True):
        mine = rows_of_class(scores, name) if separate else scores
        rows = _quantities(rows_of_class(history, name), mine)
        columns[column] = [value for _, _, value in rows]
    frame = pd.DataFrame({"quantity": [label for _, label, _ in rows]} | columns)
    if has_scores(history) and len(stated := paper["gan_results"]):
        theirs = {row.quantity: _bounds(row.low, row.high) for row in stated.itertuples()}
        frame.insert(1, "paper", [theirs.get(key, NONE) for key, _, _ in rows])
    return Table(frame, {}, headers)


def _quantities(history: pd.DataFrame, scores: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Quantity, label and value of one training; of a recipe without a critic, its loss alone."""
    late = history.iloc[len(history) // 10 :]
    if not has_scores(history):
        label = "Loss: median (5th to 95th percentile)"
        return [("loss", label, _with_range(late["loss"])), *_amounts(history, scores)]
    penalty = late["gradient_penalty"]
    return [
        (
            "generator_loss",
            "Generator loss: median (5th to 95th percentile)",
            _with_range(late["generator_loss"]),
        ),
        ("discriminator_loss", "Critic loss: median", plain(late["critic_loss"].median())),
        (
            "separation",
            "Logged steps with D(real) above D(fake)",
            f"{100 * (late['score_real'] > late['score_fake']).mean():.0f} %",
        ),
        (
            "gradient_penalty",
            "Gradient penalty: median (95th percentile)",
            f"{plain(penalty.median())} ({plain(penalty.quantile(0.95))})",
        ),
        *_amounts(history, scores),
    ]


def _with_range(values: pd.Series) -> str:
    """Median, and the 5th and 95th percentile."""
    low, middle, high = values.quantile([0.05, 0.5, 0.95])
    return f"{plain(middle)} ({plain(low)} to {plain(high)})"


def _bounds(low: float, high: float) -> str:
    """A published range in words."""
    return (
        f"under {plain(float(high))}"
        if missing(low)
        else plain(float(high))
        if low == high
        else f"{plain(float(low))} to {plain(float(high))}"
    )
