"""The training of the generative network, in the paper's terms."""

import pandas as pd

from helpers.params import Params
from helpers.paths import RunPaths, require
from helpers.report.gan import has_scores
from helpers.report.paper_values import Paper
from helpers.report.table import Table
from helpers.report.words import NONE, missing, plain


def read_training(run: RunPaths, params: Params) -> tuple[pd.DataFrame, pd.DataFrame]:
    """history.csv of the first GAN and scores.csv of its images; an empty history where the run trains none.

    Raises MissingStageError where they are not made yet.
    """
    seed = params.gan.seeds[0]
    if not params.trains_gan:
        return pd.DataFrame(), pd.read_csv(require(run.synthetic(seed) / "scores.csv", "synthesis"))
    history = pd.read_csv(require(run.gan(seed) / "history.csv", "gan"))
    return history, pd.read_csv(require(run.synthetic(seed) / "scores.csv", "synthesis"))


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


def _without_critic(history: pd.DataFrame, scores: pd.DataFrame) -> Table:
    """The same of a recipe whose loss no number of the paper can be compared with."""
    late = history.iloc[len(history) // 10 :]["loss"]
    value = f"{plain(late.median())} ({plain(late.quantile(0.05))} to {plain(late.quantile(0.95))})"
    rows = [("loss", "Loss: median (5th to 95th percentile)", value), *_amounts(history, scores)]
    frame = pd.DataFrame([{"quantity": label, "this_run": ours} for _, label, ours in rows])
    return Table(frame, {}, {"this_run": "this run"})


def gan_results_table(history: pd.DataFrame, scores: pd.DataFrame, paper: Paper) -> Table | None:
    """What the paper publishes of its GAN's training beside what history.csv and scores.csv of this run hold.

    The first tenth of the training is left out of the ranges. None where no GAN was trained.
    """
    if history.empty:
        return None
    if not has_scores(history):
        return _without_critic(history, scores)
    theirs = {row.quantity: _bounds(row.low, row.high) for row in paper["gan_results"].itertuples()}
    late = history.iloc[len(history) // 10 :]
    low, middle, high = late["generator_loss"].quantile([0.05, 0.5, 0.95])
    penalty = late["gradient_penalty"]
    rows = [
        (
            "generator_loss",
            "Generator loss: median (5th to 95th percentile)",
            f"{plain(middle)} ({plain(low)} to {plain(high)})",
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
    frame = pd.DataFrame(
        [{"quantity": label, "paper": theirs.get(key, NONE), "this_run": ours} for key, label, ours in rows]
    )
    return Table(frame if theirs else frame.drop(columns="paper"), {}, {"this_run": "this run"})


def _bounds(low: float, high: float) -> str:
    """A published range in words."""
    return (
        f"under {plain(float(high))}"
        if missing(low)
        else plain(float(high))
        if low == high
        else f"{plain(float(low))} to {plain(float(high))}"
    )
