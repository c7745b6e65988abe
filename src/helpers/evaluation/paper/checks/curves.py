"""What the paper's Figures 3, 4 and 8 show, against its text and its tables."""

from collections.abc import Iterator

from helpers.evaluation.paper.checks.finding import Finding, Paper
from helpers.evaluation.paper.checks.matrices import summary
from helpers.evaluation.paper.checks.training import READING
from helpers.evaluation.paper.tables import PAPER_ARMS


def findings(paper: Paper) -> Iterator[Finding]:
    yield _lengths(paper)
    yield _validation_text(paper)
    yield _validation_and_test(paper)
    yield _rising_loss(paper)
    yield _gan_epochs(paper)
    yield from _gan_ranges(paper)
    yield _sign(paper)
    yield _repeats(paper)
    yield _label(paper)
    yield _acceptance(paper)


def _lengths(paper: Paper) -> Finding:
    epochs = {arm: int(paper.read_off("classifier_epochs", arm)[0]) for arm in PAPER_ARMS}
    longest, shortest = max(epochs, key=epochs.__getitem__), min(epochs, key=epochs.__getitem__)
    return Finding(
        "The arms were trained equally long",
        "5.6, Figure 8",
        "each until early stopping",
        ", ".join(f"{arm} about {n} epochs" for arm, n in epochs.items()),
        len(set(epochs.values())) == 1,
        f"{epochs[longest]} / {epochs[shortest]} = {epochs[longest] / epochs[shortest]:.1f}: {longest} was "
        f"trained longest, {shortest} shortest",
    )


def _validation_text(paper: Paper) -> Finding:
    printed = 100 * paper.tables["dynamics"].set_index("arm").loc["filtered", "value"]
    best, _ = paper.read_off("best_validation_accuracy", "filtered")
    return Finding(
        "Best validation accuracy of filtered in the text is that of the figure",
        "5.6, Figure 8",
        f"{printed:.2f} %",
        f"about {best:g} %",
        abs(best - printed) <= READING,
        f"{best:g} - {printed:.2f} = {best - printed:+.2f} points; the figure can be read to about "
        f"{READING:g}",
    )


def _validation_and_test(paper: Paper) -> Finding:
    first, second = (paper.read_off("best_validation_accuracy", arm)[0] for arm in ("filtered", "baseline"))
    tested = [100 * summary(paper, arm)["accuracy"] for arm in ("filtered", "baseline")]
    gain, seen = tested[0] - tested[1], first - second
    return Finding(
        "The gain in accuracy is as large on the validation images",
        "5.2, Figure 8",
        f"{gain:+.1f} points on the test images",
        f"about {seen:+.1f} on the validation images",
        abs(gain - seen) <= 0.5,
        f"{tested[0]:.2f} - {tested[1]:.2f} on test; {first:g} - {second:g} on validation; both sets have "
        "nearly the same number of images",
    )


def _rising_loss(paper: Paper) -> Finding:
    low, high = (int(paper.stated(f"validation_loss_rises_{end}")) for end in ("from", "to"))
    start, (first, last) = (
        paper.read_off("validation_loss_rises_from")[0],
        paper.read_off("validation_loss_end"),
    )
    least = paper.read_off("validation_loss_least")
    return Finding(
        "Epoch from which the validation loss rises",
        "5.5, Figure 8",
        f"{low} to {high}",
        f"about {start:g}",
        low <= start <= high,
        f"the loss is least near epochs {least[0]:g} to {least[1]:g} and ends at {first:g} to {last:g}; "
        f"training accuracy passes {paper.read_off('training_accuracy_end')[0]:g} %",
    )


def _gan_epochs(paper: Paper) -> Finding:
    printed = paper.tables["gan_results"].set_index("quantity").loc["epochs", "high"]
    drawn = paper.read_off("gan_epochs")[1]
    return Finding(
        "Epochs of the generative network in the tables are those of the figure",
        "4.3, 5.1, Figure 3",
        f"{printed:g}",
        f"{drawn:g}",
        drawn == printed,
        f"the axis of Figure 3 runs to {drawn:g}: {drawn:g} - {printed:g} = {drawn - printed:+g}",
    )


