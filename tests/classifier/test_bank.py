import errno
import shutil
from multiprocessing.pool import ThreadPool

import numpy as np
import pytest
import torch

from helpers.classifier import bank
from helpers.classifier.augmentation import Augmentation, augment, plain
from helpers.classifier.bank import BankMaker
from helpers.classifier.model import build_classifier
from helpers.classifier.sampling import bank_variation, epoch_order
from helpers.errors import ParameterError, UserError
from helpers.files import array_digest
from helpers.params import Classifier

CONFIG = Classifier(
    backbone="efficientnet_lite0", weights="none", image_size=32, frozen_stages=6, threads=1, bank=2
)
IMAGES = np.random.default_rng(0).integers(0, 256, (150, 32, 32, 3), dtype=np.uint8)
ROWS = np.arange(0, 150, 1)


def maker(folder, **changes):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = CONFIG.model_copy(update=changes)
    dtype = None if config.precision == "float32" else torch.bfloat16
    return BankMaker(
        folder,
        build_classifier(config.backbone, "none", 3, 16, 0.5, config.frozen_stages).prepare("cpu", dtype),
        config,
        "cpu",
    )


def open_bank(folder, augmentation=Augmentation(), rows=ROWS, **changes):  # noqa: B008 (immutable)
    return maker(folder, **changes).open("training", IMAGES, array_digest(IMAGES), rows, augmentation)


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.npy"))}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    open_bank(folder)
    return folder


def test_the_bank_holds_what_the_trunk_makes_of_the_images(tmp_path):
    for precision, tolerance in (("bfloat16", 0.03), ("float32", 2e-3)):
        made = maker(tmp_path, precision=precision)
        plain_bank = made.open("held-out", IMAGES, array_digest(IMAGES), ROWS[5:40], None)
        expected = made.model.trunk(plain(IMAGES[5:40], made.model.mean, made.model.std, "cpu")).float()
        found = plain_bank.decode(torch.from_numpy(plain_bank.outputs.copy()))
        assert (
            plain_bank.copies == 1
            and found.shape == expected.shape
            and found.is_contiguous(memory_format=torch.channels_last)
        )
        assert (found.float() - expected).abs().max() <= tolerance * expected.abs().max()
    varied = made.open("training", IMAGES, array_digest(IMAGES), ROWS, Augmentation("none", 0, 0, 0))
    assert varied.copies == 2 and len(varied.outputs) == 300
    assert np.array_equal(varied.outputs[0::2], varied.outputs[1::2])  # nothing varies
    assert (
        np.array_equal(varied.outputs[10:80:2], plain_bank.outputs)
        or np.abs(varied.outputs[10:80:2].view(np.float16) - plain_bank.outputs.view(np.float16)).max() < 0.01
    )


def test_variations_differ_and_follow_the_data_alone(built, tmp_path):
    outputs = open_bank(built).outputs
    assert (outputs[0::2] != outputs[1::2]).any(axis=(1, 2, 3)).all()
    torch.manual_seed(99)
    np.random.default_rng(5)
    open_bank(tmp_path)
    assert files(tmp_path) == files(built) and len(files(built)) == 1
    assert open_bank(built).seconds == 0


def test_an_interrupted_build_goes_on(built, tmp_path, monkeypatch):
    calls = []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return augment(*arguments)

    monkeypatch.setattr(bank, "augment", interrupted)
    with pytest.raises(KeyboardInterrupt):
        open_bank(tmp_path)
    assert not files(tmp_path)
    with open(next(tmp_path.glob(".*.partial")), "ab") as file:
        file.write(b"half a batch")
    assert open_bank(tmp_path).seconds > 0
    assert len(calls) == 4 + 4, "of three batches with two variations each, the first was not computed again"
    assert files(tmp_path) == files(built) and not list(tmp_path.glob(".*.partial"))


