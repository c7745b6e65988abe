"""Whether the paper's data set and its split add up (sections 1 and 3)."""

from collections.abc import Iterator

from helpers.evaluation.paper.checks.finding import Finding, Paper


def findings(paper: Paper) -> Iterator[Finding]:
    yield from _sums(paper)
    yield from _melanomas(paper)
    yield from _test_images(paper)


def _sums(paper: Paper) -> Iterator[Finding]:
    total = paper.printed["dataset"]["images"]
    for what, section, table in (
        ("The classes sum to the data set", "3.1", "dataset"),
        ("The three parts sum to the data set", "3.2", "split"),
    ):
        counts = paper.tables[table]["images"]
        yield Finding(
            what,
            section,
            f"{total:,} images",
            f"{counts.sum():,}",
            counts.sum() == total,
            " + ".join(f"{n:,}" for n in counts),
        )


def _melanomas(paper: Paper) -> Iterator[Finding]:
    counts = paper.tables["dataset"].set_index("class")["images"]
    ratio, printed = counts["nv"] / counts["mel"], paper.printed["dataset"]["nevi_per_melanoma"]
    yield Finding(
        "Nevi to melanomas",
        "1.1",
        f"{printed}:1",
        f"{ratio:.2f}:1",
        round(ratio) == printed,
        f"{counts['nv']:,} / {counts['mel']:,}",
    )
    total, train = (
        paper.printed["dataset"]["images"],
        paper.tables["split"].set_index("split")["images"]["train"],
    )
    training = paper.printed["split"]["melanoma_training_images"]
    expected = counts["mel"] * (train / total)
    yield Finding(
        "Melanomas in training fit a stratified split",
        "3.2",
        training,
        f"{expected:.1f}",
        abs(expected - training) <= 0.5,
        f"{counts['mel']:,} x {train:,} / {total:,}",
    )


def _test_images(paper: Paper) -> Iterator[Finding]:
    found = paper.counts
    tested = paper.tables["split"].set_index("split")["images"]["test"]
    yield Finding(
        "Test images of each class, unpublished, follow from the recall changes",
        "5.5",
        f"{tested:,} in all",
        ", ".join(f"{name} {n:,}" for name, n in found.support.items()),
        True,
        "the only whole numbers near 15 % of each class that fit both published changes and sum to "
        f"{found.images:,}",
    )
    whole = paper.tables["dataset"].set_index("class")["images"]["df"]
    printed, inside = int(paper.stated("df_training_images")), int(whole - 2 * found.support["df"])
    yield Finding(
        "Dermatofibromas in training",
        "5.5",
        printed,
        inside,
        printed == inside,
        f"{whole} is the whole data set: {whole} - {found.support['df']} tested - as many for validation = "
        f"{inside}",
    )
