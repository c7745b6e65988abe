"""Whether the classifier's own features tell synthetic images from real ones: the probe of sources."""

import pandas as pd
from matplotlib.figure import Figure

from helpers.gan.probe import FEWEST
from helpers.report.drawing import DASHED, FAINT, INK, SYNTHETIC, draw_interval, name_rows
from helpers.report.style import styled
from helpers.report.table import Table, of_row
from helpers.report.words import capitalised, listed, missing

TRUNK_NAMES = {
    "imagenet": "ImageNet trunk",
    "none": "trunk of random weights",
    "file": "trunk from a file",
    "adapted": "adapted trunk",
}
SOURCE_NAMES = {
    "synthetic": "synthetic",
    "training": "real, training",
    "blurred training": "real, training, reduced and enlarged",
}
DETAILS = {  # what a caption says of the values of the column detail
    "as they come": "*As they come*: the images as the classifier sees them.",
    "after the round trip": (
        "*After the round trip*: all images, the real ones too, were first reduced to the size of the "
        "synthetic ones and enlarged again. If synthetic images are still told apart after all images were "
        "reduced in the same way, blur is not the only cue."
    ),
}
CHANCE = 0.5


def probe_table(probe: pd.DataFrame) -> Table:
    """synthetic/seed-<g>/source-probe.csv: a row for each trunk, detail and source."""
    frame = probe[["trunk", "detail", "compared", "images", "others", "auc", "low", "high"]]
    formats = {
        "trunk": TRUNK_NAMES.__getitem__,
        "compared": SOURCE_NAMES.__getitem__,
        "auc": of_row(lambda row: _with_ends(row["auc"], row["low"], row["high"])),
    }
    headers = {
        "trunk": "features of",
        "detail": "all images",
        "compared": "told from held-out real ones",
        "others": "held-out images",
        "auc": "area under the ROC curve",
    }
    return Table(frame, formats, headers, ("low", "high"))


@styled
def probe_figure(probe: pd.DataFrame) -> Figure | None:
    """The areas with their intervals, a panel for each trunk; a dashed line is chance.

    None where there were too few images for any.
    """
    if probe["auc"].isna().all():
        return None
    trunks = list(dict.fromkeys(probe["trunk"]))
    most = int(probe["trunk"].value_counts().max())
    figure = Figure(figsize=(9, 1.0 + 0.34 * most))
    panels = figure.subplots(1, len(trunks), squeeze=False, sharex=True, sharey=True)[0]
    for axes, trunk in zip(panels, trunks, strict=True):
        rows = probe[probe["trunk"] == trunk].reset_index(drop=True)
        for place, row in rows.iterrows():
            colour = SYNTHETIC if row["compared"] == "synthetic" else INK
            draw_interval(axes, float(str(place)), row["auc"], (row["low"], row["high"]), colour)
        axes.axvline(CHANCE, color=FAINT, linestyle=DASHED, linewidth=1)
        axes.set_title(capitalised(TRUNK_NAMES[trunk]))
        axes.set_xlabel("area under the ROC curve")
        axes.set_xlim(min(0.4, probe["low"].min() - 0.02), 1.02)
        axes.grid(False, axis="y")
        name_rows(axes, [f"{SOURCE_NAMES[row.compared]}, {row.detail}" for row in rows.itertuples()])
    return figure


def probe_caption(probe: pd.DataFrame) -> str:
    """What ``probe_figure`` shows, and what the words at its rows mean."""
    text = (
        "How well a linear probe on features of a frozen network tells images from held-out real ones: area "
        "under the ROC curve, cross-validated by lesion, and its 95 % interval by a bootstrap over "
        "lesions. The dashed line is chance."
    )
    text += "".join(f" {words}" for detail, words in DETAILS.items() if detail in set(probe["detail"]))
    return text


def probe_sentence(probe: pd.DataFrame) -> str:
    """How well the sources are told apart on the trunk that the arms stand on, beside the floors."""
    own = probe[probe["trunk"] == probe["trunk"].iloc[-1]]  # the adapted one, where the run has it
    first = own.iloc[0]
    if own["auc"].isna().all():
        return (
            "Whether the classifier's features tell synthetic images from real ones cannot be told: a probe "
            f"needs at least {FEWEST} lesions on either side, and {int(first['others'])} images were held "
            "out."
        )
    areas = {
        (row["detail"], row["compared"]): _with_ends(row["auc"], row["low"], row["high"])
        for row in own.to_dict("records")
    }
    told = [f"{area} {detail}" for (detail, source), area in areas.items() if source == "synthetic"]
    floors = [
        f"{SOURCE_NAMES[source]}: {area}"
        for (detail, source), area in areas.items()
        if detail == first["detail"] and source != "synthetic"
    ]
    return (
        f"In the features of the {TRUNK_NAMES[first['trunk']]} a linear probe tells synthetic images from "
        f"held-out real ones ({first['held_out']}) with an area under the ROC curve of "
        f"{listed(told)}; chance is {CHANCE}. The floors, {first['detail']}: {'; '.join(floors)}."
    )


def _with_ends(auc: float, low: float, high: float) -> str:
    return "too few images" if missing(auc) else f"{auc:.2f} ({low:.2f} to {high:.2f})"