def _gan_ranges(paper: Paper) -> Iterator[Finding]:
    printed = paper.tables["gan_results"].set_index("quantity")
    low, high = paper.read_off("generator_loss")
    least, most = printed.loc["generator_loss", ["low", "high"]]
    yield Finding(
        "Range of the generator's loss in the text is that of the figure",
        "5.1, Figure 3",
        f"{least:g} to {most:g}, stable",
        f"about {low:g} to {high:g}",
        least <= low and high <= most,
        f"{low:g} lies {least - low:g} below {least:g}, {high:g} lies {high - most:g} above {most:g}; it "
        "still grows at the end",
    )
    bound, peak = printed.loc["gradient_penalty", "high"], paper.read_off("gradient_penalty_peak")[1]
    usual = paper.read_off("gradient_penalty")
    yield Finding(
        "Bound of the gradient penalty in the text is that of the figure",
        "5.1, Figure 3",
        f"under {bound:g}",
        f"peaks up to {peak:g}",
        peak < bound,
        f"mostly {usual[0]:g} to {usual[1]:g}, with peaks to {peak:g} after epoch 100: "
        f"{peak:g} / {bound:g} = {peak / bound:.1f}",
    )


def _sign(paper: Paper) -> Finding:
    real, fake = paper.read_off("score_real")[1], paper.read_off("score_fake")[0]
    loss = paper.read_off("critic_loss")[0]
    weight = paper.tables["hyperparameters"].set_index("parameter")["value"]["gan.gradient_penalty"]
    penalty = weight * paper.read_off("gradient_penalty_peak")[1]
    return Finding(
        "The drawn scores give the drawn critic loss",
        "5.1, Figure 3",
        f"real about {real:g}, fake about {fake:g}, critic loss about {loss:g}",
        f"these scores give a critic loss of {fake - real:g}",
        fake - real <= loss <= fake - real + penalty,
        f"the loss is the fake score less the real one, and the penalty adds at most {penalty:.1f}: "
        f"{fake:g} - {real:g} = {fake - real:g}. With the sign of one curve turned both levels are near "
        f"{fake:g} and about {-loss:g} apart, which fits: a level that drifted, no separation",
    )


def _repeats(paper: Paper) -> Finding:
    shown, different = (int(paper.read_off(name)[0]) for name in ("sample_images", "sample_different"))
    return Finding(
        "Mode collapse is resolved: the generated sample",
        "8, Figure 4",
        "mode collapse resolved",
        f"about {different} different lesions in {shown} images",
        different == shown,
        f"{shown} / {different} = {shown / different:.1f} images of each, counted by eye; some come three to "
        "five times",
    )


def _label(paper: Paper) -> Finding:
    labels = paper.tables["author_files"].dropna(subset=["label"])
    counts = paper.tables["arms"].set_index("arm")["synthetic_images"]
    files = [source.split()[0] for source in labels["source"]]
    numbers = 100 * summary(paper, "filtered")["accuracy"]
    return Finding(
        "The author's files name the arms as the paper does",
        "5.2, the author's files",
        f"filtered ({counts['filtered']:,})",
        ", ".join(sorted(set(labels["label"]))),
        labels.empty,
        f"{' and '.join(files)} have the numbers of filtered (accuracy {numbers:.2f} %) under that label; "
        "which arm they belong to cannot be settled from outside",
    )


def _acceptance(paper: Paper) -> Finding:
    settings = paper.tables["hyperparameters"].set_index("parameter")["value"]
    share, made = settings["synthesis.keep_fraction"], settings["synthesis.count"]
    kept = paper.tables["gan_results"].set_index("quantity").loc["kept_images", "high"]
    return Finding(
        "The acceptance rate is a result",
        "4.4, 5.1, 9",
        f"{100 * share:g} % accepted, found best",
        "a choice made beforehand",
        False,
        f"{share:g} x {made:,} = {kept:g} images are kept whatever their quality; no other share "
        "was tried, apart from all of them",
    )
