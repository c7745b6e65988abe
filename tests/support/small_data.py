"""A data set of twenty small images, to be spoilt in every way, and the front door's answer to it."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from helpers.data import ham10000
from helpers.data.archives import FileTree
from helpers.data.classes import CLASSES
from helpers.engine import cli

IDS = [f"ISIC_{n:07d}" for n in range(20)]


def metadata(**columns) -> pd.DataFrame:
    rows = {
        "lesion_id": [f"HAM_{n // 2:07d}" for n in range(20)],
        "image_id": IDS,
        "dx": ["mel" if n // 2 % 2 else "nv" for n in range(20)],
        "dx_type": "histo",
        "age": "50.0",
        "sex": "male",
        "localization": "back",
    }
    return pd.DataFrame(rows | columns)


def load_metadata(root: Path) -> pd.DataFrame:
    """The table of HAM10000 below ``root`` as it is read, whatever images lie there."""
    tree = FileTree(root)
    try:
        return ham10000._read_metadata(tree, CLASSES)[0]
    finally:
        tree.close()


def encoded(
    number: int = 0, kind: str = "JPEG", mode: str = "RGB", size: tuple[int, int] = (20, 16)
) -> bytes:
    image = Image.fromarray(np.random.default_rng(number).integers(0, 255, (4, 5, 3), dtype=np.uint8)).resize(
        size, Image.Resampling.NEAREST
    )
    buffer = io.BytesIO()
    image.convert(mode).save(buffer, kind)
    return buffer.getvalue()


def make(
    folder: Path, table: pd.DataFrame | bytes | None = None, images: dict[str, bytes] | None = None
) -> Path:
    """A small data set in ``folder``: a table of metadata, and images by file name."""
    folder.mkdir(parents=True, exist_ok=True)
    table = metadata() if table is None else table
    (folder / "HAM10000_metadata.csv").write_bytes(
        table if isinstance(table, bytes) else table.to_csv(index=False).encode()
    )
    for name, content in (
        {f"{image_id}.jpg": encoded(n) for n, image_id in enumerate(IDS)} | (images or {})
    ).items():
        (folder / name).write_bytes(content)
    return folder


def mistake(capsys, *words: str) -> str:
    """What the front door says of a mistake: one sentence on stderr and nothing else (argparse adds its
    usage), exit code 2.
    """
    try:
        code = cli.main(list(words))
    except SystemExit as ended:
        code = ended.code
    out, err = capsys.readouterr()
    assert code == 2, err
    assert out == "" and "Traceback" not in err
    lines = err.splitlines()
    assert len(lines) == 1 or lines[0].startswith("usage:")
    return lines[-1].removeprefix("run_all.py: ")
