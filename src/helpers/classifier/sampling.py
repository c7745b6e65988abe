"""Which images an epoch takes, and which augmented variation of each from the bank.

Both follow from (seed, epoch) alone.
"""

import numpy as np

BANK = 2**31  # above any number of passes, so that variations and orders share no stream of random numbers


def epoch_order(images: int, draws: int, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``draws`` images of an epoch (from 0), and the pass to which each belongs (both int64).

    Shuffled passes over all images follow one another, and each epoch takes the next ``draws`` of them. With
    ``draws`` equal to ``images`` an epoch is one pass; with any other number every image still comes once in
    each pass, so that none is favoured.
    """
    first, last = epoch * draws, (epoch + 1) * draws
    passes = np.arange(first // images, -(-last // images))
    order = np.concatenate(
        [np.random.default_rng([seed, int(number)]).permutation(images) for number in passes]
    )
    window = slice(first - passes[0] * images, last - passes[0] * images)
    return order[window], np.repeat(passes, images)[window]


def bank_variation(
    indices: np.ndarray, passes: np.ndarray, images: int, copies: int, seed: int
) -> np.ndarray:
    """Which of its ``copies`` variations each image takes (int64).

    It is a random one first, then the next ones in order. So an image shows a variation again only after all
    others. The first one is drawn again every ``copies`` passes.
    """
    rounds = passes // copies
    found = np.empty(len(indices), np.int64)
    for number in np.unique(rounds):
        first = np.random.default_rng([seed, BANK, int(number)]).integers(copies, size=images)
        now = rounds == number
        found[now] = (first[indices[now]] + passes[now]) % copies
    return found
