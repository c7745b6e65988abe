import pytest
import torch

from helpers.checkpoints import list_checkpoints, load_latest, remove_checkpoints, save_checkpoint


def save(folder, step, fingerprint="a"):
    return save_checkpoint(
        folder, step, {"weight": torch.full((3,), float(step)), "history": [{"loss": 0.5}]}, fingerprint
    )


def test_the_newest_comes_back_and_two_are_kept(tmp_path):
    assert load_latest(tmp_path, "a") is None
    for step in (1, 5, 30):
        save(tmp_path, step)
    assert [step for step, _ in list_checkpoints(tmp_path)] == [30, 5]
    step, state = load_latest(tmp_path, "a")
    assert step == 30 and state["weight"].tolist() == [30.0] * 3 and state["history"] == [{"loss": 0.5}]
    remove_checkpoints(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["cut", "empty", "noise", "other", "flipped"])
def test_a_damaged_one_gives_way_to_the_one_before(tmp_path, damage):
    save(tmp_path, 1)
    path = save(tmp_path, 2)
    whole = path.read_bytes()
    if damage == "other":
        torch.save([1, 2], path)
    elif damage == "flipped":
        place = whole.index(torch.full((3,), 2.0).numpy().tobytes())
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert torch.load(path, weights_only=True)["state"]["weight"][0] != 2  # torch itself notices nothing
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


def test_what_was_set_aside_does_not_pile_up(tmp_path):
    for number in range(5):
        save(tmp_path, 1, f"training {number}")
        with pytest.warns(UserWarning, match=f"stale-{number + 1}/"):
            load_latest(tmp_path, "another")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stale-4", "stale-5"]
    for step in (1, 2, 3):
        save(tmp_path, step).write_bytes(b"half")
        with pytest.warns(UserWarning, match="damaged"):
            load_latest(tmp_path, "a")
    assert [path.name for path in tmp_path.glob("*.damaged")] == ["checkpoint-000000003.damaged"]


def test_a_state_of_many_kinds_comes_back_whole(tmp_path):
    state = {
        "tensors": [
            torch.zeros(0),
            torch.tensor(3.0),
            torch.tensor([True]),
            torch.ones(2, 3, dtype=torch.bfloat16),
        ],
        "last": torch.rand(2, 3, 4, 4).contiguous(memory_format=torch.channels_last),
        "numbers": {1: float("nan"), "one": (0.1, -0.0, 10**20, None, "text")},
    }
    save_checkpoint(tmp_path, 7, state, "a")
    step, found = load_latest(tmp_path, "a")
    assert step == 7 and repr(found) == repr(state)


def test_a_killed_writer_leaves_nothing_behind(tmp_path):
    save(tmp_path, 1)
    for name in (".checkpoint-000000002.99.tmp.pt", ".history.99.tmp.csv"):
        (tmp_path / name).write_bytes(b"half")
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
