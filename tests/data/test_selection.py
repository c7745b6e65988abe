"""Selection of synthetic images by every rank that scores.csv may hold."""

import numpy as np
import pandas as pd
import pytest

from helpers.data.selection import select_images
from helpers.errors import ParameterError
from helpers.gan.selectors import SELECTORS

RANKS = {name: SELECTORS.get(name).rank for name in SELECTORS.names()}
ORDERS = {column: np.random.default_rng(place).permutation(20) for place, column in enumerate(RANKS.values())}
SCORES = pd.DataFrame(
    {"index": range(20)} | {column: np.argsort(order) + 1 for column, order in ORDERS.items()}
)


@pytest.mark.parametrize("rank", RANKS)
def test_top_and_bottom_go_by_the_rank_asked_for(rank):
    order = ORDERS[RANKS[rank]]
    shuffled = SCORES.sample(frac=1, random_state=3)
    assert select_images(shuffled, "top", count=5, rank=rank).tolist() == order[:5].tolist()
    assert select_images(shuffled, "bottom", fraction=0.2, rank=rank).tolist() == order[::-1][:4].tolist()
    assert sorted(select_images(SCORES, "top", count=20, rank=rank)) == list(range(20))


def test_chance_and_all_need_no_rank():
    bare = SCORES[["index"]]
    assert len(select_images(bare, "random", count=7, rank="diverse")) == 7
    assert select_images(bare, "all", rank="classifier").tolist() == list(range(20))


def test_a_rank_that_is_not_there_is_a_sentence():
    with pytest.raises(
        ParameterError, match="no column rank_classifier.*baseline classifier's probabilities"
    ):
        select_images(SCORES.drop(columns="rank_classifier"), "top", count=1, rank="classifier")
    with pytest.raises(ParameterError, match="no column rank_diverse.*run the stage 'synthesis' again"):
        select_images(SCORES.drop(columns="rank_diverse"), "bottom", count=1, rank="diverse")
    with pytest.raises(ParameterError, match="no selector 'beauty'"):
        select_images(SCORES, "top", count=1, rank="beauty")
