"""What the paper's text says of its classifiers' trainings, against its Figure 8."""

from collections.abc import Iterator

from helpers.evaluation.paper.checks.finding import Finding, Paper

READING = 0.2  # points; how exactly an accuracy can be read off Figure 8


def findings(paper: Paper) -> Iterator[Finding]:
    yield _highest(paper)
    yield _overfitting(paper)
    yield _patience(paper)
    yield _before_overfitting(paper)
    yield _smooth(paper)
    yield _confidence(paper)


def _listed(values: dict[str, float], unit: str = "") -> str:
    return ", ".join(f"{arm} {value:g}{unit}" for arm, value in values.items())


def _highest(paper: Paper) -> Finding:
    best = paper.by_arm("best_validation_accuracy")
    images = int(paper.tables["split"].set_index("split").loc["validation", "images"])
    lead = round(best["filtered"] - max(value for arm, value in best.items() if arm != "filtered"), 1)
    return Finding(
        "Filtered has the highest validation accuracy",
        "5.5, 5.6, Figure 8",
        "highest",
        f"about {lead:+.1f} points before the next arm",
        lead > 0,
        f"{_listed(best, ' %')}; {lead:.1f} points are about {lead / 100 * images:.0f} of {images:,} "
        f"validation images, and the figure can be read to about {READING:g}",
    )


def _overfitting(paper: Paper) -> Finding:
    trained, seen = paper.by_arm("training_accuracy_best"), paper.by_arm("best_validation_accuracy")
    gap = {arm: round(trained[arm] - seen[arm], 1) for arm in trained}
    return Finding(
        "All overfits more than the other arms",
        "5.6, Figure 8",
        "higher training and lower validation accuracy",
        f"training accuracy {trained['all']:g} % (filtered {trained['filtered']:g}), validation "
        f"{seen['all']:g} % (baseline {seen['baseline']:g})",
        trained["all"] > max(trained["filtered"], trained["baseline"])
        and seen["all"] < min(seen["filtered"], seen["baseline"]),
        f"at the best epoch, training less validation accuracy in points: {_listed(gap)}",
    )


def _patience(paper: Paper) -> Finding:
    last, best = paper.by_arm("classifier_epochs"), paper.by_arm("best_validation_epoch")
    settings = paper.tables["hyperparameters"].set_index("parameter")["value"]
    patience = settings["classifier.early_stopping_patience"]
    waited = {arm: last[arm] - best[arm] for arm in last}
    return Finding(
        "Early stopping ended each training as its patience says",
        "4.5, 5.6, Figure 8",
        f"{patience} epochs after the best",
        f"{_listed(waited)} epochs after the best validation accuracy",
        all(abs(epochs - patience) <= 1 for epochs in waited.values()),
        ", ".join(f"{last[arm]:g} - {best[arm]:g} = {waited[arm]:g} ({arm})" for arm in last)
        + "; so it watched the accuracy and not the loss",
    )


def _before_overfitting(paper: Paper) -> Finding:
    at_best, least = paper.by_arm("validation_loss_best"), paper.by_arm("validation_loss_lowest")
    ratio = {arm: round(at_best[arm] / least[arm], 1) for arm in least}
    return Finding(
        "Early stopping was appropriate: the weights kept are from before the loss rises",
        "5.5, 5.6, Figure 8",
        "appropriate, optimal weights restored",
        f"validation loss of the kept weights {_listed(at_best)}",
        all(value < 1.1 for value in ratio.values()),
        f"its least was {_listed(least)}: {_listed(ratio)} times that",
    )


def _smooth(paper: Paper) -> Finding:
    falls, best = paper.by_arm("validation_accuracy_fall"), paper.by_arm("best_validation_accuracy")
    gain = best["filtered"] - best["baseline"]
    return Finding(
        "Convergence is smooth in all three trainings",
        "5.5, 5.6, Figure 8",
        "smooth",
        f"validation accuracy falls by up to {max(falls.values()):g} points from one epoch to the next",
        max(falls.values()) < gain,
        f"largest falls: {_listed(falls)} points; the lead of filtered over baseline is {gain:.1f}",
    )


def _confidence(paper: Paper) -> Finding:
    first, last = paper.read_off("validation_loss_end")
    low, high = paper.read_off("training_loss_end")
    accuracy = paper.read_off("training_accuracy_end")[0]
    return Finding(
        "The rising validation loss means right answers with lower confidence",
        "5.5, Figure 8",
        "a matter of calibration: right answers with lower confidence",
        "not measured, and the curves rather speak of over-confidence",
        False,
        f"training loss ends at {low:g} to {high:g}, with up to {accuracy:g} % and more right, so the "
        "answers on training images became surer; the validation loss rises to "
        f"{first:g} to {last:g} while accuracy is steady, as it does where wrong answers become surer too",
    )
