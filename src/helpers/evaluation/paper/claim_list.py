"""The paper's claims, and what became of each in a run."""

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from helpers.data.sources import SOURCES
from helpers.evaluation.controls import blind_spot
from helpers.evaluation.paper.claim_kinds import (
    AllClassesButOneClaim,
    Claim,
    EveryMetricClaim,
    GainClaim,
    KeptClaim,
    Outcome,
    Scale,
)
from helpers.evaluation.verdicts import SMALLEST_EFFECT, Gain
from helpers.evaluation.words import share_words

FEW_AND_MANY = ("filtered", "all")
CLAIMS = (
    GainClaim(
        "Filtered synthetic images make the classifier find more of the {target} images",
        metric="target_recall",
    ),
    GainClaim("Filtered synthetic images raise accuracy", metric="accuracy"),
    GainClaim("Filtered synthetic images raise macro precision", metric="macro_precision"),
    GainClaim("Filtered synthetic images raise the paper's BMA", metric="paper_bma"),
    KeptClaim("Specificity for {target} is kept", metric="target_specificity"),
    GainClaim(
        "All synthetic images, unfiltered, make the classifier find more of the {target} images too",
        ("all", "baseline"),
        metric="target_recall",
    ),
    GainClaim(
        "Few filtered images give higher accuracy than many unfiltered ones", FEW_AND_MANY, metric="accuracy"
    ),
    EveryMetricClaim("Few filtered images beat many unfiltered ones in every metric", FEW_AND_MANY),
    AllClassesButOneClaim("All classes but one gain recall"),
    GainClaim(
        "The critic's choice is better than a random choice of as many images",
        ("filtered", "random"),
        metric="target_recall",
    ),
    Claim("Keeping 30 % is the best threshold"),
    Claim("Synthetic images protect the patients' privacy"),
)


def claims(
    tables: Mapping[str, pd.DataFrame],
    smallest_effect: float = SMALLEST_EFFECT,
    target: str = "mel",
    arms: Mapping[str, str] | None = None,
    confidence: float = 0.95,
    one_gan: bool = False,
    source: str = "ham10000",
) -> pd.DataFrame:
    """Each claim of the paper, what its own test set could show, what this run shows, and the verdict.

    Args:
        tables: ``contrasts`` as ``results.evaluate`` makes it (columns contrast, metric, difference, low,
            high, replicates), and ``controls`` where the run has any.
        smallest_effect: the smallest difference of interest, a share.
        target: the class that the report watches.
        arms: the run's arm for each of the paper's roles; it only serves the wording.
        confidence: level of the intervals, 0..1.
        one_gan: all synthetic images came from one GAN, which limits what the run shows to it.
        source: data.source; beside the user's own images the paper's columns are empty.

    Verdicts are computed (docs/statistics.md): a gain is held to the smallest effect, or to the paper's own
    gain where that is less. Where the study did not see its positive control, each claim
    on the target's recall that is not supported says so: such a study cannot call synthesis useless.

    Columns: claim, contrast, metric, paper, paper_test_set, this_run, difference, low, high, verdict.
    """
    name = "melanoma" if target == "mel" else target
    scale = Scale(smallest_effect, confidence, name, SOURCES.get(source).beside_paper)
    blind = blind_spot(tables["controls"]) if "controls" in tables else None
    rows = []
    for claim in CLAIMS:
        outcome = _outcome(claim, tables["contrasts"], scale, one_gan, blind)
        paper, test_set = claim.in_paper() if scale.beside_paper else ("", "")
        rows.append(
            {
                "claim": claim.words.format(target=name),
                "contrast": " - ".join((arms or {}).get(role, role) for role in claim.contrast),
                "metric": claim.metric,
                "paper": paper,
                "paper_test_set": test_set,
                **outcome.row(),
            }
        )
    return pd.DataFrame(rows)


def _outcome(
    claim: Claim, contrasts: pd.DataFrame, scale: Scale, one_gan: bool, blind: float | None
) -> Outcome:
    """What the run shows of a claim, with its limits: one GAN, or a study ``blind`` to a known loss."""
    rows = contrasts[contrasts["contrast"] == " - ".join(claim.contrast)].set_index("metric")
    found = claim.on_run(rows, scale)
    words = found.this_run
    if one_gan and found.verdict != Gain.NOT_TESTED:
        words += ", for this one GAN"
    unsupported = (Gain.EXCLUDED, Gain.NEGLIGIBLE, Gain.UNDECIDED)
    if blind is not None and claim.metric == "target_recall" and found.verdict in unsupported:
        words += (
            f"; the loss of {share_words(blind)} real {scale.target} images was not seen either, so this "
            "study cannot call synthesis useless"
        )
    return replace(found, this_run=words)
