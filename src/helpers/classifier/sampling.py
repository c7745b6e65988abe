"""Which images an epoch takes, and which of an image's banked variations: numbers that follow from (seed, epoch)."""

import numpy as np

BANK = 2**31  # above any number of passes, so that the streams never meet


def epoch_order(images: int, draws: int, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``draws`` images of an epoch, from 0, and the pass over the set to which each belongs (both int64).

    Epochs cut an endless row of shuffled passes into pieces of ``draws``: with ``draws`` equal to ``images`` each is one pass, and with any other
    number every image still comes once in each pass, so that none is favoured.
    """
    first, last = epoch * draws, (epoch + 1) * draws
    passes = np.arange(first // images, -(-last // images))
    order = np.concatenate([np.random.default_rng([seed, number]).permutation(images) for number in passes])
    window = slice(first - passes[0] * images, last - passes[0] * images)
    return order[window], np.repeat(passes, images)[window]


def banked_variation(
    indices: np.ndarray, passes: np.ndarray, images: int, copies: int, seed: int
) -> np.ndarray:
    """Which of its ``copies`` variations each image takes (int64): a random first one, then one after the other.

    So an image shows a variation again only after all others; the first one is drawn anew every ``copies`` passes.
    """
    rounds = passes // copies
    found = np.empty(len(indices), np.int64)
    for number in np.unique(rounds):
        first = np.random.default_rng([seed, BANK, number]).integers(copies, size=images)
        now = rounds == number
        found[now] = (first[indices[now]] + passes[now]) % copies
    return found
