"""The synthetic images class by class; nothing where there is one class."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.data.by_class import CLASS, rows_of_class
from helpers.params import Params
from helpers.report.drawing import without_images
from helpers.report.measures import measure_name
from helpers.report.pictures import image_rows, photographs_sentence, rows_shown, veil
from helpers.report.table import Table
from helpers.report.words import NONE, listed, missing, percent, significant

COLUMNS = 8  # images of a row
HELD_OUT = "held-out real"


def classes_section(params: Params) -> str | None:
    """Heading and words before the figure and the table of the GAN's classes; None for one."""
    names = params.gan_classes
    if len(names) < 2:
        return None
    how = (
        f"One conditional GAN paints {listed(names)}. It was told the class of every image and learned from "
        "each class equally often, so that a rare class was seen more often than its share."
        if params.gan.conditional
        else f"A GAN of its own paints each of {listed(names)}; it learned from the photographs of its class "
        "alone."
    )
    return (
        f"## Class by class\n\n{how} All other figures and tables of this notebook show "
        f"{names[0]}; here every class stands with the same measures. Images in one column come from the "
        "same random numbers. Look first whether the classes differ as their photographs do, and then "
        "whether the rarest one repeats its few photographs."
    )


def shown_class_sentence(params: Params) -> str | None:
    """Of which class the other numbers and pictures are; None where there is one."""
    names = params.gan_classes
    if len(names) < 2:
        return None
    return (
        f"Synthetic images of {listed(names)} are made. The numbers and pictures of this section are those "
        f"of {names[0]}; the supplement has each class (*Class by class*)."
    )


def class_samples(
    real: Mapping[str, np.ndarray], images: np.ndarray, scores: pd.DataFrame, policy: str = "show"
) -> Figure | None:
    """For each class a row of real training images, where they are shown, above one of synthetic images; None
    for one class.

    ``real`` maps a class to its images, uint8 (n, R, R, 3), shown as ``policy`` says; ``images`` are those of
    scores.csv, whose columns are class, index and seed among others, or none where they are on another
    machine.
    """
    if CLASS not in scores:
        return None
    if not len(images):
        return without_images()
    rows: dict[str, Sequence[np.ndarray]] = {}
    for name, own in real.items():
        first = rows_of_class(scores, name).sort_values("seed")["index"].iloc[:COLUMNS]
        rows[f"Real {name}"] = veil(list(own[:COLUMNS]), policy)
        rows[f"Synthetic {name}"] = [images[index] for index in first]
    return image_rows(rows_shown(rows))


def samples_caption(policy: str) -> str:
    """What ``class_samples`` shows, where photographs are shown as ``policy`` says."""
    start = (
        "Synthetic images of every class; those in one column come from the same random numbers."
        if policy == "omit"
        else "Every class: real training images above synthetic ones of the same random numbers."
    )
    return f"{start} {photographs_sentence(policy)}"


def samples_alt(policy: str) -> str:
    """What ``class_samples`` shows, for those who do not see it."""
    real = "" if policy == "omit" else "a row of real images above "
    return f"For each class {real}a row of synthetic images."


def class_table(tables: Mapping[str, pd.DataFrame]) -> Table | None:
    """A row for each class: how near its images are to real ones, how various, how new; None for one class.

    ``tables`` are those of the stage synthesis by name. Beside kernel distance, coverage and the area of the
    probe of sources stands what held-out real images or real training images reach.
    """
    if CLASS not in tables["scores"]:
        return None
    rows = []
    for name, scores in tables["scores"].groupby(CLASS, sort=False):
        values = _of_class(tables, "fidelity", name).set_index(["set", "measure"])["value"]
        probe = _of_class(tables, "source-probe", name).drop_duplicates("compared").set_index("compared")
        nearer = _of_class(tables, "memorisation", name).iloc[0]
        row = {"class": name, "images": len(scores), "kept": int(scores["selected"].sum())}
        for measure in ("kernel_distance", "coverage"):
            row[measure] = _beside(values.get(("random", measure)), values.get(("real", measure)))
        row["probe"] = _beside(probe["auc"].get("synthetic"), probe["auc"].get("training"))
        row["nearer"] = NONE if missing(nearer["share"]) else percent(nearer["share"], 0)
        rows.append(row | {"learned_from": int(nearer["training_images"])})
    features = tables["fidelity"]["features"].iloc[0]
    headers = {
        measure: f"{measure_name(measure, features)} ({HELD_OUT})"
        for measure in ("kernel_distance", "coverage")
    }
    headers |= {
        "probe": "told from held-out real, AUC (real training)",
        "nearer": "nearer to a training image than 95 % of new lesions, %",
        "learned_from": "training images",
    }
    return Table(pd.DataFrame(rows), {}, headers)


def _of_class(tables: Mapping[str, pd.DataFrame], table: str, name: object) -> pd.DataFrame:
    return rows_of_class(tables[table], str(name))


def _beside(value: Any, floor: Any) -> str:
    """'0.52 (0.11)'; a dash for what was not measured, as where few real images are held out."""
    shown, other = (NONE if missing(each) else significant(float(each), 2) for each in (value, floor))
    return f"{shown} ({other})"
