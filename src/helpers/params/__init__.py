"""The parameters of a run: one model, read from YAML, every default the paper's value.

A file may name another by ``extends:`` and then says only what differs. ``--set section.key=value``
overrides one value. Unknown keys are refused with the nearest known name.
"""

from helpers.params.arms import PAPER_ARMS, Arm, Oversample, SyntheticImages, Withhold
from helpers.params.classifier import Classifier
from helpers.params.compute import Compute
from helpers.params.data import Data, Phantom, Split
from helpers.params.evaluation import Evaluation
from helpers.params.gan import Diffusion, Gan
from helpers.params.meaning import (
    PLACE,
    arm_meaning,
    changed_values,
    choices,
    comparable_values,
    departures,
    describe,
    flatten,
    full_meaning,
    own_paths,
    parameter_rows,
    public_parameters,
    result_values,
    without_defaults,
)
from helpers.params.mistakes import shorten, validate
from helpers.params.notebooks import notebook_params, notebook_paths
from helpers.params.reading import load_params, merge, override, parse_yaml, read_mapping, yaml_text
from helpers.params.report import Report
from helpers.params.run import GanName, Params
from helpers.params.section import Section
from helpers.params.synthesis import Synthesis

__all__ = [
    "PLACE",
    "Arm",
    "Classifier",
    "Compute",
    "Data",
    "Diffusion",
    "Evaluation",
    "Gan",
    "GanName",
    "Oversample",
    "PAPER_ARMS",
    "Params",
    "Phantom",
    "Report",
    "Section",
    "Split",
    "Synthesis",
    "SyntheticImages",
    "Withhold",
    "arm_meaning",
    "changed_values",
    "choices",
    "comparable_values",
    "departures",
    "describe",
    "flatten",
    "full_meaning",
    "load_params",
    "merge",
    "notebook_params",
    "notebook_paths",
    "parameter_rows",
    "override",
    "parse_yaml",
    "own_paths",
    "public_parameters",
    "read_mapping",
    "result_values",
    "shorten",
    "validate",
    "without_defaults",
    "yaml_text",
]
