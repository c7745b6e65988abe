"""The script that measures how cost grows: its fit is right on costs whose law is known."""

import sys

import numpy as np
import pytest

from support.project import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import scaling

SIZES = np.array([1_000.0, 3_000.0, 10_000.0])


@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.3, 2.0])
@pytest.mark.parametrize("fixed", [0.0, 2.0, 40.0])
def test_the_fit_finds_fixed_cost_factor_and_exponent(fixed, exponent):
    factor = 50 / SIZES[-1] ** exponent
    found = scaling.fit(SIZES, fixed + factor * SIZES**exponent)
    assert found[2] == pytest.approx(exponent, abs=0.011)
    assert found[0] == pytest.approx(fixed, abs=1.0)
    assert found[1] * SIZES[-1] ** found[2] == pytest.approx(50, rel=0.02)


def test_only_what_grows_faster_than_its_size_is_called_so(capsys):
    def rows(costs):
        return [
            {"size": int(size), "cpu": cost, "peak_mb": 100} for size, cost in zip(SIZES, costs, strict=False)
        ]

    told = {
        "epoch": 3 + SIZES / 1_000,
        "jobs": (SIZES / 1_000) ** 2,
        "generate": np.array([20.0, 20.1, 20.4]),
        "assess": [1.0, 2.0],
    }
    found = {part: scaling.tell(part, rows(costs)) for part, costs in told.items()}
    exponents = {part: pair[0] for part, pair in found.items() if pair}
    assert exponents == {
        "epoch": pytest.approx(1, abs=0.02),
        "jobs": pytest.approx(2, abs=0.02),
        "generate": 0,
    }
    assert "| 10,000 | 13.0 | 100 | 1.00 | 3.0 + 1 a thousand | 0" in capsys.readouterr().out
    assert scaling.closing(found) == "Worse than linear: jobs (2.00). Too few sizes to tell: assess."


def test_noise_about_a_straight_line_is_not_called_worse_than_linear():
    noisy = (2 + SIZES / 1_000) * [1.1, 0.8, 1.1]
    pair = scaling.fit(SIZES, noisy)[2], scaling.misfit(SIZES, noisy)
    assert pair[0] > 1.3 and 0.05 < pair[1] < scaling.NOISE
    assert scaling.closing({"epoch": pair}).startswith("Nothing is shown to grow worse than linearly")
    assert scaling.misfit(SIZES, 3 + SIZES) == pytest.approx(0, abs=1e-9)


def test_the_next_size_is_expected_on_the_line_through_the_last_two():
    rows = [{"size": 1_000, "cpu": 12.0}, {"size": 3_000, "cpu": 16.0}]
    assert [scaling.expected(rows[:count], 10_000) for count in range(3)] == [0, 120, 30]
