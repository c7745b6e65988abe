"""Pictures from the data set and from the generator, shown as report.real_images allows."""

import base64
import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure, SubFigure

from helpers.data.sources import SOURCES
from helpers.params import Params
from helpers.report.drawing import set_paddings
from helpers.report.names import wrapped
from helpers.report.style import SMALLEST, styled

ROW_LABEL = 1.15  # inches, left of a row of images


def picture_policy(params: Params) -> str:
    """How data set images may be shown: report.real_images, but drawn lesions belong to nobody and are always
    shown.
    """
    return params.report.real_images if SOURCES.get(params.data.source).private else "show"


def photographs_sentence(policy: str) -> str:
    """Why pictures are blurred or not there, or nothing where they are shown (``policy`` is
    ``picture_policy``'s).
    """
    if policy == "show":
        return ""
    how = {"blur": "blurred beyond recognition on this page", "omit": "not shown on this page"}[policy]
    return (
        f"Photographs of the data set are {how} (report.real_images is '{policy}'): it may go to people who "
        "may not see them."
    )


def veil(images: Sequence[np.ndarray], policy: str) -> list[np.ndarray]:
    """Images, uint8 (H, W, 3), as the page may show them: as they are, blurred beyond recognition, or
    none of them.
    """
    if policy == "show":
        return list(images)
    if policy == "omit":
        return []
    from PIL import Image

    veiled = []
    for image in images:
        size = (image.shape[1], image.shape[0])
        veiled.append(
            np.asarray(
                Image.fromarray(image)
                .resize((5, 4), Image.Resampling.BOX)
                .resize(size, Image.Resampling.BICUBIC)
            )
        )
    return veiled


def smaller(image: np.ndarray, side: int) -> np.ndarray:
    """A square image, uint8 (R, R, 3), averaged down to ``side`` pixels; a smaller one as it is."""
    if len(image) <= side:
        return image
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BOX))


def picture_row(images: Sequence[np.ndarray]) -> str:
    """Images of one size, uint8 (S, S, 3), side by side as one WebP in a data address."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(list(images), axis=1)).save(buffer, "WEBP", quality=80, method=4)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def rows_shown(rows: Mapping[str, Sequence[np.ndarray]]) -> dict[str, Sequence[np.ndarray]]:
    """The rows that have images: those of photographs that are not shown have none."""
    return {name: images for name, images in rows.items() if len(images)}


@styled
def image_rows(
    rows: Mapping[str, Sequence[np.ndarray]], notes: Mapping[str, Sequence[str]] | None = None
) -> Figure:
    """Labelled rows of square images; ``notes`` stand below the images of a row."""
    figure = Figure(figsize=(9, rows_height(rows, notes or {})))
    set_paddings(figure, w_pad=0.015, h_pad=0.02, wspace=0, hspace=0)
    draw_image_rows(figure, rows, notes or {})
    return figure


def rows_height(rows: Mapping[str, Sequence[np.ndarray]], notes: Mapping[str, Sequence[str]]) -> float:
    """The height in inches that ``draw_image_rows`` wants on the page's width."""
    return len(rows) * _tile(rows) + 0.2 * len(notes) + 0.05


def _tile(rows: Mapping[str, Sequence[np.ndarray]]) -> float:
    return (9 - ROW_LABEL) / max(map(len, rows.values()))


def draw_image_rows(
    figure: Figure | SubFigure,
    rows: Mapping[str, Sequence[np.ndarray]],
    notes: Mapping[str, Sequence[str]],
) -> None:
    """``image_rows`` in a figure, or in a part of one, of ``rows_height``."""
    columns = max(len(pictures) for pictures in rows.values())
    widths = [ROW_LABEL, *[_tile(rows)] * columns]
    grid = figure.subplots(len(rows), columns + 1, squeeze=False, gridspec_kw={"width_ratios": widths})
    for row, (name, pictures) in enumerate(rows.items()):
        grid[row, 0].axis("off")
        grid[row, 0].text(
            0, 0.5, wrapped(name, 15), transform=grid[row, 0].transAxes, va="center", fontsize=8.5
        )
        for column in range(columns):
            axes = grid[row, column + 1]
            draw_picture(axes, pictures[column] if column < len(pictures) else None)
            if column < len(notes.get(name, ())):
                axes.set_xlabel(notes[name][column], fontsize=SMALLEST, labelpad=2)


def draw_picture(axes, picture: np.ndarray | None) -> None:
    axes.grid(False)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    if picture is None:
        axes.set_axis_off()
    else:
        axes.imshow(
            picture, interpolation="nearest" if picture.shape[1] < 200 else "antialiased", aspect="equal"
        )
