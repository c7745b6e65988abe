"""The answer of a run in a few sentences, written from its numbers: none is stronger than its interval."""

import math
from collections.abc import Collection, Sequence
from typing import Any

import pandas as pd

from helpers.evaluation.controls import AGAIN, RESTORED, WITHHELD, controls
from helpers.evaluation.metrics import RECALL_OF
from helpers.evaluation.roles import added_images
from helpers.evaluation.verdicts import MINIMUM_REPLICATES, Direction, Gain, held_back, verdict_of
from helpers.evaluation.words import show_p
from helpers.gan.selectors import SELECTORS
from helpers.params import Params, SyntheticImages
from helpers.report.page.contrast_chart import said
from helpers.report.page.control_sentences import cause_sentences, positive_control
from helpers.report.page.facts import backbone_name, detail_sentence, part_sizes, trunk_words
from helpers.report.page.results import Results, Row
from helpers.report.results.contrasts import NOTHING_NAMED
from helpers.report.results.convergence import convergence, unconverged_warning
from helpers.report.results.scope import single_gan_arms
from helpers.report.words import (
    MINUS,
    capitalised,
    counted,
    listed,
    no_interval,
    percent,
    points,
    points_interval,
    points_with_interval,
    times,
)

END = {"top": "best", "bottom": "worst"}  # of a ranking
NAMED = 4  # arms that one sentence names at most


def abstract(results: Results) -> list[str]:
    """What was done, the first arm's change and what caused it, the other arms' changes, what no difference
    is worth, and whether the trainings had not converged.

    At most two sentences each.
    """
    warning = unconverged_warning(convergence(results.trainings, results.params.classifier))
    others = results.others
    if not others:
        alone = "There is no second arm, so nothing is compared."
        told = [_what_was_done(results), _lone_arm(results), alone]
    else:
        told = [_what_was_done(results), _first_arm(others[0], results), *cause_sentences(results)]
        told += [_other_arms(others[1:], results), _sight(others[0], results), _exploratory(results)]
    return [sentence for sentence in (*told, warning) if sentence]


def _exploratory(results: Results) -> str:
    """That nothing was named beforehand, where it was not; empty where no interval could mislead."""
    if "role" not in results.contrasts or (results.contrasts["role"] == "primary").any():
        return ""
    return NOTHING_NAMED if results.params.replicates >= MINIMUM_REPLICATES else ""


def _sight(arm: str, results: Results) -> str:
    """Whether the study would see a loss, where it excludes a gain and shows no change.

    Where it only shows no change: that it did not see a loss which it should have seen.
    """
    verdict = results.verdict(arm, "target_recall")
    if verdict is None or verdict.excludes_zero or results.classes_without_target(arm):
        return ""
    return positive_control(results, blind_only=verdict.gain is not Gain.EXCLUDED)


def short_answer(results: Results) -> str:
    """Whether the first arm finds more of the target than the reference: the question and its answer.

    Where its images show other classes, both are about these.
    """
    if not results.others:
        return ""
    arm, reference = results.others[0], results.params.evaluation.reference
    if by_class := _short_answer_by_class(arm, results.classes_without_target(arm), results):
        return by_class
    verdict = results.verdict(arm, "target_recall")
    if verdict is None:
        return ""
    effect = f"{100 * results.params.evaluation.smallest_effect:g}"
    asked = f"Are more {results.target} images found by arm {arm} than by arm {reference}?"
    if verdict.direction is Direction.HIGHER:
        little = f", but by less than {effect} points" if verdict.gain is Gain.NEGLIGIBLE else ""
        return f"{asked} Yes, in this run{little}."
    if verdict.direction is Direction.LOWER:
        return f"{asked} No: in this run fewer are found."
    if verdict.direction is Direction.NOT_TESTED:
        why = no_interval(results.comparison(arm, "target_recall") or {})
        return f"{asked} Not tested: {why}."
    if verdict.gain is Gain.EXCLUDED:
        return f"{asked} A gain of {effect} points or more is excluded{_by_corrected_t(arm, results)}."
    return f"{asked} Undecided: this run cannot say whether more or fewer are found."


def _short_answer_by_class(arm: str, classes: Sequence[str], results: Results) -> str:
    """The question and its answer for each of the ``classes`` whose images an arm adds, the target not among
    them.
    """
    evaluation = results.params.evaluation
    rows = {name: results.comparison(arm, f"{RECALL_OF}{name}") for name in classes}
    told = [
        f"of {name}: {_what_is_said(row, evaluation.smallest_effect)}" for name, row in rows.items() if row
    ]
    asked = f"Is the recall of {listed(classes)} changed by arm {arm}, against arm {evaluation.reference}?"
    return f"{asked} {capitalised('; '.join(told))}." if told else ""


