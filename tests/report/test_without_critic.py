"""What notebooks and page say of a run whose recipe has no critic."""

import numpy as np
import pandas as pd

from helpers.params import Gan, Params, validate
from helpers.report import gan as shown
from helpers.report import results
from helpers.report.synthesis import scored
from helpers.report.synthesis import scores as filtered

STEPS = np.arange(10, 210, 10)
HISTORY = pd.DataFrame(
    {"step": STEPS, "epoch": STEPS / 10, "loss": 1 / STEPS, "gradient_norm": 0.5 + 0 * STEPS}
)
PARAMS = validate(
    {
        "gan": {"recipe": "diffusion"},
        "synthesis": {"filter": "distance"},
        "arms": {
            "baseline": {},
            "filtered": {"synthetic": {"select": "top", "rank": "distance", "count": 3}},
        },
    }
)
NOTHING = {"parameters": pd.DataFrame({"network": ["generator"], "parameters": [5]})}


def test_the_curves_are_those_of_its_loss():
    figure = shown.gan_training(HISTORY)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Loss", "Norm of the gradient"]
    assert all(axes.get_ylim()[0] == 0 for axes in figure.axes)
    assert "Two curves" in shown.training_alt(HISTORY)
    assert "critic" not in shown.training_caption(NOTHING, HISTORY)
    assert "critic" not in shown.gan_sentence(HISTORY, 93, 16)


def test_notes_say_what_is_another_and_only_there():
    assert "no score by which images could be filtered" in shown.recipe_note(PARAMS.gan)
    assert "no proof that the filter works" in scored.filter_note(PARAMS)
    assert shown.recipe_note(Gan()) is None and scored.filter_note(Params()) is None


def test_its_parts_stand_beside_the_same_network_at_full_size():
    gan = Gan(recipe="diffusion", resolution=32, channel_scale=0.02)
    frame = shown.architecture_table(gan, NOTHING).frame
    assert set(frame["network"]) == {"generator"} and "paper" not in frame
    parts = frame[frame["part"] != "total"]
    assert {"conv_in", "down_blocks", "up_blocks"} <= set(parts["part"])
    total = frame[frame["part"] == "total"].iloc[0]
    assert parts["this_run"].sum() == total["this_run"] < total["full_size"]


def test_results_hold_its_loss_and_nothing_of_scores():
    scores = pd.DataFrame({"selected": [1, 1, 0, 0]})
    frame = results.gan.gan_results_table(HISTORY, scores, NOTHING).frame
    assert frame["quantity"].iloc[0].startswith("Loss") and "paper" not in frame
    assert not frame["quantity"].str.contains("D\\(real\\)|Critic").any()
    assert dict(frame.values)["Kept by the filter"] == "2"


def test_empty_tables_of_scores_are_left_out():
    empty = pd.DataFrame(columns=["compared_with", "meaning", "correlation", "low", "high", "images"])
    assert filtered.correlation_table(empty) is None and filtered.stability_table(empty) is None
