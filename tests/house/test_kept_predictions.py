"""The predictions kept of a run give the metrics that are kept beside them: anyone can compute them anew."""

import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, recall_score, roc_auc_score

from helpers.paths import REPORTS

KEPT = sorted((REPORTS / "examples").glob("*/predictions.csv.xz"))


@pytest.mark.parametrize("path", KEPT, ids=[path.parent.name for path in KEPT])
def test_kept_predictions_give_the_kept_metrics(path):
    predictions = pd.read_csv(path)
    metrics = pd.read_csv(path.parent / "evaluation" / "metrics.csv").set_index(["arm", "replicate"])
    tested = predictions[predictions["split"] == "test"].groupby(["arm", "replicate"])
    assert set(tested.groups) == set(metrics.index)
    for training, rows in tested:
        own = metrics.loc[training]
        melanoma = rows["label"] == "mel"
        assert len(rows) == own["images"]
        assert accuracy_score(rows["label"], rows["answer"]) == pytest.approx(own["accuracy"], abs=1e-12)
        assert recall_score(melanoma, rows["answer"] == "mel") == pytest.approx(
            own["target_recall"], abs=1e-12
        )
        assert roc_auc_score(melanoma, rows["p_mel"]) == pytest.approx(own["target_roc_auc"], abs=1e-5)


def test_the_runs_kept_with_predictions_are_these():
    assert {path.parent.name for path in KEPT} == {"laptop", "quick"}
