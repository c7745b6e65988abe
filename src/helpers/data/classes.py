"""The seven diagnoses of HAM10000, by their official short names."""

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
