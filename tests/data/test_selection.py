"""Selection of synthetic images by each column of ranks that scores.csv may hold."""

import numpy as np
import pandas as pd
import pytest

from helpers.data.selection import select_images
from helpers.errors import ParameterError

RANKS = ("rank", "rank_classifier", "rank_diverse")
ORDERS = {column: np.random.default_rng(place).permutation(20) for place, column in enumerate(RANKS)}
SCORES = pd.DataFrame(
    {"index": range(20)} | {column: np.argsort(order) + 1 for column, order in ORDERS.items()}
)


@pytest.mark.parametrize("rank", RANKS)
def test_top_and_bottom_go_by_the_rank_asked_for(rank):
    order = ORDERS[rank]
    shuffled = SCORES.sample(frac=1, random_state=3)
    assert select_images(shuffled, "top", count=5, rank=rank).tolist() == order[:5].tolist()
    assert select_images(shuffled, "bottom", fraction=0.2, rank=rank).tolist() == order[::-1][:4].tolist()
    assert sorted(select_images(SCORES, "top", count=20, rank=rank)) == list(range(20))


def test_chance_and_all_need_no_rank():
    bare = SCORES[["index"]]
    assert len(select_images(bare, "random", count=7, rank="rank_diverse")) == 7
    assert select_images(bare, "all", rank="rank_classifier").tolist() == list(range(20))


def test_a_rank_that_is_not_there_is_a_sentence():
    with pytest.raises(ParameterError, match="no column rank_other.*: run the stage 'synthesis' again, or"):
        select_images(SCORES, "bottom", count=1, rank="rank_other")
    with pytest.raises(ParameterError, match="no column rank_other.*: make it, or rank by another"):
        select_images(SCORES, "top", count=1, rank="rank_other", missing="make it")
