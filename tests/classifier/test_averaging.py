import pytest
import torch
from torch import nn

from helpers.classifier.averaging import YOUNG, MovingAverage


class Small(nn.Module):
    """A model whose first layer is frozen, as ``Classifier`` tells it."""

    def __init__(self):
        super().__init__()
        self.frozen, self.trained = nn.Linear(2, 2), nn.BatchNorm1d(2)

    def trained_state(self):
        return {name: value for name, value in self.state_dict().items() if name.startswith("trained.")}


def move(model):
    """One step: other weights and statistics, and a count that goes on."""
    with torch.no_grad():
        for value in model.state_dict().values():
            value += 1 if value.dtype == torch.int64 else torch.randn_like(value)


@pytest.mark.parametrize("decay", [0.3, 0.99])
def test_it_is_the_exponential_average_of_all_steps(decay):
    torch.manual_seed(0)
    model = Small()
    average, expected = MovingAverage(model, decay), model.trained.running_var.clone()
    for step in range(1, 40):
        move(model)
        average.update()
        share = min(decay, step / (step + YOUNG))
        expected = share * expected + (1 - share) * model.trained.running_var
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with average.in_place():
        assert torch.allclose(model.trained.running_var, expected, atol=1e-5)
        assert not torch.allclose(model.trained.weight, before["trained.weight"])
        assert torch.equal(model.frozen.weight, before["frozen.weight"])
        assert model.trained.num_batches_tracked == 39
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_weights_come_back_after_an_error():
    model = Small()
    average = MovingAverage(model, 0.9)
    move(model)
    own = model.trained.weight.clone()
    with pytest.raises(KeyError), average.in_place():
        raise KeyError
    assert torch.equal(model.trained.weight, own)


def test_it_goes_on_from_its_state():
    torch.manual_seed(0)
    model = Small()
    whole = MovingAverage(model, 0.9)
    cut = MovingAverage(model, 0.9)
    for step in range(6):
        move(model)
        whole.update()
        cut.update()
        if step == 2:
            kept = cut.state()
            cut = MovingAverage(model, 0.9)
            cut.load_state(kept)
    assert all(torch.equal(*pair) for pair in zip(whole.average, cut.average, strict=True))
