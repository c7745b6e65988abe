import pytest
import torch

from helpers.checkpoints import list_checkpoints, load_latest, remove_checkpoints, save_checkpoint


def save(folder, step, fingerprint="a"):
    return save_checkpoint(folder, step, {"weight": torch.full((3,), float(step)), "history": [{"loss": 0.5}]}, fingerprint)


def test_the_newest_comes_back_and_two_are_kept(tmp_path):
    assert load_latest(tmp_path, "a") is None
    for step in (1, 5, 30):
        save(tmp_path, step)
    assert [step for step, _ in list_checkpoints(tmp_path)] == [30, 5]
    step, state = load_latest(tmp_path, "a")
    assert step == 30 and state["weight"].tolist() == [30.0] * 3 and state["history"] == [{"loss": 0.5}]
    remove_checkpoints(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["cut", "empty", "noise", "other"])
def test_a_damaged_one_gives_way_to_the_one_before(tmp_path, damage):
    save(tmp_path, 1)
    path = save(tmp_path, 2)
    whole = path.read_bytes()
    if damage == "other":
        torch.save([1, 2], path)
    else:
        path.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "noise": b"x" * 500}[damage])
    with pytest.warns(UserWarning, match="damaged"):
        step, _ = load_latest(tmp_path, "a")
    assert step == 1
    assert load_latest(tmp_path, "a")[0] == 1  # and without a second warning


def test_another_training_s_are_set_aside(tmp_path):
    save(tmp_path, 1, "old")
    save(tmp_path, 2, "old")
    with pytest.warns(UserWarning, match="stale-1"):
        assert load_latest(tmp_path, "new") is None
    assert len(list((tmp_path / "stale-1").iterdir())) == 2
    save(tmp_path, 1, "new")
    with pytest.warns(UserWarning, match="stale-2"):
        assert load_latest(tmp_path, "third") is None


def test_a_killed_writer_leaves_nothing_behind(tmp_path):
    save(tmp_path, 1)
    (tmp_path / ".checkpoint-000000002.99.tmp.pt").write_bytes(b"half")
    assert load_latest(tmp_path, "a")[0] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-000000001.pt"]


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    import os
    import pickle

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    save(tmp_path, 1)
    (tmp_path / "checkpoint-000000002.pt").write_bytes(pickle.dumps(Evil()))
    with pytest.warns(UserWarning, match="damaged"):
        assert load_latest(tmp_path, "a")[0] == 1
    assert not (tmp_path / "ran").exists()
