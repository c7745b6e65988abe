"""Whether the numbers of the running text are those of the tables."""

from collections.abc import Iterator

from helpers.evaluation.paper.checks.finding import Finding, Paper, close
from helpers.evaluation.paper.counts import numerators


def findings(paper: Paper) -> Iterator[Finding]:
    yield from _gains(paper)
    yield from _added_images(paper)
    yield from _epochs(paper)
    yield from _validation_accuracy(paper)
    yield from _detections(paper)
    yield from _restated(paper)
    yield from _specificity(paper)


def _gains(paper: Paper) -> Iterator[Finding]:
    values = paper.tables["metrics"].set_index(["arm", "metric"])["value"]
    for _, row in paper.tables["stated"].iterrows():
        if not row["quantity"].endswith("_gain"):
            continue
        metric = row["quantity"].removesuffix("_gain")
        first, second = 100 * values[row["arm"], metric], 100 * values[row["reference"], metric]
        yield Finding(
            f"Stated gain in {metric.replace('_', ' ')}, {row['arm']} over {row['reference']}",
            row["location"].replace("section ", ""),
            f"{row['value']:+.2f} points",
            f"{first - second:+.2f} points",
            close(first - second, row["value"]),
            f"{first:.2f} - {second:.2f}",
        )


def _added_images(paper: Paper) -> Iterator[Finding]:
    arms = paper.tables["arms"].set_index("arm")
    synthetic, real = arms.loc["filtered", ["synthetic_images", "real_images"]]
    printed = float(paper.stated("added_images"))
    yield Finding(
        "Training images added by filtered",
        "6, finding 1",
        f"{printed} %",
        f"{100 * synthetic / real:.2f} %",
        round(100 * synthetic / real, 1) == printed,
        f"{synthetic} / {real:,}",
    )


def _epochs(paper: Paper) -> Iterator[Finding]:
    epochs = paper.tables["hyperparameters"].query("parameter == 'gan.epochs'")
    different = epochs["value"].unique()
    yield Finding(
        "GAN epochs are the same everywhere",
        "4.3, 5.1, 8",
        ", ".join(f"{row.value} ({row.location})" for row in epochs.itertuples()),
        f"{len(different)} different values",
        len(different) == 1,
        " against ".join(str(value) for value in different),
    )


def _validation_accuracy(paper: Paper) -> Iterator[Finding]:
    images = int(paper.tables["split"].set_index("split").loc["validation", "images"])
    for row in paper.tables["dynamics"].to_dict("records"):
        share = row["value"]
        fitting, floor = numerators(share, images), int(share * images)
        near = ", ".join(f"{n:,} / {images:,} = {100 * n / images:.2f} %" for n in (floor, floor + 1))
        yield Finding(
            f"Best validation accuracy of {row['arm']} is a ratio of whole images",
            "5.6",
            f"{100 * share:.2f} %",
            f"{fitting[0]:,} of {images:,}" if fitting else "no whole number fits",
            bool(fitting),
            f"{near}; a mean over batches need not be such a ratio",
        )


def _detections(paper: Paper) -> Iterator[Finding]:
    """Melanomas found per hundred."""
    positives = paper.counts.support["mel"]
    low, high = (int(paper.stated(f"detections_per_100_{end}")) for end in ("low", "high"))
    gained = paper.counts.change["filtered", "mel"]
    tested = paper.counts.images
    per = {  # of what, where it is said: images, their name, and what follows
        ("melanomas", "5.3"): (positives, "", f"{positives}; per 100 melanomas, not per 100 patients"),
        ("patients", "abstract, 5.3, 6, 7"): (
            tested,
            " per 100 test images",
            f"{tested:,} images; only {positives} of them show a melanoma",
        ),
    }
    for (whom, where), (images, unit, of) in per.items():
        share = 100 * gained / images
        yield Finding(
            f"Melanomas found in addition per 100 {whom}",
            where,
            f"{low} to {high}",
            f"{share:.1f}{unit}",
            low <= share <= high,
            f"{gained} of {of}",
        )
    stated = paper.tables["stated"]
    per_hundred = stated[stated["quantity"].str.startswith("detected_per_100")]
    for arm, part in per_hundred.groupby("arm", sort=False):
        hits = paper.counts.hits[str(arm)]
        least, most, share = part["value"].min(), part["value"].max(), 100 * hits / positives
        yield Finding(
            f"Melanomas found per 100 by {arm}",
            "5.3",
            f"{least:g}" if least == most else f"{least:g} to {most:g}",
            f"{share:.1f}",
            least - 0.5 <= share <= most + 0.5,
            f"{hits} of {positives} melanomas",
        )


def _restated(paper: Paper) -> Iterator[Finding]:
    """Figures of the tables that the text repeats with fewer digits."""
    values = paper.tables["metrics"].set_index(["arm", "metric"])["value"]
    wrong = []
    for row in paper.tables["restated"].to_dict("records"):
        reference = row["reference"]
        base = values[reference, row["metric"]] if isinstance(reference, str) else 0
        exact = 100 * (values[row["arm"], row["metric"]] - base)
        if abs(exact - row["value"]) > 0.05 + 1e-9:
            wrong.append(f"{row['metric']} of {row['arm']}: {row['value']} against {exact:.2f}")
    total = len(paper.tables["restated"])
    yield Finding(
        "Rounded figures in the text are those of the tables",
        "5.2, 5.3",
        f"{total} figures",
        f"{total - len(wrong)} agree",
        not wrong,
        "; ".join(wrong) or "each within 0.05 points of its table's figure",
    )


def _specificity(paper: Paper) -> Iterator[Finding]:
    least = 100 * min(1 - alarms / paper.negatives for alarms in paper.counts.false_alarms.values())
    printed = paper.stated("target_specificity_above")
    yield Finding(
        "Specificity for melanoma in every arm",
        "5.3",
        f"above {printed:g} %",
        f"at least {least:.2f} %",
        least > printed,
        "the least of the three arms",
    )
