"""Tables of images as they come: names of columns that say what they are, and well-known data sets."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from helpers.data.archives import TABLE_ENDINGS, FileTree, Found
from helpers.data.tables import column_names

RECOGNISED = {  # names of columns, in small letters, words joined by underscores
    "image": (
        "image",
        "image_id",
        "image_name",
        "image_path",
        "image_file",
        "img",
        "img_id",
        "img_name",
        "img_path",
        "isic_id",
        "id_code",
        "file",
        "file_name",
        "filename",
        "file_path",
        "filepath",
        "path",
    ),
    "class": ("class", "class_name", "dx", "label", "diagnosis", "category"),
    "lesion": ("lesion", "lesion_id", "patient", "patient_id", "group", "group_id"),
    "age": ("age", "age_approx", "age_years"),
    "sex": ("sex", "gender"),
    "site": (
        "site",
        "body_site",
        "localization",
        "localisation",
        "location",
        "anatom_site_general",
        "anatom_site_general_challenge",
    ),
}
CODES = ("mel", "nv", "bcc", "ak", "akiec", "bkl", "df", "vasc", "scc", "unk")  # columns of ISIC's challenges


@dataclass(frozen=True)
class Format:
    """A well-known table: the columns that tell it, and the columns of each role.

    Of several columns of a role the first one counts that is filled in, row by row.
    """

    name: str
    needs: frozenset[str]
    roles: Mapping[str, Sequence[str]]
    one_hot: bool = False  # a column of 0 and 1 for each class, in place of one that names it


_SITE, _AGE = ("anatom_site_general", "anatom_site_general_challenge"), ("age_approx",)
FORMATS = (
    Format(
        "the ISIC archive",
        frozenset({"isic_id"}),
        {
            "image": ("isic_id",),
            "class": ("diagnosis", "diagnosis_3", "diagnosis_2", "diagnosis_1", "benign_malignant"),
            "lesion": ("lesion_id", "patient_id"),
            "age": _AGE,
            "sex": ("sex",),
            "site": _SITE,
        },
    ),
    Format(
        "BCN20000",
        frozenset({"bcn_filename"}),
        {
            "image": ("bcn_filename",),
            "class": ("diagnosis",),
            "lesion": ("lesion_id",),
            "age": _AGE,
            "sex": ("sex",),
            "site": _SITE,
        },
    ),
    Format(
        "PAD-UFES-20",
        frozenset({"img_id", "diagnostic"}),
        {
            "image": ("img_id",),
            "class": ("diagnostic",),
            "lesion": ("lesion_id", "patient_id"),
            "age": ("age",),
            "sex": ("gender",),
            "site": ("region",),
        },
    ),
    Format(
        "Derm7pt",
        frozenset({"derm", "diagnosis"}),
        {
            "image": ("derm",),
            "class": ("diagnosis",),
            "lesion": ("case_id", "case_num"),
            "sex": ("sex",),
            "site": ("location",),
        },
    ),
    Format(
        "SIIM-ISIC 2020",
        frozenset({"image_name", "patient_id", "benign_malignant"}),
        {
            "image": ("image_name",),
            "class": ("diagnosis", "benign_malignant"),
            "lesion": ("patient_id",),
            "age": _AGE,
            "sex": ("sex",),
            "site": _SITE,
        },
    ),
    Format(
        "an ISIC challenge",
        frozenset({"image", "mel", "nv"}),
        {"image": ("image",), "class": CODES, "lesion": ("lesion_id",), "age": _AGE, "sex": ("sex",)},
        one_hot=True,
    ),
)


def plain(name: str) -> str:
    """The name of a column in small letters, its words joined by underscores."""
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def known_format(names: Iterable[str]) -> Format | None:
    """The well-known table with columns of these names, if it names classes at all."""
    have = {plain(name) for name in names}
    return next(
        (known for known in FORMATS if known.needs <= have and have & set(known.roles["class"])), None
    )


def candidates(role: str, names: Iterable[str], columns: Mapping[str, str]) -> list[str]:
    """The columns of a table that may have a role; ``columns`` are the user's words for it."""
    names = list(names)
    if role in columns:
        return [name for name in names if plain(name) == plain(columns[role])]
    known = known_format(names)
    if known is None:
        return [name for name in names if plain(name) in RECOGNISED[role]]
    by_plain = {plain(name): name for name in reversed(names)}
    return [by_plain[wanted] for wanted in known.roles.get(role, ()) if wanted in by_plain]


def is_table_of_images(tree: FileTree, file: Found, columns: Collection[str] = ()) -> bool:
    """Whether a loader may read ``file`` as a table: it has a column of images, or one of ``columns``."""
    if file.ending not in ("", *TABLE_ENDINGS):
        return False
    wanted = {*RECOGNISED["image"], *(name for known in FORMATS for name in known.roles["image"])}
    return bool((wanted | set(map(plain, columns))) & set(map(plain, column_names(tree, file))))
