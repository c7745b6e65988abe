"""Tests of counts and p values against statsmodels."""

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from helpers.evaluation.significance import holm, mcnemar, wilson


def test_mcnemar_holm_and_wilson_agree_with_statsmodels():
    for b, c in ((9, 0), (13, 4), (14, 5), (0, 0), (3, 3), (120, 90)):
        expected = statsmodels_mcnemar([[10, b], [c, 10]], exact=True).pvalue if b + c else 1.0
        assert mcnemar(b, c) == pytest.approx(expected)
    p = np.array([0.01, 0.04, 0.03, 0.5])
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert np.isnan(holm([np.nan, 0.04]))[0] and holm([np.nan, 0.04])[1] == pytest.approx(0.04)
    for hits, trials in ((111, 167), (0, 5), (5, 5)):
        assert wilson(hits, trials) == pytest.approx(
            proportion_confint(hits, trials, method="wilson"), abs=1e-12
        )
    assert wilson(0, 0) == (0, 1)
