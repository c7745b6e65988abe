"""What the paper takes from elsewhere, and the time that it states for its generative network."""

from collections.abc import Iterator

from helpers.evaluation.paper.checks.finding import Finding, Paper


def findings(paper: Paper) -> Iterator[Finding]:
    yield _cited_works(paper)
    yield _liver(paper)
    yield _survival(paper)
    yield _hours(paper)


def _cited_works(paper: Paper) -> Finding:
    works = paper.tables["works"]
    listed, missing = int(works["listed"].sum()), list(works.loc[~works["listed"].astype(bool), "work"])
    return Finding(
        "The works cited stand in the list of references",
        "2, References",
        f"{len(works)} cited",
        f"{listed} of them listed",
        not missing,
        f"missing: {', '.join(missing)}" if missing else "each is listed",
    )


def _liver(paper: Paper) -> Finding:
    printed = [int(paper.stated(f"cited_{end}")) for end in ("before", "after")]
    exact = [paper.elsewhere(f"liver_sensitivity_{end}") for end in ("before", "after")]
    return Finding(
        "The cited gain in classifying liver lesions is that of its source",
        "2",
        f"{printed[0]} to {printed[1]} %, classification",
        f"{exact[0]:g} to {exact[1]:g} %, sensitivity",
        printed == [round(value) for value in exact],
        f"the source's abstract gives sensitivity; {exact[0]:g} and {exact[1]:g} round to "
        f"{exact[0]:.0f} and {exact[1]:.0f}; the gain is {exact[1] - exact[0]:.1f} points",
    )


def _survival(paper: Paper) -> Finding:
    early, late = paper.stated("survival_early"), paper.stated("survival_late")
    gained, positives = paper.counts.change["filtered", "mel"], paper.counts.support["mel"]
    return Finding(
        "Survival follows from the gain in melanoma recall",
        "1.1, 6, 7",
        f"over {early:g} % if found early, {late:g} % if late",
        "no source, and no stage of any melanoma",
        False,
        f"{early:g} - {late:g} = {early - late:g} points of survival would need the stage of the {gained} of "
        f"{positives} melanomas that are found in addition; the data set has no stage",
    )


def _hours(paper: Paper) -> Finding:
    settings = paper.tables["hyperparameters"].drop_duplicates("parameter").set_index("parameter")["value"]
    hours = paper.tables["gan_results"].set_index("quantity").loc["training_hours", "high"]
    images = paper.printed["split"]["melanoma_training_images"]
    steps = images // settings["gan.batch_size"]
    shown = settings["gan.epochs"] * steps * settings["gan.n_critic"] * settings["gan.batch_size"]
    seconds, once = 3600 * hours / (shown / 1000), 3600 * hours / (settings["gan.epochs"] * images / 1000)
    low, high = (paper.elsewhere(f"stylegan2_ada_seconds_{end}") for end in ("low", "high"))
    return Finding(
        "The hours of training fit its epochs",
        "4.3",
        f"about {hours:g} hours for {settings['gan.epochs']} epochs",
        f"{seconds:.1f} s for 1,000 images, with {settings['gan.n_critic']} fresh batches a step",
        low / 3 <= seconds <= 3 * high,
        f"{hours:g} h / ({settings['gan.epochs']} x {steps} x {settings['gan.n_critic']} x "
        f"{settings['gan.batch_size']} = {shown:,} images); StyleGAN2-ADA's published {low:g} to {high:g} s "
        f"on an older card are near; if an epoch were one pass over the {images} images, it would be "
        f"{once:.1f} s",
    )