def _what_is_said(row: Row, smallest: float, reason: str = " ({})") -> str:
    """'higher', 'undecided' or another verdict on a row of comparisons.csv, with the ``reason`` for none."""
    verdict = verdict_of(row, smallest)
    why = reason.format(no_interval(row)) if verdict.direction is Direction.NOT_TESTED else ""
    return f"{said(verdict, smallest)[1]}{why}"


def _by_corrected_t(arm: str, results: Results) -> str:
    """The gain that the usual interval for trainings of folds excludes, where it is a larger one."""
    high = (results.comparison(arm, "target_recall") or {}).get("corrected_high")
    if high is None or pd.isna(high) or high <= results.params.evaluation.smallest_effect:
        return ""
    end = math.ceil(1000 * high) / 10  # rounded up, so that it is excluded
    return (
        f"; by the usual corrected t interval for folds, which is wider, only one of {end:.1f} points or more"
    )


def answered(results: Results) -> dict[str, str]:
    """The metrics of which the page's first sentences speak, and their names within a sentence."""
    return {"target_recall": f"{results.target} recall", "accuracy": "accuracy"}


def _what_was_done(results: Results) -> str:
    params, sizes = results.params, part_sizes(results)
    arms = (
        f"each of {len(params.arms)} arms (recipes of the training set)"
        if len(params.arms) > 1
        else "one arm"
    )
    test = f" and judged on {results.images('accuracy'):,} test images" if "test" in sizes else ""
    if test and params.parts > 1:
        test += ", each time on those of the fold that it was not trained on"
        test += f"; every image is tested {times(params.data.split.repeats)}"
    if params.trains_gan and len(params.gan.seeds) > 1 and any(arm.uses_gan for arm in params.arms.values()):
        networks = f"{len(params.gan.seeds)} {'GANs' if params.has_critic else 'generative networks'}"
        arms += f", with the images of {networks}{',' if test else ''}"
    name, trunk = backbone_name(results), trunk_words(params)
    name = f"{name}{trunk}," if trunk else name
    trained = f"{name} was trained {times(params.replicates)}"
    done = f"On {results.source.phrase}, {trained} in {arms}{test}."
    return f"{done} {detail_sentence(params)}".strip()


def _lone_arm(results: Results) -> str:
    """The means of the only arm."""
    arm = results.params.evaluation.reference
    found = [
        f"{name} of {percent(results.values(arm, metric).mean(), results.places(metric))}\u00a0%"
        for metric, name in answered(results).items()
    ]
    return f"The arm {arm} reached {listed(found)}."


# --- one arm ------------------------------------------------------------------------------------


def _first_arm(arm: str, results: Results) -> str:
    """The first arm's change of the target's recall, beside the paper's of melanoma recall.

    Where its images show other classes, the change of their recall comes first.
    """
    if by_class := _change_by_class(arm, results.classes_without_target(arm), results):
        row, places = results.comparison(arm, "target_recall"), results.places("target_recall")
        name = answered(results)["target_recall"]
        return f"{by_class} {change_sentence(f'The arm {arm}', name, row, results.params, places)}".strip()
    paper = results.paper_change(arm, "target_recall")
    ending = "" if paper is None else f"; the paper, from one training per arm, reports {points(paper)}"
    return _change(arm, "target_recall", results, ending)


def _change_by_class(arm: str, classes: Sequence[str], results: Results) -> str:
    """The change of recall of each of the ``classes`` whose images an arm adds; empty without a row."""
    evaluation, told, level = results.params.evaluation, [], ""
    for name in classes:
        metric = f"{RECALL_OF}{name}"
        if row := results.comparison(arm, metric):
            places = results.places(metric)
            ends = points_interval(row.get("low"), row.get("high"), places)
            level = f" with {100 * evaluation.confidence:.0f}\u00a0% intervals" if ends else level
            found = f"{ends}, " if ends else ""
            words = _what_is_said(row, evaluation.smallest_effect, reason=": {}")
            told.append(f"of {name} by {points(row['difference'], places)} ({found}{words})")
    start = f"{_subject(arm, results.params)} changes recall against {evaluation.reference}"
    return f"{start}, in points{level}: {listed(told)}." if told else ""