def test_a_damaged_bank_is_built_anew(built, tmp_path):
    folder = tmp_path / "bank"
    shutil.copytree(built, folder)
    path = next(folder.glob("*.npy"))
    with open(path, "r+b") as file:
        file.seek(5000)
        file.write(b"\x55\x66\x77")
    assert open_bank(folder).seconds > 0 and files(folder) == files(built)
    path.write_bytes(path.read_bytes()[:-100])
    assert open_bank(folder).seconds > 0 and files(folder) == files(built)
    path.with_suffix(".json").unlink()
    assert open_bank(folder).seconds > 0 and files(folder) == files(built)


def test_other_parameters_make_another_bank_and_remove_the_old(tmp_path):
    names = set()
    rows = ROWS[:8]
    open_bank(tmp_path, rows=rows)
    for call in (
        {"bank": 3},
        {"precision": "float32"},
        {"frozen_stages": 5},
        {"augmentation": Augmentation(rotation=5)},
        {"rows": ROWS[1:9]},
    ):
        open_bank(tmp_path, **{"rows": rows, **call})
        names |= set(files(tmp_path))
        assert len(files(tmp_path)) == 1
    assert len(names) == 5
    maker(tmp_path).open("held-out", IMAGES, array_digest(IMAGES), rows, None)
    assert len(files(tmp_path)) == 2  # a bank of another name stays


def test_concurrent_jobs_build_once(built, tmp_path):
    makers = [maker(tmp_path) for _ in range(2)]

    def open_one(made):
        torch.set_num_threads(1)
        return made.open("training", IMAGES, array_digest(IMAGES), ROWS, Augmentation()).seconds

    with ThreadPool(2) as pool:  # the lock belongs to an opened file, not to a process
        assert sum(seconds > 0 for seconds in pool.map(open_one, makers)) == 1
    assert files(tmp_path) == files(built)


def test_faults_are_sentences(tmp_path, monkeypatch):
    with pytest.raises(ParameterError, match="frozen_stages is 0"):
        maker(tmp_path, frozen_stages=0)
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
        with pytest.raises(
            UserError,
            match=r"150 images with 2 outputs each takes .* GB in .* 1e-06 GB are free.*"
            "lower classifier.bank",
        ):
            open_bank(tmp_path)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(bank.np, "stack", full)
    with pytest.raises(UserError, match="No space left"):
        open_bank(tmp_path)


# --- which images an epoch takes


def test_an_epoch_is_a_pass_unless_told_otherwise():
    for epoch in (0, 3):
        order, passes = epoch_order(10, 10, 7, epoch)
        assert sorted(order) == list(range(10)) and (passes == epoch).all()
    assert not np.array_equal(epoch_order(10, 10, 7, 0)[0], epoch_order(10, 10, 7, 1)[0])
    assert not np.array_equal(epoch_order(10, 10, 7, 0)[0], epoch_order(10, 10, 8, 0)[0])


@pytest.mark.parametrize(("images", "draws"), [(7, 10), (10, 7), (3, 10), (25, 4)])
def test_equal_steps_favour_no_image(images, draws):
    epochs = images * 2
    orders, passes = zip(*(epoch_order(images, draws, 1, epoch) for epoch in range(epochs)), strict=True)
    assert all(len(order) == draws for order in orders)
    assert (np.bincount(np.concatenate(orders), minlength=images) == epochs * draws // images).all()
    whole, numbers = np.concatenate(orders), np.concatenate(passes)
    for number in range(numbers[-1] + 1):
        assert sorted(whole[numbers == number]) == list(range(images))


def test_an_image_shows_every_variation_before_one_comes_again():
    copies, images = 4, 50
    seen = np.stack(
        [
            bank_variation(np.arange(images), np.full(images, number), images, copies, 3)
            for number in range(12)
        ]
    )
    for first in range(0, 12, copies):
        assert (np.sort(seen[first : first + copies], axis=0) == np.arange(copies)[:, None]).all()
    assert len(np.unique(seen[0])) == copies and not np.array_equal(seen[0], seen[copies])
    mixed = bank_variation(np.array([4, 4]), np.array([3, 4]), images, copies, 3)
    assert mixed.tolist() == [seen[3, 4], seen[4, 4]]
