"""Metrics against scikit-learn, on random and degenerate predictions."""

import numpy as np
import pytest
from sklearn import metrics as sk

from helpers.evaluation import confusion, metrics, scores
from support.one_model import metrics_of

CLASSES = ["akiec", "bcc", "df", "mel", "nv"]


def reference(labels, predictions, classes, target):
    """The same figures from scikit-learn."""
    ratios = {"labels": classes, "zero_division": 0}
    precision, recall, f1, _ = sk.precision_recall_fscore_support(labels, predictions, **ratios)
    specificity = [
        sk.recall_score(
            np.asarray(labels) == name, np.asarray(predictions) == name, pos_label=False, zero_division=0
        )
        for name in classes
    ]
    expected = {"accuracy": sk.accuracy_score(labels, predictions)}
    k = classes.index(target)
    for name, values in {
        "precision": precision,
        "recall": recall,
        "specificity": specificity,
        "f1": f1,
    }.items():
        expected[f"macro_{name}"] = np.mean(values)
        expected[f"target_{name}"] = values[k]
    expected["paper_bma"] = (np.mean(recall) + np.mean(specificity)) / 2
    expected["balanced_accuracy"] = np.mean(recall)
    return expected


def degenerate_cases():
    generator = np.random.default_rng(3)
    yield "random", generator.choice(CLASSES, 300), generator.choice(CLASSES, 300)
    yield "all one prediction", generator.choice(CLASSES, 60), np.full(60, "nv")
    yield "all one label", np.full(40, "nv"), generator.choice(CLASSES, 40)
    yield "everything target", np.full(10, "mel"), np.full(10, "mel")
    yield "everything wrong", np.full(10, "mel"), np.full(10, "nv")
    yield "no target", np.array(["nv", "bcc", "df"]), np.array(["nv", "nv", "df"])
    yield "one image", np.array(["bcc"]), np.array(["mel"])


@pytest.mark.parametrize(
    ("labels", "predictions"),
    [case[1:] for case in degenerate_cases()],
    ids=[case[0] for case in degenerate_cases()],
)
def test_agrees_with_scikit_learn_on_predicted_labels(labels, predictions):
    found = metrics_of(labels, predictions, CLASSES)
    expected = reference(labels, predictions, CLASSES, "mel")
    assert set(expected) == set(metrics.METRICS)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name


@pytest.mark.parametrize("digits", [16, 1], ids=["distinct scores", "many ties"])
def test_areas_agree_with_scikit_learn(digits):
    generator = np.random.default_rng(4)
    labels = generator.choice(CLASSES, 200)
    probabilities = generator.dirichlet(np.ones(5), 200).round(digits)
    found = metrics_of(labels, probabilities, CLASSES)
    positive = labels == "mel"
    assert found["target_roc_auc"] == pytest.approx(
        sk.roc_auc_score(positive, probabilities[:, 3]), abs=1e-12
    )
    assert found["target_average_precision"] == pytest.approx(
        sk.average_precision_score(positive, probabilities[:, 3]), abs=1e-12
    )
    predicted = [CLASSES[k] for k in probabilities.argmax(axis=1)]
    assert found["macro_f1"] == pytest.approx(
        sk.f1_score(labels, predicted, labels=CLASSES, average="macro", zero_division=0)
    )


def test_areas_are_unknown_without_both_kinds():
    found = metrics_of(["nv", "nv"], [[0.2, 0.8], [0.5, 0.5]], ["mel", "nv"])
    assert np.isnan(found["target_roc_auc"]) and np.isnan(found["target_average_precision"])
    assert found["target_recall"] == 0.0 and found["target_specificity"] == 0.5


def test_without_the_target_its_metrics_are_unknown():
    found = metrics_of(["bcc", "nv"], ["bcc", "nv"], ["bcc", "nv"])
    assert found["accuracy"] == 1 and np.isnan(found["target_recall"])


def test_a_label_of_no_class_is_refused_in_words():
    with pytest.raises(ValueError, match="the labels hold 'xyz', which is none of the classes akiec, bcc"):
        metrics.class_indices(np.array(["mel", "xyz"]), CLASSES)


