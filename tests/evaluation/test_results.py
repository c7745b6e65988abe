"""From predictions on disk to the tables of evaluation/."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics as sk
from statsmodels.stats.multitest import multipletests

from helpers import paths
from helpers.errors import DataError, MissingStageError
from helpers.evaluation import inference, measurements, metrics
from helpers.evaluation.bootstrap import BATCH
from helpers.evaluation.predictions import read_predictions
from helpers.evaluation.results import evaluate
from helpers.evaluation.roles import roles
from helpers.evaluation.runs import compare_runs
from helpers.params import validate
from helpers.paths import RunPaths
from support.one_model import metrics_of

CLASSES = ["bkl", "mel", "nv"]
ARMS = {
    "baseline": {},
    "filtered": {"synthetic": {"select": "top", "count": 300}},
    "all": {"synthetic": {"select": "all"}},
}


def params(replicates, arms=None, **evaluation):
    return validate(
        {"arms": arms or ARMS, "replicates": replicates, "evaluation": {"bootstrap": 200, **evaluation}}
    )


def load_predictions(run, arms, replicates):
    """The predictions of these arms and replicates in one table, as the evaluation reads and checks them."""
    read = read_predictions(run, arms, replicates)
    return pd.concat([frame.assign(arm=arm, replicate=replicate) for arm, replicate, frame in read])


@pytest.fixture
def make_run(tmp_path, monkeypatch):
    """Writes split.csv and predictions of made-up arms.

    ``gain`` is added to the logit of the truth, by arm, and ``memory`` where the lesion was seen.
    """
    monkeypatch.setattr(paths, "ARTIFACTS", tmp_path)

    def make(arms=tuple(ARMS), replicates=3, images=400, gain=None, seed=0, memory=0.0, name="made-up"):
        generator = np.random.default_rng(seed)
        run = RunPaths(name)
        dx = generator.choice(CLASSES, images, p=[0.2, 0.2, 0.6])
        # three photographs of a lesion, of one class each
        lesion = [f"L-{name}-{np.flatnonzero(dx[: i + 1] == name).size // 3}" for i, name in enumerate(dx)]
        part = generator.permutation(np.resize(["train"] * 5 + ["validation", "test", "test"], images))
        split = pd.DataFrame(
            {"image_id": [f"I{i:05d}" for i in range(images)], "lesion_id": lesion, "dx": dx, "split": part}
        )
        run.data.mkdir(parents=True)
        split.to_csv(run.split, index=False)
        held = split[split["split"] != "train"]
        truth = held["dx"].map(CLASSES.index).to_numpy()
        shared = generator.normal(size=(len(held), 3))
        shared[np.arange(len(held)), truth] += memory * held["lesion_id"].isin(
            split["lesion_id"][split["split"] == "train"]
        )
        for arm in arms:
            for replicate in range(replicates):
                logits = shared + 0.7 * generator.normal(size=shared.shape)
                logits[np.arange(len(held)), truth] += 1.2 + (gain or {}).get(arm, 0)
                probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
                table = held[["image_id", "split"]].assign(
                    label=held["dx"], **{f"p_{name}": probabilities[:, k] for k, name in enumerate(CLASSES)}
                )
                folder = run.classifier(arm, replicate)
                folder.mkdir(parents=True)
                # the order of the rows must not matter
                table.sample(frac=1, random_state=replicate).to_csv(folder / "predictions.csv", index=False)
        return run

    return make


def test_every_table_is_written_and_agrees_with_the_metrics(make_run):
    run = make_run()
    tables = evaluate(run, params(3))
    for name, table in tables.items():
        if name != "confusion":
            written = pd.read_csv(run.evaluation / f"{name}.csv", keep_default_na=True)
            assert list(written.columns) == list(table.columns) and len(written) == len(table), name
    predictions = load_predictions(run, ["all"], [2])
    test = predictions[predictions["split"] == "test"]
    others = predictions[(predictions["split"] == "validation") & (predictions["label"] != "mel")]["p_mel"]
    row = tables["metrics"].query("arm == 'all' and replicate == 2").iloc[0]
    assert (
        (others < row["operating_threshold"]).mean()
        >= 0.95
        > (others < row["operating_threshold"] - 1e-12).mean()
    )
    expected = metrics_of(
        test["label"], test[[f"p_{name}" for name in CLASSES]], CLASSES, threshold=row["operating_threshold"]
    )
    assert row["images"] == len(test)
    for name in (*metrics.METRICS, *metrics.PROBABILITY_METRICS):
        assert row[name] == pytest.approx(expected[name]), name
    counts = pd.read_csv(run.evaluation / "confusion-all.csv").query("replicate == 2")
    assert counts["count"].to_numpy().reshape(3, 3).tolist() == (
        sk.confusion_matrix(
            test["label"], test[[f"p_{name}" for name in CLASSES]].idxmax(axis=1).str[2:]
        ).tolist()
    )
    assert list(tables["comparisons"].columns[:10]) == [
        "arm",
        "reference",
        "metric",
        "arm_mean",
        "reference_mean",
        "difference",
        "low",
        "high",
        "replicates",
        "method",
    ]
    assert tables["comparisons"]["arm"].unique().tolist() == ["filtered", "all"]
    assert (tables["mcnemar"]["scope"] == "these two trained models, clustering ignored").all()


def test_the_same_run_twice_gives_the_same_bytes(make_run):
    run = make_run()
    evaluate(run, params(3))
    first = {path.name: path.read_bytes() for path in run.evaluation.iterdir()}
    evaluate(run, params(3))
    assert first == {path.name: path.read_bytes() for path in run.evaluation.iterdir()}


def test_an_arm_that_is_better_is_seen_and_one_that_is_not_is_not(make_run):
    run = make_run(images=1600, replicates=5, gain={"filtered": 2.0})
    tables = evaluate(run, params(5))
    contrasts = tables["contrasts"].set_index(["contrast", "metric"])
    assert contrasts.loc[("filtered - baseline", "target_recall"), "low"] > 0
    assert contrasts.loc[("filtered - baseline", "target_recall"), "role"] == "primary"
    primary = contrasts[contrasts["role"] == "primary"]
    assert len(primary) == 2 and (primary["p_holm"] >= primary["p"]).all()
    assert (
        contrasts.loc[("all - baseline", "target_recall"), "low"]
        < 0
        < contrasts.loc[("all - baseline", "target_recall"), "high"]
    )
    verdicts = tables["claims"].set_index(["contrast", "metric"])["verdict"]
    assert verdicts["filtered - baseline", "target_recall"] == "supported"
    row = tables["comparisons"].query("arm == 'filtered' and metric == 'accuracy'").iloc[0]
    assert row["bootstrap_high"] - row["bootstrap_low"] == pytest.approx(row["high"] - row["low"], rel=0.3)


def test_single_runs_have_no_interval(make_run):
    tables = evaluate(make_run(replicates=1), params(1))
    assert (tables["comparisons"]["method"] == "single runs").all()
    assert tables["comparisons"][["low", "high", "bootstrap_low", "p"]].isna().all(axis=None)
    judged = tables["claims"][~tables["claims"]["verdict"].str.startswith("the audit")]
    assert set(judged["verdict"]) == {"not tested", "not tested (needs 3 replicates)"}
    assert tables["arms"]["standard_deviation"].isna().all()


def test_seen_and_unseen_lesions_are_scored_apart(make_run):
    run = make_run()
    tables = evaluate(run, params(3))
    split = pd.read_csv(run.split)
    test = split[split["split"] == "test"]
    seen = test["lesion_id"].isin(split[split["split"] == "train"]["lesion_id"])
    counts = (
        tables["metrics_by_lesion"]
        .query("arm == 'baseline' and replicate == 0")
        .set_index("lesions")["images"]
    )
    assert counts.to_dict() == {"seen": seen.sum(), "unseen": (~seen).sum()}
    within = (
        tables["per_class_by_lesion"]
        .query("arm == 'all' and replicate == 1")
        .groupby("class")["support"]
        .sum()
    )
    assert within.to_dict() == test["dx"].value_counts().to_dict()


def test_files_of_an_arm_that_is_gone_are_removed(make_run):
    run = make_run()
    evaluate(run, params(3))
    assert (run.evaluation / "confusion-all.csv").exists()
    evaluate(run, params(3, arms={name: ARMS[name] for name in ("baseline", "filtered")}))
    assert not (run.evaluation / "confusion-all.csv").exists()


def test_every_metric_of_every_arm_has_its_mean_deviation_and_interval(make_run):
    tables = evaluate(make_run(), params(3))
    arms = tables["arms"].set_index(["arm", "metric"])
    wanted = {*metrics.METRICS, *metrics.PROBABILITY_METRICS}
    assert {name for _, name in arms.index} == wanted and len(arms) == 3 * len(wanted)
    values = tables["metrics"].groupby("arm")
    for name in wanted:
        assert arms.xs(name, level="metric")["mean"].to_dict() == pytest.approx(
            values[name].mean().to_dict()
        ), name
        assert arms.xs(name, level="metric")["standard_deviation"].to_dict() == pytest.approx(
            values[name].std().to_dict()
        ), name
    assert (arms["low"] < arms["mean"]).all() and (arms["mean"] < arms["high"]).all()
    classes = tables["arms_per_class"]
    assert len(classes) == 3 * 3 * 6 and classes[["low", "high"]].notna().all(axis=None)
    own = tables["per_class"].groupby(["arm", "class"])
    for name in ("precision", "recall", "specificity", "f1", "roc_auc", "average_precision"):
        found = classes[classes["metric"] == name].set_index(["arm", "class"])["mean"]
        assert found.to_dict() == pytest.approx(own[name].mean().to_dict()), name
    target = classes.query("arm == 'all' and `class` == 'mel' and metric == 'roc_auc'").iloc[0]
    assert (target["low"], target["high"]) == pytest.approx(
        (arms.loc[("all", "target_roc_auc"), "low"], arms.loc[("all", "target_roc_auc"), "high"])
    )


def test_only_what_was_named_beforehand_is_primary(make_run):
    arms = {**ARMS, "random": {"synthetic": {"select": "random", "count": 300}}, "again": {}}
    tables = evaluate(make_run(arms=tuple(arms)), params(3, arms=arms))
    primary = tables["contrasts"].query("role == 'primary'")
    assert primary["contrast"].tolist() == ["filtered - baseline", "filtered - random", "all - baseline"]
    assert (primary["metric"] == "target_recall").all()
    assert primary["p_holm"].to_numpy() == pytest.approx(multipletests(primary["p"], method="holm")[1])
    assert tables["contrasts"].query("role != 'primary'")["p_holm"].isna().all()
    marked = tables["comparisons"].query("role == 'primary'")
    assert sorted(zip(marked["arm"], marked["metric"], strict=True)) == [
        ("all", "target_recall"),
        ("filtered", "target_recall"),
    ]
    assert set(tables["comparisons"]["role"]) == {"primary", "exploratory"}


def test_contrasts_without_a_primary_metric_are_computed_and_all_exploratory(make_run):
    asked = {"primary_contrasts": ["all - filtered"], "primary_metrics": []}
    contrasts = evaluate(make_run(), params(3, **asked))["contrasts"]
    assert "all - filtered" in set(contrasts["contrast"])
    assert set(contrasts["role"]) == {"exploratory"} and contrasts["p_holm"].isna().all()


def test_the_probabilities_tables_agree_with_the_predictions(make_run):
    run = make_run()
    tables = evaluate(run, params(3))
    predictions = load_predictions(run, ["all"], [1]).query("split == 'test'")
    positive, score = predictions["label"] == "mel", predictions["p_mel"]
    bins = tables["reliability"].query("arm == 'all' and replicate == 1 and probability_of == 'target'")
    assert bins["images"].sum() == len(predictions)
    assert (bins["images"] * bins["frequency"]).sum() == pytest.approx(positive.sum())
    assert (bins["images"] * bins["probability"]).sum() == pytest.approx(score.sum())
    curves = tables["curves"].query("arm == 'all' and replicate == 1")
    roc = curves[curves["curve"] == "roc"]
    assert sk.auc(roc["x"], roc["y"]) == pytest.approx(sk.roc_auc_score(positive, score), abs=0.01)
    precision = curves[curves["curve"] == "precision_recall"].set_index("x")["y"]
    assert precision[1.0] == pytest.approx(
        (positive & (score >= score[positive].min())).sum() / (score >= score[positive].min()).sum()
    )
    assert sk.auc(precision.index, precision) == pytest.approx(
        sk.average_precision_score(positive, score), abs=0.03
    )
    decisions = tables["decision_curve"].query("arm == 'all'").set_index("threshold")
    each = [load_predictions(run, ["all"], [r]).query("split == 'test'") for r in range(3)]
    acted = [(p["p_mel"] >= 0.2, p["label"] == "mel") for p in each]
    expected = np.mean([(a & y).mean() - 0.25 * (a & ~y).mean() for a, y in acted])
    assert decisions.loc[0.2, "mean"] == pytest.approx(expected)
    assert decisions.loc[0.2, "act_on_all"] == pytest.approx(positive.mean() - 0.25 * (~positive).mean())
    assert (decisions["low"] < decisions["mean"]).all() and len(decisions) == 50
    assert decisions.loc[0.2, "recall"] == pytest.approx(np.mean([a[y].mean() for a, y in acted]))
    assert decisions.loc[0.2, "false_alarms"] == pytest.approx(np.mean([a[~y].mean() for a, y in acted]))


def test_the_leak_is_measured_within_classes(make_run):
    run = make_run(images=1600, replicates=4, memory=2.5)
    leak = evaluate(run, params(4))["leak"].set_index(["arm", "class"])
    split = pd.read_csv(run.split)
    test = split[split["split"] == "test"]
    seen = test["lesion_id"].isin(split[split["split"] == "train"]["lesion_id"])
    for name in CLASSES:
        row = leak.loc["all", name]
        own = (test["dx"] == name).to_numpy()
        assert (row["seen_images"], row["unseen_images"]) == ((seen & own).sum(), (~seen & own).sum())
        tested = load_predictions(run, ["all"], range(4)).query("split == 'test' and label == @name")
        right = tested[[f"p_{each}" for each in CLASSES]].idxmax(axis=1) == f"p_{name}"
        known = tested["image_id"].isin(test["image_id"][seen])
        assert (row["seen_recall"], row["unseen_recall"]) == pytest.approx(
            (right[known].mean(), right[~known].mean())
        )
    for arm in ARMS:
        mean = leak.loc[arm, "mean of classes"]
        assert (
            mean["difference"] == pytest.approx(leak.loc[arm].loc[CLASSES, "difference"].mean())
            and mean["low"] > 0
        )
    honest = evaluate(make_run(images=1600, replicates=4, name="honest"), params(4))["leak"].query(
        "`class` == 'mean of classes'"
    )
    assert (honest["low"] < 0).all() and (honest["high"] > 0).all()


def test_few_lesions_of_a_kind_leave_the_gap_without_an_interval(make_run):
    leak = evaluate(make_run(images=150), params(3))["leak"]
    few = leak[leak["method"].str.startswith("fewer than 5 lesions")]
    assert len(few) and few[["low", "high"]].isna().all(axis=None)


def test_two_runs_stand_side_by_side(make_run):
    first, second = (
        make_run(images=900, name="by-image"),
        make_run(images=900, seed=5, gain=dict.fromkeys(ARMS, 1.5), name="by-lesion", replicates=4),
    )
    one, two = evaluate(first, params(3)), evaluate(second, params(4))
    table = compare_runs(second, first).set_index(["arm", "class", "metric"])
    row = table.loc[("filtered", "", "accuracy")]
    a, b = (t["arms"].set_index(["arm", "metric"]).loc[("filtered", "accuracy")] for t in (two, one))
    assert row["difference"] == pytest.approx(a["mean"] - b["mean"]) and row["low"] > 0
    variances = np.array([a["standard_error"], b["standard_error"]]) ** 2
    freedom = variances.sum() ** 2 / (variances**2 / [a["degrees_of_freedom"], b["degrees_of_freedom"]]).sum()
    half = stats.t.ppf(0.975, freedom) * np.sqrt(variances.sum())
    assert (row["low"], row["high"]) == pytest.approx((row["difference"] - half, row["difference"] + half))
    assert (row["first_replicates"], row["second_replicates"]) == (4, 3)
    assert row["first_mean"] == pytest.approx(two["metrics"].query("arm == 'filtered'")["accuracy"].mean())
    assert ("all", "mel", "recall") in table.index and not table.index.duplicated().any()
    with pytest.raises(MissingStageError, match="evaluation"):
        compare_runs(RunPaths("by-image"), RunPaths("never"))


def test_single_runs_are_compared_without_an_interval(make_run):
    first, second = make_run(replicates=1, name="one"), make_run(replicates=1, seed=5, name="two")
    evaluate(first, params(1))
    evaluate(second, params(1))
    table = compare_runs(first, second)
    assert (
        table["difference"].notna().all()
        and table["low"].isna().all()
        and (table["method"] == "single runs").all()
    )


def test_an_arm_and_an_image_may_be_called_na(make_run):
    first, second = make_run(replicates=1, name="one"), make_run(replicates=1, seed=5, name="two")
    for run in (first, second):
        image = pd.read_csv(run.split).query("split == 'test'")["image_id"].iloc[0]
        for path in (run.split, *run.folder.rglob("predictions.csv")):
            path.write_text(path.read_text().replace(image, "NA"))
        evaluate(run, params(1))
        for name in ("arms", "arms_per_class"):
            table = run.evaluation / f"{name}.csv"
            table.write_text(table.read_text().replace("filtered,", "NA,"))
    assert "NA" in set(load_predictions(first, ["all"], range(1))["image_id"])
    assert set(compare_runs(first, second)["arm"]) == {*ARMS, "NA"} - {"filtered"}


# --- the external test set ----------------------------------------------------------------------


def with_external(run, replicates, images=120, arms=tuple(ARMS)):
    """Writes predictions of another test set.

    Every arm is right on all images of bkl and nv and on two of three of mel.
    """
    names = [f"X{i:05d}" for i in range(images)]
    label = np.array(CLASSES)[np.arange(images) % 3]
    for arm in arms:
        for replicate in range(replicates):
            right = np.where((label == "mel") & ((np.arange(images) // 3 + replicate) % 3 == 0), "nv", label)
            table = pd.DataFrame(
                {"image_id": names, "label": label}
                | {f"p_{c}": np.where(right == c, 0.8, 0.1) for c in CLASSES}
            )
            table.sample(frac=1, random_state=replicate).to_csv(
                run.classifier(arm, replicate) / "predictions-external.csv", index=False
            )


def external_params(replicates, arms=ARMS):
    return validate(
        {
            "arms": arms,
            "replicates": replicates,
            "data": {"external_root": "somewhere"},
            "evaluation": {"bootstrap": 200},
        }
    )


def test_an_external_test_set_is_scored_by_the_isic_metric(make_run):
    run = make_run()
    with_external(run, 3)
    own = evaluate(run, params(3))
    assert own["external"].empty and (run.evaluation / "external.csv").exists()
    external = evaluate(run, external_params(3))["external"]
    first = external.query("arm == 'baseline'").iloc[0]
    assert first["metric"] == "balanced_accuracy" and first["mean"] == pytest.approx(
        (1 + 1 + 26 / 40 / 3 + 2 * 27 / 40 / 3) / 3, abs=0.01
    )
    assert first["low"] < first["mean"] < first["high"] and (
        first["images"],
        first["target_images"],
        first["replicates"],
    ) == (120, 40, 3)
    pd.testing.assert_frame_equal(evaluate(run, external_params(3))["metrics"], own["metrics"])


def test_the_controls_are_asked_on_the_external_test_set_too(make_run):
    repeated = {"class": "target", "count": 300}
    arms = {
        "baseline": {},
        "filtered": ARMS["filtered"],
        "blurred": {"oversample": {**repeated, "through": "synthesis"}},
        "oversampled": {"oversample": repeated},
    }
    run = make_run(arms=tuple(arms))
    with_external(run, 3, arms=tuple(arms))
    tables = evaluate(run, external_params(3, arms))
    controls = tables["controls"].query("reference != 'baseline'")
    asked = tables["external_contrasts"].query("reference != 'baseline'")
    pairs = {("filtered", "blurred"), ("blurred", "oversampled")}
    for table in (controls, asked):
        assert set(zip(table["arm"], table["reference"], strict=True)) == pairs
    assert not asked.duplicated(["arm", "reference", "metric"]).any()
    assert set(asked["role"]) == {"exploratory"} and "target_recall" in set(asked["metric"])


def test_a_class_that_the_external_test_set_lacks_does_not_count(make_run):
    run = make_run()
    with_external(run, 3)
    for file in run.folder.glob("classifier/*/*/predictions-external.csv"):
        pd.read_csv(file).query("label != 'mel'").to_csv(file, index=False)
    external = evaluate(run, external_params(3))["external"]
    assert (external[external["metric"] == "balanced_accuracy"]["mean"] == 1).all()
    assert {name for name in external["metric"] if name.startswith("target_")} == {
        "target_specificity",
        "target_operating_specificity",
    }


def test_single_runs_have_no_interval_on_the_external_test_set(make_run):
    run = make_run(replicates=1)
    with_external(run, 1)
    external = evaluate(run, external_params(1))["external"]
    assert external["mean"].notna().all() and external[["low", "high", "standard_deviation"]].isna().all(
        axis=None
    )


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (
            lambda table: table.replace({"image_id": {"X00004": "I00004"}}),
            "1 images of the run's own data, I00004 first",
        ),
        (
            lambda table: table.replace({"label": {"bkl": "scc"}}),
            "the class scc, which the classifier does not know",
        ),
        (lambda table: table.iloc[1:], "other images or labels"),
        (lambda table: pd.concat([table, table.iloc[:1]]), "twice"),
        (lambda table: table.assign(p_mel=2.0), "not shares that sum to 1"),
        (lambda table: table.drop(columns="p_nv"), "lacks the column p_nv"),
        (lambda table: table.iloc[:0], "holds no image"),
    ],
)
def test_wrong_external_predictions_are_refused_in_a_sentence(make_run, change, part):
    run = make_run()
    with_external(run, 3)
    path = run.classifier("filtered", 1) / "predictions-external.csv"
    change(pd.read_csv(path)).to_csv(path, index=False)
    with pytest.raises(DataError, match=part) as raised:
        evaluate(run, external_params(3))
    assert "filtered/replicate-1/predictions-external.csv" in str(raised.value) and str(
        raised.value
    ).endswith("train this replicate again.")


def test_missing_external_predictions_name_the_stage(make_run):
    with pytest.raises(MissingStageError, match="classifier"):
        evaluate(make_run(), external_params(3))


# --- which arm is which -------------------------------------------------------------------------


def test_the_random_arm_has_as_many_images_as_the_filtered_one():
    few = {
        "filtered": {"synthetic": {"select": "top", "count": 10}},
        "random": {"synthetic": {"select": "random", "count": 20}},
    }
    assert "random" not in roles(params(1, arms={"baseline": {}, **few}))
    share = {
        "filtered": {"synthetic": {"select": "top", "count": 300}},
        "dice": {"synthetic": {"select": "random", "fraction": 0.3}},
    }
    assert roles(params(1, arms={"baseline": {}, **share}))["random"] == "dice"


def test_only_the_critics_choice_is_the_papers_filter():
    arms = {
        "baseline": {},
        "near": {"synthetic": {"select": "top", "rank": "distance", "count": 10}},
        "best": {"synthetic": {"select": "top", "count": 10}},
    }
    assert roles(params(1, arms=arms))["filtered"] == "best"
    assert "filtered" not in roles(params(1, arms={name: arms[name] for name in ("baseline", "near")}))


def test_an_arm_with_images_of_other_classes_plays_no_part_of_the_papers():
    top = {"synthetic": {"select": "top", "counts": {"df": 20}}}
    arms = {"baseline": {}, "filtered": top, "all": {"synthetic": {"select": "all"}}}
    other = validate({"gan": {"classes": ["df"]}, "arms": arms})
    assert roles(other) == {"baseline": "baseline"}
    both = validate({"gan": {"classes": ["df", "mel"], "conditional": True}, "arms": arms})
    assert roles(both) == {"baseline": "baseline", "all": "all"}


def test_roles_go_by_recipe_where_names_differ():
    named = {
        "plain": {},
        "best": {"synthetic": {"select": "top", "count": 10}},
        "lot": {"synthetic": {"select": "all"}},
        "dice": {"synthetic": {"select": "random", "count": 10}},
    }
    assert roles(params(1, arms=named, reference="plain")) == {
        "baseline": "plain",
        "filtered": "best",
        "all": "lot",
        "random": "dice",
    }


def spoil(run, change, arm="filtered", replicate=1):
    path = run.classifier(arm, replicate) / "predictions.csv"
    table = change(pd.read_csv(path))
    table.to_csv(path, index=False)


def edited(column, value):
    def change(table):
        table.loc[table.index[table["split"] == "test"][0], column] = value
        return table

    return change


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda table: table[table["split"] != "test"].copy(), "test images"),
        (lambda table: table.drop(table.index[table["split"] == "test"][0]), "lacks 1 of the .* test images"),
        (
            lambda table: table.drop(table.index[table["split"] == "validation"][0]),
            "lacks 1 of the .* validation images",
        ),
        (lambda table: pd.concat([table, table.iloc[:1]]), "twice"),
        (edited("image_id", "I99999"), "not in split.csv"),
        (edited("split", "validation"), "belongs to the test part"),
        (edited("label", "xyz"), "split.csv says"),
        (edited("p_mel", 3.0), "sum to 1"),
        (edited("p_mel", np.nan), "sum to 1"),
        (lambda table: table.drop(columns="label"), "lacks the column label"),
        (lambda table: table.drop(columns=["p_mel"]), "no probability column"),
        (lambda table: table.assign(p_xyz=0.0), "holds the classes"),
    ],
)
def test_wrong_predictions_are_refused_in_a_sentence(make_run, change, part):
    run = make_run(replicates=2)
    spoil(run, change)
    with pytest.raises(DataError, match=part) as raised:
        load_predictions(run, list(ARMS), range(2))
    assert "filtered/replicate-1" in str(raised.value) and str(raised.value).endswith(".")


def test_a_training_image_among_the_predictions_is_refused(make_run):
    run = make_run(replicates=1)
    split = pd.read_csv(run.split)
    trained = split[split["split"] == "train"].iloc[0]
    row = {
        "image_id": trained["image_id"],
        "split": "test",
        "label": trained["dx"],
        "p_bkl": 1.0,
        "p_mel": 0.0,
        "p_nv": 0.0,
    }
    spoil(run, lambda table: pd.concat([table, pd.DataFrame([row])]), replicate=0)
    with pytest.raises(DataError, match="is a training image"):
        load_predictions(run, ["filtered"], range(1))


def test_a_missing_stage_is_named(make_run):
    run = make_run(replicates=1)
    with pytest.raises(MissingStageError, match="classifier"):
        load_predictions(run, list(ARMS), range(2))
    run.split.unlink()
    with pytest.raises(MissingStageError, match="eda"):
        load_predictions(run, list(ARMS), range(1))


def test_images_without_a_lesion_id_stand_for_themselves(make_run):
    run = make_run()
    pd.read_csv(run.split).assign(lesion_id=np.nan).to_csv(run.split, index=False)
    tables = evaluate(run, params(3))
    assert tables["metrics_by_lesion"].empty
    assert tables["comparisons"]["low"].notna().all()


def test_a_target_that_no_image_has_gives_tables_without_it(make_run):
    run = make_run()
    other = validate(
        {"arms": ARMS, "replicates": 3, "data": {"target_class": "scc"}, "evaluation": {"bootstrap": 100}}
    )
    tables = evaluate(run, other)
    assert not tables["comparisons"]["metric"].str.startswith("target_").any()
    assert (tables["claims"].query("metric == 'target_recall'")["verdict"] == "not tested").all()


def test_an_evaluation_measures_each_model_once_and_resamples_in_batches(make_run, monkeypatch):
    calls = Counter()

    def count(module, name):
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given: calls.update([name]) or real(*given))

    for name in ("measure", "crossed_bootstrap", "_summarised"):
        count(inference, name)
    count(measurements, "score_metrics")
    evaluate(make_run(), params(3, bootstrap=5 * BATCH))
    assert calls["measure"] == calls["crossed_bootstrap"] == 1, "once for all tables"
    assert calls["score_metrics"] == 3 * len(ARMS), "once for every trained model"
    assert calls["_summarised"] == 1 + 5, "the study itself, and arrays of many resamples"
