"""A finished run's results as data: what the page says in its opening is worked out from them."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd

from helpers.data.sources import SOURCES, Source
from helpers.evaluation.controls import Control
from helpers.evaluation.metrics import RECALL_OF
from helpers.evaluation.paper import published
from helpers.evaluation.verdicts import Verdict, verdict_of
from helpers.files import read_table
from helpers.params import Params
from helpers.paths import RunPaths, require
from helpers.report.page.records import read_json, read_records
from helpers.report.results.convergence import late_gain
from helpers.report.words import decimals_of, listed

Row = dict[str, Any]  # of a table, by column


@dataclass(frozen=True)
class Results:
    """The tables of a run that the page draws on; absent ones are empty."""

    run: RunPaths
    params: Params
    manifest: dict[str, Any]
    split: pd.DataFrame
    metrics: pd.DataFrame  # evaluation/metrics.csv, and the recall of each class
    arms_table: pd.DataFrame  # evaluation/arms.csv: mean and interval of each arm; and those of each class
    comparisons: pd.DataFrame
    contrasts: pd.DataFrame
    controls: pd.DataFrame
    trainings: pd.DataFrame
    records: list[dict[str, Any]]

    # --- what the run is about

    @property
    def source(self) -> Source:
        """Where the images come from."""
        return SOURCES.get(self.params.data.source)

    @property
    def target(self) -> str:
        """The plain name of the class that the report watches."""
        return self.class_name(self.params.data.target_class)

    def class_name(self, code: str) -> str:
        """The plain name of a class of the data."""
        return self.source.class_names.get(code, code)

    def classes_without_target(self, arm: str) -> tuple[str, ...]:
        """The classes whose images an arm adds, by their names in the data, where the target is not one."""
        classes = self.params.synthetic_classes(arm)
        return () if self.params.data.target_class in classes else classes

    @property
    def recalls_asked(self) -> dict[str, str]:
        """The recalls that the run asks about, as names of metrics, each with its class as pages name it.

        That of the target, or where the run's GAN does not learn the target those of the classes it learns.
        """
        if self.params.trains_gan and not self.params.makes_target:
            return {f"{RECALL_OF}{name}": name for name in self.params.gan_classes}
        return {"target_recall": self.target}

    @property
    def title(self) -> str:
        """report.title; its default speaks of melanoma, and of the images' classes where they are others."""
        title = self.params.report.title
        if title != Params().report.title:
            return title
        if self.params.trains_gan and not self.params.makes_target:
            return title.replace("melanoma", listed(list(map(self.class_name, self.params.gan_classes))))
        return title if self.source.beside_paper else title.replace("melanoma", self.target)

    @property
    def beside_paper(self) -> bool:
        """Whether the paper's results may stand beside the run's: its GAN makes images of the target, too."""
        return self.source.beside_paper and self.params.makes_target

    @property
    def arms(self) -> list[str]:
        """Arms in the order of the parameters."""
        return list(self.params.arms)

    @property
    def others(self) -> list[str]:
        """The arms that are compared with the reference."""
        return [arm for arm in self.arms if arm != self.params.evaluation.reference]

    # --- the paper's numbers

    def paper_value(self, arm: str, metric: str) -> float | None:
        """The paper's own number (share) for one of its arms.

        None where the paper has none, and where this run is about another data set or another generator.
        """
        if not self.beside_paper:
            return None
        # balanced multiclass accuracy is macro recall; the paper prints it under that name alone
        return _paper_metrics().get((arm, "macro_recall" if metric == "balanced_accuracy" else metric))

    def paper_change(self, arm: str, metric: str) -> float | None:
        """The paper's difference (share) of an arm to the reference, where it has both."""
        reference = self.params.evaluation.reference
        value, base = self.paper_value(arm, metric), self.paper_value(reference, metric)
        return None if arm == reference or value is None or base is None else value - base

    # --- test images

    def images(self, metric: str) -> int:
        """Test images behind a metric: those of its class for a recall, else all; 0 without a split.

        Every image of folds is a test image once in each deal, and counts once.
        """
        if not {"split", "dx"} <= set(self.split.columns):
            return 0
        chosen = (self.split["split"] == "test") | (self.params.parts > 1)
        if metric.startswith("target_"):
            chosen &= self.split["dx"] == self.params.data.target_class
        if metric.startswith(RECALL_OF):
            chosen &= self.split["dx"] == metric.removeprefix(RECALL_OF)
        return int(chosen.sum())

    def places(self, metric: str) -> int:
        """Decimals of a percentage of so many images.

        One image of fewer than 50 is worth more than two points. Where the images are not known, as for 50.
        """
        return decimals_of(metric, self.images(metric) or 50)

    # --- arms and their comparisons

    def values(self, arm: str, metric: str) -> pd.Series:
        """A metric of an arm, one value (share) per replicate."""
        if metric not in self.metrics or "arm" not in self.metrics:
            return pd.Series(dtype=float)
        return self.metrics.loc[self.metrics["arm"].astype(str) == arm, metric].dropna()

    def interval(self, arm: str, metric: str) -> tuple[float, float] | None:
        """The ends of the interval of an arm's mean; None where there is none."""
        row = _first(self.arms_table, arm=arm, metric=metric)
        if row is None or pd.isna(row.get("low")) or pd.isna(row.get("high")):
            return None
        return row["low"], row["high"]

    def comparison(self, arm: str, metric: str) -> Row | None:
        """The row of comparisons.csv for an arm against the reference."""
        return _first(self.comparisons, arm=arm, metric=metric, reference=self.params.evaluation.reference)

    def contrast(self, arm: str, reference: str, metric: str) -> Row | None:
        """The row of contrasts.csv, or else of comparisons.csv or of controls.csv, for two arms."""
        wanted = {"arm": arm, "reference": reference, "metric": metric}
        tables = (self.contrasts, self.comparisons, self.controls)
        return next((row for table in tables if (row := _first(table, **wanted))), None)

    def verdict(self, arm: str, metric: str) -> Verdict | None:
        """What the interval of an arm's change says; None where nothing is compared."""
        row = self.comparison(arm, metric)
        return None if row is None else verdict_of(row, self.params.evaluation.smallest_effect)

    def is_still(self, metric: str) -> bool:
        """Whether no arm's mean differs from the reference's by the smallest effect of interest."""
        changes = [row["difference"] for arm in self.arms if (row := self.comparison(arm, metric))]
        return bool(changes) and max(map(abs, changes)) < self.params.evaluation.smallest_effect

    def control(self, control: Control, metric: str = "target_recall") -> Row | None:
        """The row of controls.csv of a control."""
        return _first(self.controls, contrast=control.contrast, metric=metric)


