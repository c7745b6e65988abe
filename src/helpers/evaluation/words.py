"""Numbers and shares in words, as the tables of ``evaluation/`` and the report write them."""


def show_p(p: float) -> str:
    """A p value with two digits after the leading zeros: 0.0039, 0.29, < 0.0001; near 0.05 with a third."""
    if p < 0.0001:
        return "< 0.0001"
    if 0.045 <= p < 0.0555:  # on which side of the usual level it lies must be seen
        return f"{p:.4f}" if 0.0495 <= p < 0.0505 else f"{p:.3f}"
    return f"{p:.2g}" if p < 0.095 else f"{p:.2f}"


def share_words(fraction: float) -> str:
    """``half of the``, ``90 % of the``: a share (0..1) of the images that the sentence names next."""
    return "half of the" if fraction == 0.5 else f"{100 * fraction:g} % of the"
