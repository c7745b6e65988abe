"""Which executed notebooks the page shows. It imports nothing heavy, because the engine asks it too."""

from dataclasses import dataclass

from helpers.params import Params
from helpers.report.words import part_words


@dataclass(frozen=True)
class Section:
    """A notebook's place on the page."""

    stem: str  # of the notebook
    anchor: str
    title: str  # where the notebook's first cell has none
    stage: str  # for the message when it has not run

    def shown(self, params: Params) -> list[tuple[str, str]]:
        """What each execution that the page shows stands for, and its file name; the first is shown in full.

        These are the notebooks that a run executes. Of the GANs of other seeds the page shows the figures and
        tables that differ, and of those that lack what an arm withholds nothing. Of the classifier's
        trainings it shows one: the others are rows of a table that is made from the run's files.
        """
        if self.stage == "gan" and not params.trains_gan:
            return []
        if self.stage in ("gan", "synthesis"):
            what = "GAN seed" if params.trains_gan else "part"
            names = {seed: f"{what} {seed}" for seed in params.gan.seeds}
            for seed in names:
                if fold := part_words(params.data.split, params.gan_part(seed)):
                    names[seed] = f"{names[seed]}: {fold}" if params.trains_gan else fold
            return [(name, f"{self.stem}-seed-{seed}.ipynb") for seed, name in names.items()]
        if self.stage == "classifier":
            arm = next(iter(params.arms))
            return [(f"arm {arm}, replicate 0", f"{self.stem}-{arm}-replicate-0.ipynb")]
        return [("", f"{self.stem}.ipynb")]

    def jobs(self, params: Params) -> int:
        """How many jobs of a whole run are of the notebook's stage, whether or not the page shows them."""
        if self.stage == "classifier":
            return len(params.arms) * params.replicates
        if self.stage in ("gan", "synthesis") and params.trains_gan:
            return len(params.gans())
        return len(self.shown(params))


SECTIONS = (
    Section("01_eda", "data", "The data", "eda"),
    Section("02_gan_training", "gan", "Training the GAN", "gan"),
    Section("03_generation_filtering", "synthesis", "Generating and filtering", "synthesis"),
    Section("04_classifier_training", "classifier", "Training the classifier", "classifier"),
    Section("05_evaluation", "evaluation", "Evaluation", "evaluation"),
)


def shown_jobs(params: Params) -> list[tuple[str, str]]:
    """Stem and executed file name of every notebook whose outputs the page shows, in the order of the page.

    For example ("02_gan_training", "02_gan_training-seed-0.ipynb"); the files lie in ``RunPaths.notebooks``.
    """
    return [(section.stem, name) for section in SECTIONS for _, name in section.shown(params)]