def test_the_papers_bma_is_not_balanced_accuracy():
    found = metrics_of(["mel", "mel", "nv", "nv"], ["mel", "nv", "nv", "nv"], ["mel", "nv"])
    assert found["balanced_accuracy"] == 0.75
    assert found["paper_bma"] == 0.75  # two classes: specificity of one is recall of the other
    found = metrics_of(["mel", "nv", "df"], ["mel", "mel", "df"], ["df", "mel", "nv"])
    assert found["balanced_accuracy"] == pytest.approx(2 / 3)
    assert found["paper_bma"] == pytest.approx((2 / 3 + (0.5 + 1 + 1) / 3) / 2)


def test_confusions_of_many_models_at_once_equal_one_by_one():
    generator = np.random.default_rng(5)
    truth, predicted = generator.integers(0, 4, 50), generator.integers(0, 4, (2, 3, 50))
    counts = confusion.confusion_counts(truth, predicted, 4)
    assert counts.shape == (2, 3, 4, 4)
    for a, r in np.ndindex(2, 3):
        assert (counts[a, r] == sk.confusion_matrix(truth, predicted[a, r], labels=range(4))).all()


def test_influences_are_the_derivatives_of_the_metrics():
    generator = np.random.default_rng(6)
    counts = generator.integers(1, 30, (4, 4)).astype(float)
    slopes, step = confusion.influences(counts, 2), 1e-4
    for name in metrics.METRICS:
        for cell in np.ndindex(4, 4):
            moved = np.zeros((4, 4))
            moved[cell] = step
            slope = (
                confusion.summarise(counts + moved, 2)[name] - confusion.summarise(counts - moved, 2)[name]
            ) / (2 * step)
            assert slopes[name][cell] == pytest.approx(slope, abs=1e-7), (name, cell)
        assert (counts * slopes[name]).sum() == pytest.approx(0, abs=1e-12)


def test_influence_of_the_roc_area_gives_delongs_variance():
    generator = np.random.default_rng(7)
    positive, score = generator.random(80) < 0.3, generator.random(80).round(2)
    influence = scores.roc_auc_influence(positive, score)
    compared = (score[positive][:, None] > score[~positive]) + 0.5 * (
        score[positive][:, None] == score[~positive]
    )
    m, n = compared.shape
    delong = compared.mean(axis=1).var(ddof=1) / m + compared.mean(axis=0).var(ddof=1) / n
    ours = (influence[positive] ** 2).sum() * m / (m - 1) + (influence[~positive] ** 2).sum() * n / (n - 1)
    assert ours == pytest.approx(delong)


# --- from probabilities -------------------------------------------------------------------------


def probable(images=300, seed=8, digits=16):
    """Labels as positions and probabilities that know something of them."""
    generator = np.random.default_rng(seed)
    truth = generator.choice(5, images, p=[0.15, 0.15, 0.1, 0.2, 0.4])
    logits = generator.normal(size=(images, 5)) + 1.5 * np.eye(5)[truth]
    return truth, (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).round(digits)


def scored(truth, probabilities, threshold=0.3):
    return scores.score_metrics(scores.Scores(truth, probabilities, 3, threshold))


def test_macro_areas_and_brier_scores_agree_with_scikit_learn():
    truth, probabilities = probable()
    found = scored(truth, probabilities)
    assert found["macro_roc_auc"][0] == pytest.approx(
        sk.roc_auc_score(truth, probabilities, multi_class="ovr", average="macro")
    )
    assert found["macro_average_precision"][0] == pytest.approx(
        sk.average_precision_score(np.eye(5)[truth], probabilities, average="macro")
    )
    each = [sk.brier_score_loss(truth == k, probabilities[:, k]) for k in range(5)]
    assert found["brier_score"][0] == pytest.approx(sum(each))


def test_calibration_error_agrees_with_scikit_learns_curve():
    from sklearn.calibration import calibration_curve

    truth, probabilities = probable()
    for happened, score, found in (
        (truth == 3, probabilities[:, 3], scored(truth, probabilities)["target_calibration_error"][0]),
        (
            probabilities.argmax(axis=1) == truth,
            probabilities.max(axis=1),
            scored(truth, probabilities)["calibration_error"][0],
        ),
    ):
        frequency, mean = calibration_curve(happened, score, n_bins=10)
        counts = np.bincount(scores.calibration_bins(score), minlength=10)
        assert found == pytest.approx((counts[counts > 0] * np.abs(frequency - mean)).sum() / len(score))
    assert scores.calibration_error(np.array([True, False]), np.array([1.0, 0.0]))[0] == 0


