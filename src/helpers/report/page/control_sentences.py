"""Sentences on what the study could see: controls, shifted thresholds, test lesions seen in training."""

from collections.abc import Iterator

from helpers.data.splits import split_quality
from helpers.evaluation import controls as own
from helpers.evaluation.verdicts import BLUR_MARGIN, Cause, Direction, cause, held_back, verdict_of
from helpers.evaluation.words import share_words, show_p
from helpers.report.page.protocol import left_out
from helpers.report.page.results import Results, Row
from helpers.report.results.controls import positive_control_sentence, untested_loss_sentence
from helpers.report.results.convergence import convergence
from helpers.report.results.scope import single_gan_arms
from helpers.report.words import capitalised, listed, percent, points, points_interval

RECALL = "target_recall"
TAIL = {Direction.NOT_SHOWN: ", which chance may explain", Direction.NOT_TESTED: ", which is not tested"}


def controls(results: Results) -> list[str]:
    """Whether the study saw its positive controls, and called its negative ones an effect.

    Then what synthetic images give in place of real ones.
    """
    return list(_control_sentences(results))


def positive_control(results: Results, blind_only: bool) -> str:
    """Whether the study saw the loss of real images, or that no arm tests it; with ``blind_only`` empty
    unless there is such an arm whose loss was not seen. Of several the first whose loss was not seen is told.
    """
    seen = ""
    for control in own.controls(results.params):
        row = results.control(control)
        if control.role == own.WITHHELD and row is not None:
            told = _withheld(control, row, results)
            if verdict_of(row).direction in (Direction.NOT_SHOWN, Direction.HIGHER):
                return told
            seen = seen or told
    return "" if blind_only else seen or unseen_loss(results)


def unseen_loss(results: Results) -> str:
    """That nobody knows whether the study would see a loss, where no arm tests it; else empty."""
    if any(control.role == own.WITHHELD for control in own.controls(results.params)):
        return ""
    said = untested_loss_sentence(f"real {results.target} images")
    planned = left_out(results.params)
    return f"{said} The protocol plans {listed(planned)}, which this page leaves out." if planned else said


def next_steps(results: Results) -> str:
    """What would narrow the answer of this run, in one sentence; empty without a second arm."""
    if not results.others:
        return ""
    params = results.params
    steps = [f"more trainings of each arm than {params.replicates} (replicates)"]
    if single_gan_arms(params):
        steps.append("more than one GAN (gan.seeds)")
    found = convergence(results.trainings, params.classifier)
    if found is not None and not found.reached:
        steps.append(f"more epochs than {found.limit} (classifier.max_epochs)")
    if missing := left_out(params):
        steps.append(f"the arms {listed(missing)} of the protocol")
    if (images := results.images("target_recall")) and params.parts == 1:  # folds test every image
        steps.append(f"more test images of {results.target} than {images:,}")
    patients = " Only photographs can answer for patients." if results.source.drawn else ""
    return f"What would narrow the answer: {listed(steps)}.{patients}"


def _control_sentences(results: Results) -> Iterator[str]:
    """Of the roles that come in several counts (blurred and the like) the first; the table has them all."""
    told: set[str] = set()
    for control in own.controls(results.params):
        row = results.control(control)
        if row is None:
            continue
        if control.role == own.WITHHELD:
            yield _withheld(control, row, results)
        elif control.role == own.AGAIN and verdict_of(row).excludes_zero:
            yield (
                f"Trained once more with nothing changed (arm {control.arm}), recall differs by "
                f"{_change(row, results)} points ({_ends(row, results)}): chance alone can do as much."
            )
        elif control.role == own.RESTORED:
            yield _restored(control, row, results)
        elif control.role in {own.BLURRED, own.BEYOND_BLUR, own.SHARPNESS} - told:
            told.add(control.role)
            yield _blurred(control, row, results)


def cause_sentences(results: Results) -> list[str]:
    """Whether the synthesis or blur changed recall, of the first arm that has a blurred one beside it.

    None where all images are equally sharp: there is no blur to tell then.
    """
    if results.params.data.detail != "full":
        return []
    controls = own.controls(results.params)
    blurred = {control.arm: control for control in controls if control.role == own.BLURRED}
    sharp = {control.arm: control for control in controls if control.role == own.SHARPNESS}
    for control in controls:
        if control.role != own.BEYOND_BLUR or control.reference not in blurred:
            continue
        change = results.comparison(control.arm, RECALL)
        alone, lost = blurred[control.reference], sharp.get(control.reference)
        # of a primary contrast the row with its adjusted p value
        beyond = results.contrast(control.arm, control.reference, RECALL)
        blur = results.contrast(alone.arm, alone.reference, RECALL)
        sharpness = results.contrast(lost.arm, lost.reference, RECALL) if lost else None
        if change is not None and beyond is not None and blur is not None:
            found = cause(change, beyond, blur, sharpness)
            said = _cause(found, control, change, beyond, blur, results)
            if lost and sharpness and found is not Cause.BLUR and verdict_of(sharpness).excludes_zero:
                said += f" {_blur_alone(lost, sharpness, results)}"
            return [said]
    return []