def _change(arm: str, metric: str, results: Results, ending: str = "") -> str:
    """``change_sentence`` of one arm of a run."""
    row, places = results.comparison(arm, metric), results.places(metric)
    name, subject = answered(results)[metric], _subject(arm, results.params)
    return change_sentence(subject, name, row, results.params, places, ending)


def _subject(arm: str, params: Params) -> str:
    """How a sentence about an arm begins."""
    added = params.arms[arm].synthetic
    if added is None or added.folder is not None:
        return f"The arm {arm}"
    begin = "For this one GAN, adding" if single_gan_arms(params) else "Adding"
    if not params.trains_gan:  # how many a folder holds, parameters do not say
        share = f"{100 * added.fraction:g} % of " if added.fraction else f"{added.count or 'all'} of "
        return f"{begin} {share}the given images{_ranked(added)} (arm {arm})"
    count, classes = added_images(params, added), params.synthetic_classes(arm)
    if count is None or classes != (params.data.target_class,):
        return f"{begin} synthetic images of {listed(classes)} (arm {arm})"
    return f"{begin} {_selected(added, count)} (arm {arm})"


def _ranked(added: SyntheticImages) -> str:
    """How images of a folder are chosen, after 'the given images'."""
    if added.select in ("top", "bottom"):
        return f", the {END[added.select]} {SELECTORS.get(added.rank).words}"
    return ", chosen at random" if added.select == "random" else ""


def _selected(added: SyntheticImages, count: int) -> str:
    """Which synthetic images an arm adds."""
    images, end = f"{count:,} synthetic images", END.get(added.select or "")
    if end is None:
        return f"{count:,} randomly chosen synthetic images" if added.select == "random" else f"all {images}"
    if added.rank == "critic":
        return f"the critic's {end} {images}"
    return f"the {end} {images} {SELECTORS.get(added.rank).words}"


def change_sentence(
    subject: str, metric: str, row: Row | None, params: Params, places: int = 1, ending: str = ""
) -> str:
    """One sentence on a difference, as strong as its interval and no stronger; empty without a row.

    ``subject`` begins the sentence, ``metric`` is the metric's name within one, ``row`` is a row of
    comparisons.csv, and ``ending`` stands before the full stop.
    """
    if row is None:
        return ""
    smallest, reference = params.evaluation.smallest_effect, params.evaluation.reference
    verdict, change = verdict_of(row, smallest), points(row["difference"], places)
    if verdict.gain is Gain.TOO_FEW:
        return _untested_sentence(subject, metric, row, reference, change, ending)
    known = points_interval(row.get("low"), row.get("high"), places)
    if not known:
        why = f"{no_interval(row)}, which leaves no interval to tell that from chance"
        return f"{subject} changes {metric} by {change} points against {reference} ({why}){ending}."
    ends = f"{100 * params.evaluation.confidence:.0f}\u00a0% interval {known}"
    if not verdict.excludes_zero:
        return (
            f"{subject} changes {metric} by {change} points against {reference} ({ends}{_by_holm([row])}), "
            f"which {row['replicates']:.0f} trainings per arm cannot tell from chance{ending}."
        )
    negligible = verdict.gain is Gain.NEGLIGIBLE
    small = f", less than the {100 * smallest:g} points that would matter" if negligible else ""
    verb = "improves" if verdict.direction is Direction.HIGHER else "lowers"
    size = change.lstrip("+" + MINUS)
    return f"{subject} {verb} {metric} by {size} points against {reference} ({ends}){small}{ending}."


def _untested_sentence(subject: str, metric: str, row: Row, reference: str, change: str, ending: str) -> str:
    """A difference between trainings that are too few for an interval."""
    apart = "do not differ in" if change.strip("0.") == "" else f"differ by {change} points of"
    own = "of it" if subject.startswith("The arm") else "with them"  # with the synthetic images
    trainings, few = f"trainings {own} and those", f"{row.get('replicates') or 0:.0f} runs per arm"
    if int(row.get("replicates") or 0) < 2:
        trainings, few = f"the one training {own} and the one", "one run per arm"
    start = f"{subject}: {trainings} of {reference} {apart} {metric}"
    return f"{start}, which {few} cannot tell from chance{ending}."


# --- the other arms -----------------------------------------------------------------------------


