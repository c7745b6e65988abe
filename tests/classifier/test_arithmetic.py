"""What a training changes of PyTorch's settings, on a card alone, and puts back."""

import pytest
import torch

from helpers.device import quickest_convolutions
from helpers.gan.training import fast_arithmetic


def settings():
    return torch.backends.cudnn.benchmark, torch.get_float32_matmul_precision()


@pytest.mark.parametrize(
    ("way", "on_a_card"), [(quickest_convolutions, (True, "highest")), (fast_arithmetic, (True, "high"))]
)
def test_settings_of_a_card_are_put_back(way, on_a_card):
    before = settings()
    assert before == (False, "highest")
    with way("cpu"):
        assert settings() == before
    with pytest.raises(KeyError), way("cuda"):
        assert settings() == on_a_card
        raise KeyError
    assert settings() == before
