"""A parameter that is added to its section's file is known everywhere: no other file is touched."""

import json
import os
import subprocess
import sys

FIELD = '    grain: float = Field(0.25, ge=0, le=1, description="grain of the images")\n'
ASK = """
import json
from helpers.params import departures, describe, load_params, notebook_params, parameter_rows, result_values
from helpers.errors import ParameterError
from helpers.report.hyperparameters import hyperparameters_table

quick = load_params("quick")
try:
    load_params("quick", ["gan.grian=1"])
except ParameterError as error:
    mistake = str(error)
frame = hyperparameters_table(notebook_params("quick", gan={"grain": 0.5}), ["gan"]).frame
print(json.dumps({
    "describe": describe("gan.grain"),
    "set": load_params("quick", ["gan.grain=0.75"]).gan.grain,
    "departures": [row["this_run"] for row in departures(load_params("quick", ["gan.grain=1"]))
                   if row["parameter"] == "gan.grain"],
    "result": result_values(quick.gan)["grain"],
    "notebook": notebook_params("quick", gan={"grain": 0.5}).gan.grain,
    "table": frame[frame["parameter"] == "gan.grain"].values.tolist(),
    "mistake": mistake,
}))
"""


def test_one_more_parameter_touches_one_file(project_copy):
    project = project_copy("one more parameter")
    path = project.folder / "src/helpers/params/gan.py"
    text = path.read_text(encoding="utf-8")
    assert text.count("    epochs: int = Field(") == 1
    path.write_text(
        text.replace("    epochs: int = Field(", f"{FIELD}    epochs: int = Field("), encoding="utf-8"
    )
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=project.folder,
        env=os.environ | {"PYTHONPATH": str(project.folder / "src")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "describe": "grain of the images",
        "set": 0.75,
        "departures": [1.0],
        "result": 0.25,
        "notebook": 0.5,
        "table": [["gan.grain", "0.25", "0.5", False, "grain of the images"]],
        "mistake": "quick.yaml: 'gan.grian' is not a parameter (did you mean 'grain'?).",
    }


def test_reading_parameters_imports_nothing_heavy():
    ask = "import sys; from helpers.params import load_params; load_params('quick'); load_params('paper'); "
    ask += "sys.exit(', '.join({'torch', 'torchvision', 'timm', 'pandas'} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
