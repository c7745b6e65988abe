"""Ways to rank synthetic images: each by hand, what is written where, and that a new one is one file."""

import numpy as np
import pandas as pd
import pytest

from helpers.data.selection import select_images
from helpers.gan import selectors
from helpers.gan.filtering import add_ranks, correlations
from helpers.gan.rows import distances
from helpers.gan.selectors import SELECTORS, diverse, rank_by, written_selectors
from helpers.gan.selectors.diverse import diverse_order
from helpers.gan.selectors.uncertainty import predictive_entropy

REAL = np.zeros((8, 2), np.float32)
FAKE = np.array([[3, 0], [1, 0], [0, 2], [9, 0], [1.1, 0], [0, 9]], np.float32)
SCORES = pd.DataFrame({"index": range(6), "score": [1.0, 2, 3, 4, 5, 6], "rank": [6, 5, 4, 3, 2, 1]})
TARGET = np.array([0.1, 0.9, 0.9, 0.2, 0.3, 0.4])
CLASSES = np.stack([TARGET, 1 - TARGET], axis=1)
ALWAYS = ["index", "score", "rank", "distance", "rank_distance", "rank_diverse"]


def test_ranks_of_every_kind():
    table = add_ranks(SCORES, FAKE, REAL, TARGET, CLASSES, asked=["uncertainty"])
    np.testing.assert_allclose(table["distance"], [3, 1, 2, 9, 1.1, 9], atol=1e-6)
    assert table["rank_distance"].tolist() == [4, 1, 3, 5, 2, 6]
    assert table["rank_classifier"].tolist() == [6, 1, 2, 5, 4, 3]
    # of the nearer half: the nearest, the farthest from it, the rest
    assert table["rank_diverse"].tolist() == [4, 1, 2, 5, 3, 6]
    assert table["rank_uncertainty"].tolist() == [4, 5, 6, 3, 2, 1]  # 0.4 is nearest to one half
    assert rank_by(np.array([1.0, 2, 2])).tolist() == [3, 1, 2]


def test_entropy_by_hand():
    found = predictive_entropy(np.array([[0.25, 0.25, 0.25, 0.25], [1, 0, 0, 0], [0.5, 0.5, 0, 0]]))
    np.testing.assert_allclose(found, [np.log(4), 0, np.log(2)])
    assert not np.signbit(found).any()


def test_columns_are_those_of_ever_and_what_an_arm_asks_for():
    assert add_ranks(SCORES, FAKE, REAL).columns.tolist() == ALWAYS
    judged = [*ALWAYS, "probability", "rank_classifier"]
    assert add_ranks(SCORES, FAKE, REAL, TARGET, CLASSES).columns.tolist() == judged
    asked = add_ranks(SCORES, FAKE, REAL, TARGET, CLASSES, ["uncertainty", "critic", "diverse"])
    assert asked.columns.tolist() == [*judged, "entropy", "rank_uncertainty"]
    pd.testing.assert_frame_equal(asked[judged], add_ranks(SCORES, FAKE, REAL, TARGET))
    assert add_ranks(SCORES, FAKE, REAL, asked=["uncertainty"]).columns.tolist() == ALWAYS  # no classifier


def test_only_values_that_judge_an_image_are_compared_with_the_critic():
    table = add_ranks(SCORES, FAKE, REAL, TARGET, CLASSES, ["uncertainty"])
    assert correlations(table)["compared_with"].tolist() == ["distance", "probability"]


def test_every_selector_knows_what_to_say():
    assert SELECTORS.names() == ("classifier", "critic", "distance", "diverse", "uncertainty")
    assert written_selectors() == ("critic", "distance", "diverse", "classifier")
    for selector in map(SELECTORS.get, SELECTORS.names()):
        assert selector.words.startswith("by ") and selector.meaning and selector.rank.startswith("rank")
    assert len({SELECTORS.get(name).rank for name in SELECTORS.names()}) == 5


def test_diverse_spreads_out_and_serves_any_count(monkeypatch):
    fake = np.random.default_rng(1).normal(size=(200, 3)).astype(np.float32)
    distance = np.linalg.norm(fake, axis=1)
    order = diverse_order(fake, distance)
    assert sorted(order) == list(range(200))
    near = np.argsort(distance)[:100]
    assert set(order[:100]) == set(near)
    gap = lambda chosen: np.sort(distances(fake[chosen], fake[chosen]), axis=1)[:, 1].min()  # noqa: E731
    assert gap(order[:10]) > 2 * gap(near[:10])
    monkeypatch.setattr(diverse, "MOST_DIVERSE", 10)
    shorter = diverse_order(fake, distance)
    assert sorted(shorter) == list(range(200)) and shorter[:10].tolist() == order[:10].tolist()
    assert (np.diff(distance[shorter[10:100]]) >= 0).all()


NEW_SELECTOR = '''
"""By the first feature; the highest ranks first."""

from helpers.gan.selectors import Selector, rank_by

SELECTOR = Selector(
    rank="rank_first",
    words="by the first feature",
    meaning="the first feature",
    columns=lambda evidence: {"rank_first": rank_by(evidence.features[:, 0])},
)
'''


@pytest.fixture
def with_first(tmp_path):
    """A sixth selector, ``first``: one file in the folder of the others."""
    (tmp_path / "first.py").write_text(NEW_SELECTOR)
    selectors.__path__.append(str(tmp_path))
    type(SELECTORS).names.cache_clear()
    yield
    selectors.__path__.remove(str(tmp_path))
    type(SELECTORS).names.cache_clear()


def test_a_new_selector_is_one_file(with_first):
    table = add_ranks(SCORES, FAKE, REAL, TARGET, CLASSES, ["first"])
    assert table.columns.tolist() == [*ALWAYS, "probability", "rank_classifier", "rank_first"]
    assert select_images(table, "top", count=2, rank="rank_first").tolist() == [3, 0]
    assert "rank_first" not in add_ranks(SCORES, FAKE, REAL, TARGET)
