"""What HAM10000's metadata say of each class: its size, its patients, its sites.

The drawn data set imitates them.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class ClassFacts:
    """What HAM10000's metadata says of one class, to be imitated."""

    images: int  # photographs in HAM10000
    multiplicity: tuple[int, ...]  # lesions photographed once, twice, ...
    age: tuple[float, float]  # mean and standard deviation, years
    male: float  # share
    dx_types: dict[str, float]  # how the diagnosis was made
    sites: dict[str, float]  # where the lesion was, weights


FACTS = {
    "bkl": ClassFacts(
        1099,
        (440, 220, 55, 8, 2, 2),
        (64, 14),
        0.57,
        {"histo": 0.70, "consensus": 0.24, "confocal": 0.06},
        {
            "face": 29,
            "back": 18,
            "lower extremity": 16,
            "upper extremity": 9,
            "trunk": 7,
            "chest": 7,
            "abdomen": 4,
            "scalp": 3,
            "neck": 3,
            "unknown": 2,
        },
    ),
    "nv": ClassFacts(
        6705,
        (4415, 699, 268, 18, 2, 1),
        (46, 15),
        0.51,
        {"follow_up": 0.55, "histo": 0.37, "consensus": 0.08},
        {
            "lower extremity": 22,
            "back": 21,
            "trunk": 19,
            "abdomen": 13,
            "upper extremity": 10,
            "foot": 4,
            "chest": 3,
            "unknown": 3,
            "face": 2,
            "neck": 1,
            "hand": 1,
        },
    ),
    "df": ClassFacts(
        115,
        (39, 26, 8),
        (53, 13),
        0.55,
        {"consensus": 0.52, "histo": 0.48},
        {"lower extremity": 71, "upper extremity": 21, "abdomen": 4, "back": 2, "foot": 2},
    ),
    "mel": ClassFacts(
        1113,
        (230, 278, 100, 4, 1, 1),
        (61, 15),
        0.62,
        {"histo": 1.0},
        {
            "back": 29,
            "upper extremity": 19,
            "lower extremity": 17,
            "face": 9,
            "chest": 6,
            "abdomen": 6,
            "trunk": 4,
            "foot": 3,
            "neck": 3,
            "ear": 2,
            "scalp": 1,
            "unknown": 1,
        },
    ),
    "vasc": ClassFacts(
        142,
        (64, 25, 8, 1),
        (51, 21),
        0.49,
        {"consensus": 0.53, "histo": 0.47},
        {
            "trunk": 22,
            "lower extremity": 19,
            "abdomen": 19,
            "back": 15,
            "upper extremity": 8,
            "face": 6,
            "chest": 4,
            "hand": 4,
            "neck": 2,
            "scalp": 1,
        },
    ),
    "bcc": ClassFacts(
        514,
        (175, 118, 33, 1),
        (67, 13),
        0.62,
        {"histo": 1.0},
        {
            "back": 36,
            "face": 20,
            "lower extremity": 11,
            "upper extremity": 10,
            "chest": 9,
            "scalp": 4,
            "abdomen": 3,
            "neck": 3,
            "trunk": 2,
            "unknown": 1,
        },
    ),
    "akiec": ClassFacts(
        327,
        (151, 57, 18, 2),
        (67, 11),
        0.68,
        {"histo": 1.0},
        {
            "face": 35,
            "lower extremity": 20,
            "upper extremity": 19,
            "back": 9,
            "scalp": 4,
            "hand": 4,
            "chest": 4,
            "neck": 3,
            "abdomen": 2,
        },
    ),
}
