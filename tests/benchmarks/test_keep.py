"""What is kept of a run: its tables, histories and page, nothing of a run whose page shows photographs."""

import sys

import pandas as pd
import pytest

from helpers.errors import MissingStageError, UserError
from helpers.paths import RunPaths
from helpers.report.page.render import render_report
from support.project import ROOT
from support.report_run import build_run, fake_params

sys.path.insert(0, str(ROOT / "benchmarks"))
import keep


def finished_run(base, monkeypatch, **changes):
    params = fake_params(**changes)
    folder = build_run(base, monkeypatch, params=params)
    run = RunPaths("fake")
    for seed in params.gan.seeds:
        run.synthetic(seed).mkdir(parents=True)
        for name in keep.SYNTHESIS_TABLES:
            pd.DataFrame({"measure": ["coverage"], "value": [0.5 + seed]}).to_csv(
                run.synthetic(seed) / f"{name}.csv", index=False
            )
        (run.synthetic(seed) / "images.npy").write_bytes(b"pixels")
        pd.DataFrame({"step": [1, 2], "generator_loss": [0.1, 0.2]}).to_csv(
            run.gan(seed) / "history.csv", index=False
        )
    for history in folder.glob("classifier/*/replicate-*"):
        pd.DataFrame({"epoch": [1, 2], "loss": [1.0, 0.5]}).to_csv(history / "history.csv", index=False)
        for name in ("predictions.csv", "predictions-external.csv"):
            own = pd.DataFrame({"image_id": ["a"], "label": ["mel"], "p_mel": [2 / 3], "p_nv": [1 / 3]})
            (own if "external" in name else own.assign(split="test")).to_csv(history / name, index=False)
    render_report(run)
    return run


def test_tables_histories_and_page_are_kept_and_no_image_array(tmp_path, monkeypatch):
    run = finished_run(tmp_path, monkeypatch, gan={"seeds": [0, 1]})
    (tmp_path / "examples" / "fake").mkdir(parents=True)
    (tmp_path / "examples" / "fake" / "old.csv").write_text("of an earlier run")
    folder = keep.keep(run, tmp_path / "examples")
    assert (folder / "report.html").read_bytes() == run.report.read_bytes()
    assert {path.name for path in (folder / "evaluation").iterdir()} == {
        path.name for path in run.evaluation.glob("*.csv")
    }
    assert list(pd.read_csv(folder / "gan.csv")["gan_seed"]) == [0, 0, 1, 1]
    assert list(pd.read_csv(folder / "synthesis" / "fidelity.csv")["value"]) == [0.5, 1.5]
    trainings = pd.read_csv(folder / "trainings.csv")
    assert len(trainings) == 2 * 3 * 3 and set(trainings["arm"]) == {"baseline", "filtered", "all"}
    assert set(pd.read_csv(folder / "jobs.csv")["stage"]) == {"eda", "gan", "evaluation"}
    assert not [
        path for path in folder.rglob("*") if path.suffix in {".npy", ".png"} or path.name == "old.csv"
    ]


def test_predictions_are_kept_in_one_table_and_never_of_ones_own_images(tmp_path, monkeypatch):
    run = finished_run(tmp_path, monkeypatch, data={"external_root": str(tmp_path)})
    kept = pd.read_csv(keep.keep(run, tmp_path / "examples") / "predictions.csv.xz")
    assert list(kept) == ["arm", "replicate", "split", "image_id", "label", "answer", "p_mel"]
    assert len(kept) == 3 * 3 * 2 and set(kept["split"]) == {"test", "external"}
    assert set(kept["p_mel"]) == {0.66667} and set(kept["answer"]) == {"mel"}
    own = {"source": "folder", "root": str(tmp_path), "target_class": "mel"}
    (tmp_path / "own").mkdir()
    run = finished_run(tmp_path / "own", monkeypatch, data=own, report={"real_images": "omit"})
    folder = keep.keep(run, tmp_path / "examples")
    assert (folder / "trainings.csv").is_file() and not (folder / "predictions.csv.xz").exists()


def test_predictions_are_not_kept_beside_parts_that_hold_them(tmp_path, monkeypatch):
    run = finished_run(tmp_path, monkeypatch)
    (tmp_path / "parts" / "fake").mkdir(parents=True)
    folder = keep.keep(run, tmp_path / "examples", tmp_path / "parts")
    assert (folder / "trainings.csv").is_file() and not (folder / "predictions.csv.xz").exists()


def test_predictions_can_be_left_out(tmp_path, monkeypatch):
    run = finished_run(tmp_path, monkeypatch)
    folder = keep.keep(run, tmp_path / "examples", without=["predictions"])
    assert (folder / "trainings.csv").is_file() and not (folder / "predictions.csv.xz").exists()


def test_page_predictions_and_gans_are_left_out_on_demand(tmp_path, monkeypatch, capsys):
    finished_run(tmp_path, monkeypatch)
    monkeypatch.setattr(keep.keep, "__defaults__", (tmp_path / "examples", tmp_path / "parts", ()))
    assert keep.main(["fake", "--without", "page", "predictions", "gans"]) == 0
    folder = tmp_path / "examples" / "fake"
    assert str(folder) in capsys.readouterr().out
    kept = {path.name for path in folder.iterdir()}
    assert {"evaluation", "synthesis", "trainings.csv", "jobs.csv", "provenance.json"} <= kept
    assert not kept & {"report.html", "predictions.csv.xz", "gan.csv"}


def test_a_run_on_given_images_has_no_history_of_a_gan(tmp_path, monkeypatch):
    given = {"synthesis": {"folder": "theirs", "filter": "classifier"}, "arms": {"baseline": {}}}
    run = finished_run(tmp_path, monkeypatch, gan={"seeds": [0]}, **given)
    (run.gan(0) / "history.csv").unlink()
    folder = keep.keep(run, tmp_path / "examples")
    assert (folder / "trainings.csv").is_file() and not (folder / "gan.csv").exists()


def test_what_was_kept_stays_where_the_run_lacks_a_table(tmp_path, monkeypatch):
    run = finished_run(tmp_path, monkeypatch)
    kept = tmp_path / "examples" / "fake" / "report.html"
    kept.parent.mkdir(parents=True)
    kept.write_text("of an earlier run")
    (run.gan(0) / "history.csv").unlink()
    with pytest.raises(MissingStageError, match="gan"):
        keep.keep(run, tmp_path / "examples")
    assert [path.name for path in (tmp_path / "examples").iterdir()] == ["fake"]
    assert kept.read_text() == "of an earlier run"


def test_a_page_with_photographs_is_refused(tmp_path, monkeypatch):
    run = finished_run(tmp_path, monkeypatch, data={"source": "ham10000"})
    with pytest.raises(UserError, match="report.real_images=omit"):
        keep.keep(run, tmp_path / "examples")
    assert not (tmp_path / "examples").exists()


def test_a_comparison_is_kept_once_it_was_made(tmp_path, monkeypatch):
    monkeypatch.setattr(keep, "REPORTS", tmp_path)
    with pytest.raises(UserError, match="--compare one two"):
        keep.keep_comparison("one", "two", tmp_path / "examples")
    made = tmp_path / "compare-one-two"
    made.mkdir()
    for name in ("report.html", "comparison.csv", "differences.svg"):
        (made / name).write_text(name)
    folder = keep.keep_comparison("one", "two", tmp_path / "examples")
    assert {path.name for path in folder.iterdir()} == {"report.html", "comparison.csv"}
