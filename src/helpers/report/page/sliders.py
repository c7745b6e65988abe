"""Tables that a reader can move: arms at a threshold, and the filter at a share that is kept.

Each is a whole table at one place of its slider. The values at all places stand beside it as data, and the
page's script shows the slider and fills in the others.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup

from helpers.data.by_class import rows_of_class
from helpers.files import read_table
from helpers.params import Params
from helpers.paths import RunPaths
from helpers.report.measures import MEASURE_NAMES, measure_name
from helpers.report.page.results import Results
from helpers.report.pictures import picture_row, smaller
from helpers.report.words import capitalised, percent, points, significant, with_interval

START = 0.1  # threshold probability of the table without a script
STRIP, TILE = 30, 32  # images that show where the filter cuts; pixels of each

Steps = Mapping[str, Sequence[Sequence[str]]]  # by row: at each place of the slider, a text for each column


def threshold_table(results: Results) -> Markup:
    """Recall, false alarms and net benefit of every arm at one threshold probability; empty without them."""
    table = read_table(results.run.evaluation / "decision_curve.csv")
    if not {"recall", "false_alarms"} <= set(table.columns) or table.empty:
        return Markup("")
    places = results.places("target_recall")
    thresholds = sorted(set(table["threshold"]))
    steps: dict[str, list[list[str]]] = {}
    for arm, part in table.groupby("arm", sort=False):
        steps[str(arm)] = [
            [percent(row["recall"], places), percent(row["false_alarms"]), points(row["mean"])]
            for row in part.sort_values("threshold").to_dict("records")
        ]
    everyone = table.drop_duplicates("threshold").sort_values("threshold")["act_on_all"]
    found = [percent(1, places), percent(1)]
    steps["every image called so"] = [[*found, points(benefit)] for benefit in everyone]
    target = results.target
    heads = [f"{capitalised(target)} found, %", "False alarms per 100 others", "Net benefit per 100 images"]
    return _table(
        "thresholds",
        f"Call an image {target} from this probability on",
        "A gain in recall may be no more than another threshold. Move the probability from which on an "
        f"image is called {target}, and see what each arm then finds and how often it is wrong (means, "
        "without intervals). Net benefit is true alarms less false ones, which count the less, the lower the "
        "probability is.",
        ("Arm", heads),
        steps,
        [f"{100 * threshold:.0f} %" for threshold in thresholds],
        min(range(len(thresholds)), key=lambda place: abs(thresholds[place] - START)),
    )


def filter_table(run: RunPaths, params: Params) -> Markup:
    """The measures of the images that the filter keeps, at one share of them; empty without the sweep.

    They are those of the first of the GAN's classes.
    """
    seed, keep = params.gan.seeds[0], params.synthesis.keep_fraction
    whose = f" (GAN seed {seed})" if params.trains_gan else ""
    table = rows_of_class(read_table(run.synthetic(seed) / "filter-sweep.csv"), params.gan_classes[0])
    kept = table[table["set"] == "kept"] if "set" in table else pd.DataFrame()
    if kept.empty:
        return Markup("")
    fractions = sorted(set(kept["fraction"]))
    real = table[table["set"] == "real"].set_index("measure")["value"].to_dict()
    steps: dict[str, list[list[str]]] = {}
    for measure, shown in MEASURE_NAMES.items():
        part = kept[kept["measure"] == measure].sort_values("fraction")
        if len(part) == len(fractions):
            name = capitalised(measure_name(measure, part["features"].iloc[0]))
            steps[f"{name}: {shown.hint}"] = [
                [
                    with_interval(row["value"], row["low"], row["high"]),
                    significant(real[measure]) if measure in real else "",
                ]
                for row in part.to_dict("records")
            ]
    start = min(range(len(fractions)), key=lambda place: abs(fractions[place] - keep))
    return _table(
        "filter",
        "Share of the images that the filter keeps, the best first",
        "How good the kept images are as a set: mean and the middle 95 % of the draws, always "
        f"{int(kept['images'].iloc[0]):,} of them against as many real ones{whose}.",
        ("Measure", ["Kept images", "Real images that were held out"]),
        steps,
        [f"{100 * fraction:.0f} %" for fraction in fractions],
        start,
        _strip(run.synthetic(seed), params.gan_classes[0], fractions[start]),
    )


def _strip(folder: Path, class_name: str, share: float) -> Markup:
    """Synthetic images of a class in a row, the best scores first, dimmed beyond the ``share`` that is kept.

    Each of the STRIP images stands for as many images of its rank. Empty without the images.
    """
    scores = rows_of_class(read_table(folder / "scores.csv"), class_name)
    if scores.empty or not (folder / "images.npy").exists():
        return Markup("")
    images = np.load(folder / "images.npy", mmap_mode="r")
    order = scores.sort_values("rank")["index"].to_numpy()
    count = min(STRIP, len(order))
    middles = ((np.arange(count) + 0.5) * len(order) / count).astype(int)
    return Markup(
        '<div class="scroll strip" tabindex="0" role="region" aria-label="Synthetic images by score"><div>'
        '<img src="{}" alt="{} synthetic images from the best score to the worst; those that are left out '
        'are dimmed." width="{}" height="{}"><span class="dim" style="left:{:g}%"></span></div></div>'
        '<p class="note">{} of the {:,} images, evenly over their ranks: the best scores on the left, the '
        "worst on the right; what is left out is dimmed.</p>"
    ).format(
        picture_row([smaller(images[index], TILE) for index in order[middles]]),
        count,
        count * TILE,
        TILE,
        100 * share,
        count,
        len(order),
    )


def _table(
    name: str,
    label: str,
    caption: str,
    heads: tuple[str, list[str]],
    steps: Steps,
    places: Sequence[str],
    start: int,
    strip: str = "",
) -> Markup:
    """The table at the place ``start`` of its slider, and the texts of all places as data.

    A ``strip`` of images above it is dimmed from the share on that a place names.
    """
    if not steps:
        return Markup("")
    first, others = heads
    rows = (
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            row, Markup("").join(Markup('<td class="number">{}</td>').format(text) for text in texts[start])
        )
        for row, texts in steps.items()
    )
    data = json.dumps({"places": list(places), "rows": list(steps.values())}, separators=(",", ":"))
    return Markup(
        '<figure class="moved" data-name="{0}" data-steps="{1}"><figcaption>{2}</figcaption>'
        '<p class="slider"><label for="move-{0}">{3}:</label> <output for="move-{0}">{4}</output> '
        '<input type="range" id="move-{0}" min="0" max="{5}" value="{6}" hidden></p>{10}'
        '<div class="scroll" tabindex="0" role="region" aria-label="{3}"><table><thead><tr>'
        '<th scope="col">{7}</th>{8}</tr></thead><tbody>{9}</tbody></table></div></figure>'
    ).format(
        name,
        data,
        caption,
        label,
        places[start],
        len(places) - 1,
        start,
        first,
        Markup("").join(Markup('<th scope="col" class="number">{}</th>').format(head) for head in others),
        Markup("\n").join(rows),
        strip,
    )
