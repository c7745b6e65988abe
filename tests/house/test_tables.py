"""Tables on disk."""

import numpy as np
import pandas as pd

from helpers.files import read_table, write_table


def test_every_float_comes_back_to_the_last_bit(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.normal(size=20_000) * 10.0 ** rng.integers(-12, 12, 20_000)
    write_table(tmp_path / "table.csv", pd.DataFrame({"value": values}))
    assert np.array_equal(read_table(tmp_path / "table.csv")["value"], values)