def _other_arms(arms: Sequence[str], results: Results) -> str:
    """How the remaining arms differ in the target's recall; without any, the first arm's accuracy.

    The controls that have sentences of their own are left out, and at most four arms are named.
    """
    apart = {
        control.arm for control in controls(results.params) if control.role in (AGAIN, WITHHELD, RESTORED)
    }
    rows = {
        arm: row
        for arm in arms
        if arm not in apart and (row := results.comparison(arm, "target_recall")) is not None
    }
    if not rows:
        return _change(results.others[0], "accuracy", results)
    reference, metric = results.params.evaluation.reference, f"{results.target} recall"
    told = [arm for arm in rows if _told(arm, results)]
    named = (told or list(rows))[:NAMED]
    scope = _scope(named, single_gan_arms(results.params))
    if not any(row["difference"] for row in rows.values()):
        return f"In {metric}, {listed(list(rows)[:NAMED])} came out as {reference} did{scope}."
    if told:
        return _told_sentence(told, named, rows, reference, metric, results, scope)
    return _untold_sentence(rows, reference, metric, results, scope)


def _scope(named: Sequence[str], one_gan: Collection[str]) -> str:
    """That what is said of these arms holds for one GAN, as far as they have its images."""
    of_gan = [arm for arm in named if arm in one_gan]
    if len(of_gan) == len(named):
        return ", for this one GAN"
    arms = listed([f"arm {arm}" for arm in of_gan])
    return f"; what this says of {arms} holds for this one GAN" if of_gan else ""


def _told(arm: str, results: Results) -> bool:
    verdict = results.verdict(arm, "target_recall")
    return verdict is not None and verdict.excludes_zero


def _told_sentence(
    told: Sequence[str],
    named: Sequence[str],
    arms: Collection[str],
    reference: str,
    metric: str,
    results: Results,
    scope: str,
) -> str:
    """Some arms' intervals exclude zero; they are named."""
    more, untold = len(told) - len(named), [arm for arm in arms if arm not in told]
    endings = [f"{counted(more, 'more arm')} {'does' if more == 1 else 'do'} so too"] if more else []
    rest = listed(untold) if len(untold) <= NAMED else f"the other {counted(len(untold), 'arm')}"
    endings += [f"for {rest} no difference is shown"] if untold else []
    ending = "".join(f"; {words}" for words in endings)
    which = "one differs" if len(named) == 1 else "these differ"
    ends = "an interval that excludes" if len(named) == 1 else "intervals that exclude"
    return (
        f"Of the other arms, {which} from {reference} in {metric}, with {ends} zero: "
        f"{_sizes(named, results)}{scope}{ending}."
    )


def _untold_sentence(rows: dict[str, Row], reference: str, metric: str, results: Results, scope: str) -> str:
    """No arm's interval excludes zero."""
    differences = [row["difference"] for row in rows.values()]
    if len(rows) > NAMED:
        places = results.places("target_recall")
        low, high = points(min(differences), places), points(max(differences), places)
        return (
            f"None of the other {len(rows)} arms, {low} to {high} points apart from {reference} in {metric}, "
            f"can be told from chance{scope}."
        )
    which, of = "arm" if len(rows) == 1 else "arms", f"difference from {reference} in {metric}"
    untested = all(verdict_of(row).direction is Direction.NOT_TESTED for row in rows.values())
    said = f"the {of} is not tested" if untested else f"no {of} is shown"
    if len(rows) == 1 and not untested:
        (arm, row), places = *rows.items(), results.places("target_recall")
        change = points_with_interval(row["difference"], row.get("low"), row.get("high"), places)
        return f"For the other arm, {arm}, {said}: {change} points{_by_holm([row], '; ')}{scope}."
    return (
        f"For the other {which} {said}: {_sizes(list(rows), results)}"
        f"{_by_holm(list(rows.values()), ' (', ')')}{scope}."
    )


def _by_holm(rows: Sequence[Row], before: str = "; ", after: str = "") -> str:
    """The adjusted p values of differences whose intervals by themselves exclude zero; empty without any."""
    held = [f"p = {show_p(row['p_holm'])}" for row in rows if held_back(row)]
    why = "by Holm's rule over the contrasts named beforehand, though the interval alone leaves out zero"
    return f"{before}{listed(held)} {why}{after}" if held else ""


def _sizes(arms: Sequence[str], results: Results) -> str:
    """'arm filtered by +1.2 points and arm all by -0.3 points': changes of the target's recall."""
    places = results.places("target_recall")
    changes: dict[str, Any] = {arm: results.comparison(arm, "target_recall") for arm in arms}
    return listed(
        [f"arm {arm} by {points(row['difference'], places)} points" for arm, row in changes.items() if row]
    )
