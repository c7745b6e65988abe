"""By the critic's score, as the paper selects."""

from helpers.gan.selectors import Selector

SELECTOR = Selector(rank="rank", words="by the critic's score", meaning="the critic's score", always=True)
