"""From predictions on disk to the tables of evaluation/."""

import time

import numpy as np
import pandas as pd
import pytest

from helpers import paths
from helpers.errors import DataError, MissingStageError
from helpers.evaluation.metrics import classification_metrics
from helpers.evaluation.results import evaluate, load_predictions, roles
from helpers.params import validate
from helpers.paths import RunPaths

CLASSES = ["bkl", "mel", "nv"]
ARMS = {"baseline": {}, "filtered": {"synthetic": {"select": "top", "count": 300}}, "all": {"synthetic": {"select": "all"}}}


def params(replicates, arms=None, **evaluation):
    return validate({"arms": arms or ARMS, "replicates": replicates, "evaluation": {"bootstrap": 200, **evaluation}})


@pytest.fixture
def make_run(tmp_path, monkeypatch):
    """Writes split.csv and predictions of made-up arms; ``gain`` is added to the logit of the truth, by arm."""
    monkeypatch.setattr(paths, "ARTIFACTS", tmp_path)

    def make(arms=tuple(ARMS), replicates=3, images=400, gain=None, seed=0):
        generator = np.random.default_rng(seed)
        run = RunPaths("made-up")
        dx = generator.choice(CLASSES, images, p=[0.2, 0.2, 0.6])
        # three photographs of a lesion, of one class each
        lesion = [f"L-{name}-{np.flatnonzero(dx[: i + 1] == name).size // 3}" for i, name in enumerate(dx)]
        part = generator.permutation(np.resize(["train"] * 5 + ["validation", "test", "test"], images))
        split = pd.DataFrame({"image_id": [f"I{i:05d}" for i in range(images)], "lesion_id": lesion, "dx": dx, "split": part})
        run.data.mkdir(parents=True)
        split.to_csv(run.split, index=False)
        held = split[split["split"] != "train"]
        truth = held["dx"].map(CLASSES.index).to_numpy()
        shared = generator.normal(size=(len(held), 3))
        for arm in arms:
            for replicate in range(replicates):
                logits = shared + 0.7 * generator.normal(size=shared.shape)
                logits[np.arange(len(held)), truth] += 1.2 + (gain or {}).get(arm, 0)
                probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
                table = held[["image_id", "split"]].assign(label=held["dx"], **{f"p_{name}": probabilities[:, k] for k, name in enumerate(CLASSES)})
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
    expected = classification_metrics(test["label"], test[[f"p_{name}" for name in CLASSES]])
    row = tables["metrics"].query("arm == 'all' and replicate == 2").iloc[0]
    for name in tables["metrics"].columns[2:]:
        assert row[name] == pytest.approx(expected[name]), name
    counts = pd.read_csv(run.evaluation / "confusion-all.csv").query("replicate == 2")
    assert counts["count"].to_numpy().reshape(3, 3).tolist() == expected["confusion"].to_numpy().tolist()
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
    assert contrasts.loc[("all - baseline", "target_recall"), "low"] < 0 < contrasts.loc[("all - baseline", "target_recall"), "high"]
    verdicts = tables["claims"].set_index(["contrast", "metric"])["verdict"]
    assert verdicts["filtered - baseline", "target_recall"] == "supported"
    row = tables["comparisons"].query("arm == 'filtered' and metric == 'accuracy'").iloc[0]
    assert row["bootstrap_high"] - row["bootstrap_low"] == pytest.approx(row["high"] - row["low"], rel=0.3)


def test_single_runs_have_no_interval(make_run):
    tables = evaluate(make_run(replicates=1), params(1))
    assert (tables["comparisons"]["method"] == "single runs").all()
    assert tables["comparisons"][["low", "high", "bootstrap_low", "p"]].isna().all(axis=None)
    assert set(tables["claims"]["verdict"]) == {"not tested", "not tested (needs 3 replicates)"}
    assert tables["arms"]["standard_deviation"].isna().all()


def test_seen_and_unseen_lesions_are_scored_apart(make_run):
    run = make_run()
    tables = evaluate(run, params(3))
    split = pd.read_csv(run.split)
    test = split[split["split"] == "test"]
    seen = test["lesion_id"].isin(split[split["split"] == "train"]["lesion_id"])
    counts = tables["metrics_by_lesion"].query("arm == 'baseline' and replicate == 0").set_index("lesions")["images"]
    assert counts.to_dict() == {"seen": seen.sum(), "unseen": (~seen).sum()}
    within = tables["per_class_by_lesion"].query("arm == 'all' and replicate == 1").groupby("class")["support"].sum()
    assert within.to_dict() == test["dx"].value_counts().to_dict()


def test_files_of_an_arm_that_is_gone_are_removed(make_run):
    run = make_run()
    evaluate(run, params(3))
    assert (run.evaluation / "confusion-all.csv").exists()
    evaluate(run, params(3, arms={name: ARMS[name] for name in ("baseline", "filtered")}))
    assert not (run.evaluation / "confusion-all.csv").exists()


def test_roles_go_by_recipe_where_names_differ():
    named = {
        "plain": {},
        "best": {"synthetic": {"select": "top", "count": 10}},
        "lot": {"synthetic": {"select": "all"}},
        "dice": {"synthetic": {"select": "random", "count": 10}},
    }
    assert roles(params(1, arms=named, reference="plain")) == {"baseline": "plain", "filtered": "best", "all": "lot", "random": "dice"}


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
        (lambda table: table.drop(table.index[table["split"] == "test"][0]), "lacks 1 of the"),
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
        load_predictions(run, list(ARMS), 2)
    assert "filtered/replicate-1" in str(raised.value) and str(raised.value).endswith(".")


def test_a_training_image_among_the_predictions_is_refused(make_run):
    run = make_run(replicates=1)
    split = pd.read_csv(run.split)
    trained = split[split["split"] == "train"].iloc[0]
    row = {"image_id": trained["image_id"], "split": "test", "label": trained["dx"], "p_bkl": 1.0, "p_mel": 0.0, "p_nv": 0.0}
    spoil(run, lambda table: pd.concat([table, pd.DataFrame([row])]), replicate=0)
    with pytest.raises(DataError, match="is a training image"):
        load_predictions(run, ["filtered"], 1)


def test_a_missing_stage_is_named(make_run):
    run = make_run(replicates=1)
    with pytest.raises(MissingStageError, match="classifier"):
        load_predictions(run, list(ARMS), 2)
    run.split.unlink()
    with pytest.raises(MissingStageError, match="eda"):
        load_predictions(run, list(ARMS), 1)


def test_images_without_a_lesion_id_stand_for_themselves(make_run):
    run = make_run()
    pd.read_csv(run.split).assign(lesion_id=np.nan).to_csv(run.split, index=False)
    tables = evaluate(run, params(3))
    assert tables["metrics_by_lesion"].empty
    assert tables["comparisons"]["low"].notna().all()


def test_a_target_that_no_image_has_gives_tables_without_it(make_run):
    run = make_run()
    other = validate({"arms": ARMS, "replicates": 3, "data": {"target_class": "scc"}, "evaluation": {"bootstrap": 100}})
    tables = evaluate(run, other)
    assert not tables["comparisons"]["metric"].str.startswith("target_").any()
    assert (tables["claims"].query("metric == 'target_recall'")["verdict"] == "not tested").all()


def test_a_quick_study_is_evaluated_in_two_seconds_of_processor_time(make_run):
    run = make_run(images=720)
    evaluate(run, params(3, bootstrap=2000))
    start = time.process_time()
    evaluate(run, params(3, bootstrap=2000))
    assert time.process_time() - start < 2
