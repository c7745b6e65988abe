"""A picture that follows a training while it runs in JupyterLab."""

import base64
import html
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers.progress import STATUS_VARIABLE

SHOWN_WIDTH = 576  # pixels, at least; small samples are enlarged


@contextmanager
def follow_samples(folder: Path, every: float = 2.0) -> Iterator[None]:
    """Show the newest sample grid below ``folder`` while the block runs, and at its end the last one.

    These are the files samples/step-<number>.png of one training, or of several in folders of their own, of
    which the one that was begun last is shown. The folder is looked at every ``every`` seconds.

    Does nothing in a job of the engine, whose page shows the film strip instead, and outside of a notebook.
    """
    from IPython import get_ipython

    if STATUS_VARIABLE in os.environ or get_ipython() is None:
        yield
        return
    window, done = _Window(folder), threading.Event()

    def follow() -> None:
        while not done.wait(every):
            window.refresh()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        window.refresh()


class _Window:
    """One output of the cell, replaced when a newer picture is there."""

    def __init__(self, folder: Path):
        from IPython.display import HTML, display

        self.folder = folder
        self.shown: Path | None = None
        self.handle = display(HTML("<p>The first samples appear after the first step.</p>"), display_id=True)

    def refresh(self) -> None:
        from IPython.display import HTML

        grids = self.folder.rglob("samples/step-*.png")
        newest = max(grids, key=lambda grid: (grid.stat().st_mtime_ns, grid.name), default=None)
        if newest is not None and newest != self.shown:
            self.handle.update(HTML(_figure(newest)))
            self.shown = newest


def _figure(path: Path) -> str:
    from PIL import Image

    with Image.open(path) as picture:
        width = picture.width * max(1, -(-SHOWN_WIDTH // picture.width))
    step = html.escape(f"What the generator paints after step {int(path.stem.split('-')[1]):,}")
    content = base64.b64encode(path.read_bytes()).decode("ascii")
    style = f"width:{width}px;max-width:100%;image-rendering:pixelated"
    return (
        f'<figure style="margin:0"><img alt="{step}" style="{style}" src="data:image/png;base64,{content}">'
        f"<figcaption>{step}</figcaption></figure>"
    )
