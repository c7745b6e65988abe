"""The predictions kept of a run give the metrics that are kept beside them: anyone can compute them anew.
They are in one table, or, of a run that was made in parts, in the files of its parts.
"""

import re
import tarfile
from collections.abc import Iterator

import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, recall_score, roc_auc_score

from helpers.paths import REPORTS

EXAMPLES, PARTS = REPORTS / "examples", REPORTS / "parts"
TABLES = {path.parent.name for path in EXAMPLES.glob("*/predictions.csv.xz")}
IN_PARTS = {path.name for path in PARTS.iterdir()} & {path.name for path in EXAMPLES.iterdir()}
TRAINING = re.compile(r"classifier/(\w+)/replicate-(\d+)/predictions\.csv$")


def in_one_table(run: str) -> Iterator[tuple[str, int, pd.DataFrame]]:
    predictions = pd.read_csv(EXAMPLES / run / "predictions.csv.xz")
    for (arm, replicate), rows in predictions.groupby(["arm", "replicate"]):
        yield arm, replicate, rows


def in_parts(run: str) -> Iterator[tuple[str, int, pd.DataFrame]]:
    for path in sorted((PARTS / run).glob("*.tar.xz")):
        with tarfile.open(path) as archive:
            for member in archive:
                if named := TRAINING.search(member.name):
                    rows = pd.read_csv(archive.extractfile(member))
                    answers = rows.filter(like="p_").idxmax(axis=1).str.removeprefix("p_")
                    yield named[1], int(named[2]), rows.assign(answer=answers)


@pytest.mark.parametrize("run", sorted(TABLES | IN_PARTS))
def test_kept_predictions_give_the_kept_metrics(run):
    metrics = pd.read_csv(EXAMPLES / run / "evaluation" / "metrics.csv").set_index(["arm", "replicate"])
    found = set()
    for arm, replicate, predictions in (in_one_table if run in TABLES else in_parts)(run):
        if (arm, replicate) not in metrics.index:
            continue  # an arm that the page leaves out until all of its trainings are finished
        rows, own = predictions[predictions["split"] == "test"], metrics.loc[(arm, replicate)]
        melanoma = rows["label"] == "mel"
        assert len(rows) == own["images"]
        assert accuracy_score(rows["label"], rows["answer"]) == pytest.approx(own["accuracy"], abs=1e-12)
        assert recall_score(melanoma, rows["answer"] == "mel") == pytest.approx(
            own["target_recall"], abs=1e-12
        )
        assert roc_auc_score(melanoma, rows["p_mel"]) == pytest.approx(own["target_roc_auc"], abs=1e-5)
        found.add((arm, replicate))
    assert found == set(metrics.index)


def test_the_runs_kept_with_predictions_are_these():
    assert {"laptop", "quick"} == TABLES
