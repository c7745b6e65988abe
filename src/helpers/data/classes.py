"""The classes of HAM10000, which sources and reports name without opening a data set."""

CLASS_NAMES = {
    "akiec": "actinic keratosis",
    "bcc": "basal cell carcinoma",
    "bkl": "benign keratosis",
    "df": "dermatofibroma",
    "mel": "melanoma",
    "nv": "melanocytic naevus",
    "vasc": "vascular lesion",
}
CLASSES = tuple(CLASS_NAMES)
IMAGES = 10_015  # in the whole data set