@cache
def _paper_metrics() -> pd.Series:
    """The paper's numbers (shares) by arm and metric."""
    return published()["metrics"].set_index(["arm", "metric"])["value"]


def _first(table: pd.DataFrame, **wanted: str) -> Row | None:
    """The first row of a table with these texts in these columns; None without one."""
    if not set(wanted) <= set(table.columns):
        return None
    rows = table
    for column, value in wanted.items():
        rows = rows[rows[column].astype(str) == value]
    return None if rows.empty else rows.iloc[0].to_dict()


def named_recalls(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a recall in a table by class and metric, each with the class in its name: recall_df."""
    if not {"class", "metric"} <= set(table.columns):
        return pd.DataFrame()
    rows = table[(table["metric"] == "recall") & table["class"].notna() & (table["class"] != "")]
    return rows.assign(metric=RECALL_OF + rows["class"].astype(str))


def _with_recalls(metrics: pd.DataFrame, per_class: pd.DataFrame) -> pd.DataFrame:
    """metrics.csv with a column for the recall of each class of per_class.csv: recall_df."""
    keys = ["arm", "replicate"]
    if not {*keys, "class", "recall"} <= set(per_class.columns) or not set(keys) <= set(metrics.columns):
        return metrics
    recalls = per_class.pivot(index=keys, columns="class", values="recall").add_prefix(RECALL_OF)
    return metrics.join(recalls, on=keys)


def read_results(run: RunPaths, params: Params) -> Results:
    """Read every table of a run; raises MissingStageError where the evaluation has not run."""
    require(run.evaluation / "metrics.csv", "evaluation")
    return Results(
        run=run,
        params=params,
        manifest=read_json(run.manifest, {}),
        split=read_table(run.split),
        metrics=_with_recalls(
            read_table(run.evaluation / "metrics.csv"), read_table(run.evaluation / "per_class.csv")
        ),
        arms_table=pd.concat(
            [
                read_table(run.evaluation / "arms.csv"),
                named_recalls(read_table(run.evaluation / "arms_per_class.csv")),
            ]
        ),
        comparisons=read_table(run.evaluation / "comparisons.csv"),
        contrasts=read_table(run.evaluation / "contrasts.csv"),
        controls=read_table(run.evaluation / "controls.csv"),
        trainings=_trainings(run, params),
        records=read_records(run, params),
    )


def _trainings(run: RunPaths, params: Params) -> pd.DataFrame:
    """One row per training of the classifier, in the order of arms and replicates."""
    rows = []
    for arm in params.arms:
        for replicate in range(params.replicates):
            folder = run.classifier(arm, replicate)
            summary = read_json(folder / "summary.json")
            if summary is not None:
                seconds = read_json(folder / "timing.json", {}).get("seconds")
                gain = late_gain(read_table(folder / "history.csv"))
                known = {"seconds": seconds, "late_gain": gain}
                rows.append({"arm": arm, "replicate": replicate} | summary | known)
    return pd.DataFrame(rows)