def _blur_alone(control: own.Control, row: Row, results: Results) -> str:
    """That blurred images do otherwise than as many sharp ones, where that is shown."""
    return (
        f"Blur by itself changes it, by a comparison that is exploratory: real images of {results.target} "
        f"that are as blurred differ from as many sharp ones (arm {control.reference}) by "
        f"{_change(row, results)} points ({_ends(row, results)})."
    )


def _cause(found: Cause, control: own.Control, change: Row, beyond: Row, blur: Row, results: Results) -> str:
    """The rule of ``verdicts.cause`` in words."""
    recall = f"{results.target} recall"
    one_gan = "For this one GAN, " if control.arm in single_gan_arms(results.params) else ""
    difference = f"{_change(beyond, results)} points ({_ends(beyond, results)})"
    same = f"as many real images of the same sharpness (arm {control.reference})"
    beside = f"{control.arm} differs from {same} by {difference}"
    if verdict_of(beyond).direction is Direction.NOT_SHOWN:
        beside = f"between {control.arm} and {same} no difference is shown, {difference}"
    alone = (
        f"such images alone ({control.reference}) change it by {_change(blur, results)} points "
        f"({_ends(blur, results)})"
    )
    if found is Cause.SYNTHESIS:
        said = f"{one_gan}it is the synthesis itself that changes {recall}, and not blur alone: {beside}."
    elif found is Cause.BLUR:
        margin = f"{100 * BLUR_MARGIN:g} points either way"
        said = f"{one_gan}blur explains the change of {recall}: {alone}, and {beside}, within {margin}."
    elif verdict_of(change).excludes_zero:
        what = f"whether the synthesis or its blur changes {recall}"
        said = f"{one_gan}{what} cannot be told: {alone}, and {beside}."
    else:
        nothing = f"for arm {control.arm} no change of {recall} is shown that synthesis or blur could explain"
        said = f"{one_gan}{nothing}: {beside}."
    return capitalised(said)


def _withheld(control: own.Control, row: Row, results: Results) -> str:
    """Whether the loss of real images was seen."""
    lost = f"{share_words(control.fraction or 0)} real {results.target} images"
    detail = f"arm {control.arm}: {_change(row, results)} points of recall, {_ends(row, results)}"
    return positive_control_sentence(verdict_of(row).direction, lost, detail)


def _restored(control: own.Control, row: Row, results: Results) -> str:
    """What synthetic images give where real ones were taken away."""
    one_gan = control.arm in single_gan_arms(results.params)
    images = "For this one GAN, synthetic images" if one_gan else "Synthetic images"
    unseen = (
        "; their GAN did not learn from the withheld ones" if results.params.gan_lack(control.arm) else ""
    )
    return (
        f"{images} in place of the withheld ones (arm {control.arm}) change {results.target} recall by "
        f"{_change(row, results)} points ({_ends(row, results)}){TAIL.get(verdict_of(row).direction, '')}"
        f"{_area(control, results)}{unseen}."
    )


def _area(control: own.Control, results: Results) -> str:
    """The change of the area under the ROC curve, where it is shown."""
    row = results.control(control, "target_roc_auc")
    if row is None or not verdict_of(row).excludes_zero:
        return ""
    change = f"{_change(row, results)} points ({_ends(row, results)})"
    return f"; the area under the ROC curve of {results.target} changes by {change}"


def _blurred(control: own.Control, row: Row, results: Results) -> str:
    """What blur alone gives, or what synthetic images give beside as many real ones of their sharpness."""
    side = results.params.synthetic_side
    if control.role == own.BLURRED:
        size = f"{side} x {side} pixels"
        way = f"reduced to {size} and enlarged, as synthetic images are (arm {control.arm}),"
        begin = f"Real {results.target} images {way} change"
    elif control.role == own.SHARPNESS:
        arms = f"arms {control.arm} and {control.reference}"
        begin = f"Compared with the same images as they are ({arms}), the blur changes"
    else:
        arms = f"arm {control.arm}, against arm {control.reference}"
        one_gan = control.arm in single_gan_arms(results.params)
        images = "for this one GAN, synthetic images" if one_gan else "synthetic images"
        begin = f"Compared with as many of these, {images} ({arms}) change"
    return (
        f"{begin} {results.target} recall by {_change(row, results)} points "
        f"({_ends(row, results)}){TAIL.get(verdict_of(row).direction, '')}."
    )