def test_the_operating_threshold_is_the_least_that_keeps_the_specificity():
    generator = np.random.default_rng(9)
    for count in (1, 20, 37, 400):
        negatives = generator.random(count).round(2)
        threshold = scores.operating_threshold(negatives, 0.95)
        assert (negatives < threshold).mean() >= 0.95
        assert (negatives < np.nextafter(threshold, 0)).mean() < 0.95
    assert np.isnan(scores.operating_threshold(np.array([]), 0.95))


def test_the_operating_point_lies_on_scikit_learns_roc_curve():
    truth, probabilities = probable()
    positive, score = truth == 3, probabilities[:, 3]
    found = scored(truth, probabilities, scores.operating_threshold(score[~positive], 0.95))
    false, true, _ = sk.roc_curve(positive, score, drop_intermediate=False)
    assert found["target_operating_recall"][0] == pytest.approx(true[false <= 0.05 + 1e-9].max())
    assert found["target_operating_specificity"][0] >= 0.95
    assert np.isnan(scored(truth, probabilities, float("nan"))["target_operating_recall"][0])


def test_net_benefit_is_that_of_the_counts():
    truth, probabilities = probable()
    thresholds = np.array([0.05, 0.2, 0.5])
    benefit, influence = scores.net_benefit(truth == 3, probabilities[:, 3], thresholds)
    for t, found in zip(thresholds, benefit, strict=True):
        (_, false_alarms), (_, hits) = sk.confusion_matrix(truth == 3, probabilities[:, 3] >= t)
        assert found == pytest.approx(hits / 300 - false_alarms / 300 * t / (1 - t))
    assert influence.shape == (3, 300) and influence.sum(axis=1) == pytest.approx(0, abs=1e-12)
    many, _ = scores.net_benefit(truth == 3, np.stack([probabilities[:, 3], np.ones(300)]), thresholds)
    assert many[0] == pytest.approx(benefit) and many[1][0] == pytest.approx(
        0.2 - 0.8 * 0.05 / 0.95, abs=0.05
    )


@pytest.mark.parametrize("digits", [16, 1], ids=["distinct scores", "many ties"])
def test_influences_of_average_precision_are_its_derivatives_by_weight(digits):
    truth, probabilities = probable(80, digits=digits)
    positive, score = truth == 3, probabilities[:, 3]
    influence, step = scores.average_precision_influence(positive, score), 1e-5
    for image in range(80):
        weights = np.tile(np.ones(80), (2, 1))
        weights[:, image] += (step, -step)
        up, down = (sk.average_precision_score(positive, score, sample_weight=weight) for weight in weights)
        assert influence[image] == pytest.approx((up - down) / (2 * step), abs=1e-8)


@pytest.mark.parametrize("name", metrics.PROBABILITY_METRICS)
def test_influences_foretell_what_leaving_an_image_out_does(name):
    truth, probabilities = probable(400)
    value, influence = scored(truth, probabilities)[name]
    without = [
        scored(np.delete(truth, i), np.delete(probabilities, i, axis=0))[name][0] for i in range(0, 400, 8)
    ]
    assert influence.sum() == pytest.approx(0, abs=1e-10)
    change, foretold = value - np.array(without), influence[::8]
    assert np.corrcoef(change, foretold)[0, 1] > 0.98 and np.std(change) == pytest.approx(
        np.std(foretold), rel=0.1
    )


def test_what_the_probabilities_of_absent_classes_cannot_tell_is_unknown():
    truth, probabilities = probable()
    kept = truth != 3
    found = scored(truth[kept], probabilities[kept])
    assert (
        np.isnan(found["target_roc_auc"][0])
        and np.isnan(found["target_operating_recall"][0])
        and found["target_operating_specificity"][0] > 0
    )
    others = [sk.roc_auc_score(truth[kept] == k, probabilities[kept, k]) for k in (0, 1, 2, 4)]
    assert found["macro_roc_auc"][0] == pytest.approx(np.mean(others))
    assert np.isnan(
        scores.score_metrics(scores.Scores(truth, probabilities, None))["target_calibration_error"][0]
    )
