"""The paper's claims, and what became of each in a run."""

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from helpers.data.sources import SOURCES
from helpers.evaluation.controls import blind_spot
from helpers.evaluation.metrics import RECALL_OF
from helpers.evaluation.paper.claim_kinds import (
    AllClassesButOneClaim,
    AuditedClaim,
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
ALL = ("all", "baseline")
# Section 5 and 6: what a run of this project tests.
TESTED: tuple[Claim, ...] = (
    GainClaim(
        "Filtered synthetic images make the classifier find more of the {target} images",
        metric="target_recall",
    ),
    GainClaim("Filtered synthetic images raise accuracy", metric="accuracy"),
    GainClaim("Filtered synthetic images raise macro precision", metric="macro_precision"),
    GainClaim("Filtered synthetic images raise macro recall", metric="macro_recall"),
    GainClaim("Filtered synthetic images raise macro specificity", metric="macro_specificity"),
    GainClaim("Filtered synthetic images raise the paper's BMA", metric="paper_bma"),
    GainClaim("Filtered synthetic images raise precision for {target}", metric="target_precision"),
    GainClaim("Filtered synthetic images raise F1 for {target}", metric="target_f1"),
    KeptClaim("Specificity for {target} is kept", metric="target_specificity"),
    EveryMetricClaim("Filtered synthetic images beat the baseline in every metric"),
    GainClaim(
        "All synthetic images, unfiltered, make the classifier find more of the {target} images too",
        ALL,
        metric="target_recall",
    ),
    GainClaim("All synthetic images, unfiltered, raise accuracy too", ALL, metric="accuracy"),
    KeptClaim("Unfiltered images keep specificity for {target} too", ALL, metric="target_specificity"),
    GainClaim(
        "Few filtered images give higher accuracy than many unfiltered ones", FEW_AND_MANY, metric="accuracy"
    ),
    GainClaim(
        "Few filtered images give higher macro precision than many unfiltered ones",
        FEW_AND_MANY,
        metric="macro_precision",
    ),
    KeptClaim(
        "Few filtered images find as many of the {target} images as many unfiltered ones",
        FEW_AND_MANY,
        metric="target_recall",
    ),
    GainClaim(
        "Few filtered images give higher precision for {target} than many unfiltered ones",
        FEW_AND_MANY,
        metric="target_precision",
    ),
    GainClaim(
        "Few filtered images give higher specificity for {target} than many unfiltered ones",
        FEW_AND_MANY,
        metric="target_specificity",
    ),
    EveryMetricClaim("Few filtered images beat many unfiltered ones in every metric", FEW_AND_MANY),
    AllClassesButOneClaim("All classes but one gain recall"),
    *(
        GainClaim(f"Filtered synthetic images raise the recall of {name}", metric=f"{RECALL_OF}{name}")
        for name in ("akiec", "bkl", "nv")
    ),
    GainClaim(
        "The critic's choice is better than a random choice of as many images",
        ("filtered", "random"),
        metric="target_recall",
    ),
)
# What the paper's own numbers settle; the names are those of the audit's findings.
AUDITED = tuple(
    AuditedClaim(words, finding=finding)
    for words, finding in (
        ("The generative network is StyleGAN2", "The architecture is StyleGAN2"),
        (
            "The generative network was trained for 600 epochs",
            "Epochs of the generative network in the tables are those of the figure",
        ),
        (
            "Its training converged in a stable way",
            "Generator loss and critic loss tell of a stable scale of scores",
        ),
        (
            "Its generator loss swings between 200 and 800",
            "Range of the generator's loss in the text is that of the figure",
        ),
        (
            "Real images are scored clearly above generated ones",
            "The drawn scores give the drawn critic loss",
        ),
        (
            "The gradient penalty stays below 0.5",
            "Bound of the gradient penalty in the text is that of the figure",
        ),
        ("Mode collapse was resolved", "Mode collapse is resolved: the generated sample"),
        ("Its training takes about four hours", "The hours of training fit its epochs"),
        ("30 % of the images are accepted", "The acceptance rate is a result"),
        ("Quality, not number, decides", "Filtered and All differ only in quality"),
        ("The three models were trained alike", "The arms were trained equally long"),
        ("Six of seven classes gain recall", "Classes that filtered improves"),
        ("Filtered has the darkest diagonal", "Filtered has the darkest diagonal"),
        (
            "Filtered has the fewest misclassifications",
            "Filtered has the fewest misclassifications, All is between",
        ),
        (
            "5 to 6 more melanomas are found per 100 melanoma cases",
            "Melanomas found in addition per 100 melanomas",
        ),
        (
            "5 to 6 more melanomas are found per 100 patients",
            "Melanomas found in addition per 100 patients",
        ),
        ("More melanomas found mean better survival", "Survival follows from the gain in melanoma recall"),
        (
            "Filtered reaches the highest validation accuracy",
            "Filtered has the highest validation accuracy",
        ),
        (
            "That accuracy is 89.45 %",
            "Best validation accuracy of filtered in the text is that of the figure",
        ),
        ("All overfits slightly", "All overfits more than the other arms"),
        ("All trainings converge smoothly", "Convergence is smooth in all three trainings"),
        (
            "Early stopping restores the best weights",
            "Early stopping was appropriate: the weights kept are from before the loss rises",
        ),
        (
            "The rising validation loss is a matter of calibration",
            "The rising validation loss means right answers with lower confidence",
        ),
        (
            "Earlier work raised the classification of liver lesions from 78 to 85 %",
            "The cited gain in classifying liver lesions is that of its source",
        ),
    )
)
UNTESTED = (
    Claim("Keeping 30 % is the best threshold"),
    Claim("Synthetic images protect the patients' privacy"),
    Claim("Synthetic images look like photographs to a dermatologist"),
    Claim("Low-quality synthetic images teach the classifier artefacts"),
    Claim("More melanomas in training sharpen the border to similar classes"),
    Claim("The way carries over to other organs and modalities"),
)
CLAIMS = (*TESTED, *AUDITED, *UNTESTED)


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
        arms: the run's arm for each of the paper's roles; where a role is played by none, what it is compared
            with is not tested.
        confidence: level of the intervals, 0..1.
        one_gan: all synthetic images came from one GAN, which limits what the run shows to it.
        source: data.source; beside the user's own images the paper's columns are empty, and claims that are
            about the paper's own numbers or classes are left out.

    Verdicts are computed (docs/statistics.md): a gain is held to the smallest effect, or to the paper's own
    gain where that is less. Where the study did not see its positive control, each claim
    on the target's recall that is not supported says so: such a study cannot call synthesis useless.

    Columns: claim, contrast, metric, paper, paper_test_set, this_run, difference, low, high, verdict.
    """
    name = "melanoma" if target == "mel" else target
    scale = Scale(smallest_effect, confidence, name, SOURCES.get(source).beside_paper)
    blind = blind_spot(tables["controls"]) if "controls" in tables else None
    rows = []
    for claim in (claim for claim in CLAIMS if scale.beside_paper or not claim.of_paper_only):
        lacks = arms is not None and not set(claim.contrast) <= set(arms)  # an arm of that name is not enough
        contrasts = tables["contrasts"].iloc[:0] if lacks else tables["contrasts"]
        outcome = _outcome(claim, contrasts, scale, one_gan, blind)
        paper, test_set = claim.in_paper() if scale.beside_paper else ("", "")
        contrast = " - ".join((arms or {}).get(role, role) for role in claim.contrast)
        head = {"claim": claim.words.format(target=name), "contrast": contrast, "metric": claim.metric}
        rows.append(head | {"paper": paper, "paper_test_set": test_set} | outcome.row())
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