def _change(row: Row, results: Results) -> str:
    return points(row["difference"], results.places(row["metric"]))


def _ends(row: Row, results: Results) -> str:
    known = points_interval(row["low"], row["high"], results.places(row["metric"]))
    if not known:
        return "no interval"
    holm = f"; p = {show_p(row['p_holm'])} by Holm's rule, so not shown" if held_back(row) else ""
    return f"{100 * results.params.evaluation.confidence:.0f}\u00a0% interval {known}{holm}"


def shifted_thresholds(results: Results) -> list[str]:
    """A sentence on arms with more recall of the target, but no larger area under the ROC curve, and one on
    those with less, but no smaller area.

    The area knows no threshold, so that the change of recall may be a shifted threshold and nothing more.
    """
    shifted = {
        Direction.HIGHER: ("More", "better", "rise"),
        Direction.LOWER: ("Fewer", "worse", "fall"),
    }
    told = []
    for direction, (more, what, way) in shifted.items():
        shown, arms = _areas(results, direction)
        if arms:
            also = f" It does {way} for others ({'; '.join(shown)})." if shown else ""
            told.append(
                f"Where {more.lower()} {results.target} images are found, the classifier need not be {what}: "
                f"its area under the ROC curve, which depends on no threshold, is not shown to {way} "
                f"({'; '.join(arms)}).{also}"
            )
    return told


def _areas(results: Results, direction: Direction) -> tuple[list[str], list[str]]:
    """Of the arms whose recall is shown to go in this direction, those whose area under the ROC curve does so
    too, and those whose area is not shown to.
    """
    shown: list[str] = []
    not_shown: list[str] = []
    for arm in results.others:
        recall, area = results.verdict(arm, "target_recall"), results.verdict(arm, "target_roc_auc")
        row = results.comparison(arm, "target_roc_auc")
        if row is None or recall is None or area is None or recall.direction is not direction:
            continue
        places = results.places("target_roc_auc")
        ends = points_interval(row["low"], row["high"], places)
        told = f"{arm}: {points(row['difference'], places)} points, {ends}"
        (shown if area.direction is direction else not_shown).append(told)
    return shown, not_shown


def equal_alarms(results: Results) -> list[str]:
    """One sentence on the first two arms with synthetic images, each at the same rate of false alarms.

    There no shifted threshold can pass for a gain or a loss.
    """
    places, said, told = results.places(RECALL), [], []
    for arm in _with_synthetic_images(results)[:2]:
        row = results.comparison(arm, "target_operating_recall") or {}
        if ends := points_interval(row.get("low"), row.get("high"), places):
            said.append(f"{points(row['difference'], places)} points with {arm} ({ends})")
            told.append(arm)
    if not said:
        return []
    scope = "for this one GAN " if single_gan_arms(results.params).intersection(told) else ""
    alarms = f"{100 * (1 - results.params.evaluation.operating_specificity):g}\u00a0%"
    return [
        f"With each training's threshold set where {alarms} of the other validation images raise a false "
        f"alarm, {scope}{results.target} recall changes by {listed(said)}."
    ]


def _with_synthetic_images(results: Results) -> list[str]:
    """The compared arms that add synthetic images and take no real ones away."""
    arms = results.params.arms
    return [arm for arm in results.others if arms[arm].synthetic and not arms[arm].withhold]


def leak(results: Results) -> str:
    """How many test images show a lesion that was trained on; empty where the split is not known."""
    if not {"lesion_id", "dx", "split"} <= set(results.split.columns):
        return ""
    quality = split_quality(results.split, results.split["split"], results.params.data.target_class)
    if not quality["lesions_known"]:
        return (
            "How many test images show a lesion that was trained on is unknown: the data do not name lesions."
        )
    if quality["lesions_named"] < 1:
        return (
            f"Of {quality['test_images']:,} test images {quality['test_seen']:,} are copies of one that was "
            "trained on. How many more show a lesion that was trained on is unknown: the data do not name "
            "lesions."
        )
    if not quality["test_seen"]:
        return "No lesion of the test images was trained on."
    everything = percent(quality["test_seen_share"], results.places("accuracy"))
    target = percent(quality["target_seen_share"], results.places(RECALL))
    return (
        f"Of the test images {everything}\u00a0% show a lesion that was trained on in another photograph "
        f"({target}\u00a0% of those of {results.target}), which may flatter every arm."
    )


def one_gan(results: Results) -> str:
    """That what is said of synthetic images holds for one GAN, where the run has one; else empty."""
    if not single_gan_arms(results.params):
        return ""
    return "All synthetic images come from one GAN; another training of the GAN may give another answer."
