"""All parameters of a run: the sections, and what must hold between them."""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field, model_validator

from helpers.errors import ParameterError, nearest
from helpers.params.arms import PAPER_ARMS, PAPER_ROLES, TARGET, Arm, SyntheticImages, Withhold, selectors
from helpers.params.classifier import Classifier
from helpers.params.compute import Compute
from helpers.params.data import Data
from helpers.params.evaluation import Evaluation
from helpers.params.gan import Gan, recipes
from helpers.params.report import Report
from helpers.params.section import NAME, Section, mark
from helpers.params.synthesis import Synthesis
from helpers.paths import FOLDER_NAME

GanName = int | str  # 0: by its seed; "0-restored": by its seed and the arm whose withheld images it lacks


class Params(Section):
    """Everything that determines a run."""

    description: str = Field(
        "",
        max_length=300,
        description="one line, shown by --list",
        json_schema_extra=mark(changes_results=False, departs=False),
    )
    data: Data = Field(default_factory=Data)
    gan: Gan = Field(default_factory=Gan)
    synthesis: Synthesis = Field(default_factory=Synthesis)
    classifier: Classifier = Field(default_factory=Classifier)
    arms: dict[Annotated[str, Field(pattern=NAME)], Arm] = Field(
        default_factory=lambda: dict(PAPER_ARMS), min_length=1, description="the comparison's arms, by name"
    )
    replicates: int = Field(
        1,
        ge=1,
        le=1000,
        description="trainings per arm; replicate r takes GAN r modulo the number of GAN seeds",
    )
    evaluation: Evaluation = Field(default_factory=Evaluation)
    compute: Compute = Field(default_factory=Compute)
    report: Report = Field(default_factory=Report)

    @model_validator(mode="after")
    def _target_of_arms(self) -> "Params":
        """``class: target`` in an arm is data.target_class, in all that reads parameters."""
        for name, arm in self.arms.items():
            self.arms[name] = arm.with_target(self.data.target_class)
        return self

    @model_validator(mode="after")
    def _arms_can_be_served(self) -> "Params":
        if self.evaluation.reference not in self.arms:
            raise ValueError(
                f"evaluation.reference is '{self.evaluation.reference}', and there is no such arm; "
                f"the arms are {', '.join(self.arms)}"
            )
        for name, arm in self.arms.items():
            if arm.synthetic is not None and arm.uses_gan:
                self._require_images(name, arm.synthetic)
        if len({name.lower() for name in self.arms}) < len(self.arms):
            raise ValueError(
                "two arms differ only in upper and lower case, and would share a folder on some systems"
            )
        return self

    def _require_images(self, arm: str, images: SyntheticImages) -> None:
        """Raise ValueError where an arm asks for classes or for more images than the GAN will make."""
        for name in images.counts or ():
            if name not in self.gan_classes:
                hint = nearest(name, self.gan_classes)
                raise ValueError(
                    f"arms.{arm}.synthetic.counts asks for images of '{name}'{hint}, and gan.classes names "
                    f"{', '.join(self.gan_classes)} only: add the class there, or leave it out here"
                )
        wanted = max((images.counts or {}).values(), default=images.count or 0)
        if wanted > self.synthesis.count and self.trains_gan:
            raise ValueError(
                f"arms.{arm} asks for {wanted} synthetic images, and synthesis.count generates only "
                f"{self.synthesis.count}: lower the one or raise the other"
            )

    @model_validator(mode="after")
    def _classes_of_gan_differ(self) -> "Params":
        if len(set(self.gan_classes)) < len(self.gan_classes):
            raise ValueError(
                f"gan.classes names a class twice ({', '.join(self.gan_classes)}; 'target' is "
                f"{self.data.target_class}): every class stands there once"
            )
        unfit = next((name for name in self.separate_classes if not FOLDER_NAME.fullmatch(name)), None)
        if unfit is not None:
            raise ValueError(
                f"the GAN of the class '{unfit}' would lie in a folder of that name, and such a name has "
                "only letters, digits, dots, dashes and underscores: set gan.conditional to true, and one "
                "GAN learns all classes"
            )
        return self

    @model_validator(mode="after")
    def _filter_is_there(self) -> "Params":
        """The filter is the critic wherever there is one, and elsewhere a selector that has a score."""
        name, recipe = self.synthesis.filter, self.gan.recipe
        if self.has_critic and name != "critic":
            raise ValueError(
                f"synthesis.filter is '{name}', and gan.recipe '{recipe}' has a critic, whose score filters "
                f"its images: leave synthesis.filter at 'critic', and let an arm rank by '{name}'"
            )
        if self.has_critic or (name == "critic" and not self.trains_gan):
            return self
        chosen = selectors().get(name)
        if not chosen.value:
            scoring = [each for each in selectors().names() if selectors().get(each).value]
            why = (
                f"gan.recipe '{recipe}' has no critic" if name == "critic" else "it gives ranks and no score"
            )
            raise ValueError(f"synthesis.filter is '{name}', and {why}: write one of {', '.join(scoring)}")
        if chosen.needs_classifier and self.judge is None:
            raise ValueError(
                f"synthesis.filter is '{name}', which asks a classifier of the arm "
                f"{self.evaluation.reference}, and that arm is trained on synthetic images itself: write "
                "'distance', or another evaluation.reference"
            )
        return self

    @model_validator(mode="after")
    def _style_is_there(self) -> "Params":
        if self.synthesis.truncation < 1 and self.trains_gan and not self.has_critic:
            raise ValueError(
                f"synthesis.truncation is {self.synthesis.truncation:g}, and gan.recipe "
                f"'{self.gan.recipe}' has no styles that could be pulled to their mean: set it to 1"
            )
        return self

    @model_validator(mode="after")
    def _contrasts_are_known(self) -> "Params":
        for contrast in self.evaluation.primary_contrasts:
            for name in contrast.split(" - "):
                if name not in self.arms and name not in PAPER_ROLES:
                    raise ValueError(
                        f"evaluation.primary_contrasts has '{contrast}', and there is no arm '{name}'; "
                        f"the arms are {', '.join(self.arms)}"
                    )
        return self

    @model_validator(mode="after")
    def _no_judge_saw_what_is_withheld(self) -> "Params":
        # the judge lacks the same photographs as every GAN of its part only where one seed draws them
        one_draw = self.classifier.adapt.epochs > 0 or len(self.gan.seeds) == self.parts
        spared = (None, self.arms[self.evaluation.reference].withhold) if one_draw else (None,)
        for name, arm in self.arms.items():
            images = arm.synthetic
            if images is None or self.gan_lack(name) in spared:
                continue
            if images.select in ("top", "bottom") and selectors().get(images.rank).needs_classifier:
                raise ValueError(
                    f"arms.{name} withholds photographs and ranks synthetic images by '{images.rank}', which "
                    f"asks a classifier of the arm {self.evaluation.reference} that saw some of them: "
                    f"rank by '{'critic' if self.has_critic else 'distance'}'"
                )
        return self

    @model_validator(mode="after")
    def _no_critic_is_asked_where_none_is(self) -> "Params":
        for name, arm in self.arms.items():
            images = arm.synthetic
            if self.has_critic or images is None or images.folder or images.select not in ("top", "bottom"):
                continue
            if images.rank == "critic":
                others = ", ".join(each for each in selectors().names() if each != "critic")
                raise ValueError(
                    f"arms.{name} ranks synthetic images by a critic's score, and images that come without a "
                    f"critic have none: give it a rank beside select, one of {others}"
                )
        return self

    @model_validator(mode="after")
    def _folder_serves_the_arms(self) -> "Params":
        """What a folder of images cannot give: GANs of several seeds, or one that did not see something."""
        if self.trains_gan:
            if self.synthesis.resolution is not None:
                raise ValueError(
                    "synthesis.resolution goes with synthesis.folder; the size of a GAN's images is "
                    "gan.resolution"
                )
            return self
        target = (self.data.target_class,)
        if self.gan_classes != target or any(a.synthetic and a.synthetic.share for a in self.arms.values()):
            raise ValueError(
                "synthesis.folder is a set of images of data.target_class: name no other class in "
                "gan.classes, and give arms 'count' or 'fraction' in place of 'share'"
            )
        if len(self.gan.seeds) != self.parts:
            raise ValueError(
                f"synthesis.folder is one set of images, and gan.seeds asks for {len(self.gan.seeds)}: write "
                f"gan.seeds: {list(range(self.parts))}, one for each part of the split"
            )
        if self.data.detail == "gan" and self.synthetic_side >= self.classifier.image_size:
            raise ValueError(
                "data.detail 'gan' reduces photographs to the size of synthetic images, and those of "
                f"synthesis.folder keep {self.synthetic_side} pixels a side: write data.detail: full, or set "
                "synthesis.resolution to the size that the images really have"
            )
        for name, arm in self.arms.items():
            lack = arm.withhold
            if lack and arm.uses_gan and lack.class_ == self.data.target_class:
                raise ValueError(
                    f"arms.{name} withholds photographs of {lack.class_} and takes the images of "
                    "synthesis.folder, whose generator may have seen them: leave this arm out"
                )
            if arm.blurs and self.synthetic_side >= self.classifier.image_size:
                raise ValueError(
                    f"arms.{name} repeats photographs as blurred as synthetic images are, and those of "
                    f"synthesis.folder keep {self.synthetic_side} pixels a side: leave this arm out, or set "
                    "synthesis.resolution to the size that the images really have"
                )
        return self

    @model_validator(mode="after")
    def _detail_can_be_lost(self) -> "Params":
        if self.classifier.detail_jitter and self.synthetic_side >= self.classifier.image_size:
            raise ValueError(
                "classifier.detail_jitter reduces images to "
                f"{'gan' if self.trains_gan else 'synthesis'}.resolution ({self.synthetic_side}) and "
                f"more, and classifier.image_size is {self.classifier.image_size}: set it to 0, or give "
                "larger images"
            )
        return self

    @model_validator(mode="after")
    def _parts_are_filled(self) -> "Params":
        """Every part of the split has as many replicates and as many GANs as every other."""
        parts, seeds = self.parts, list(self.gan.seeds)
        if self.replicates % parts:
            raise ValueError(
                f"the split has {parts} parts (folds x repeats), each for as many replicates, and replicates "
                f"is {self.replicates}: write replicates: {parts}, or a multiple of it"
            )
        if len(seeds) % parts:
            raise ValueError(
                f"the split has {parts} parts (folds x repeats), each with GANs of its own, and gan.seeds "
                f"has {len(seeds)}: write gan.seeds: {list(range(parts))}"
            )
        return self

    @property
    def trains_gan(self) -> bool:
        """Whether the run's synthetic images come from GANs of its own, and not from a folder."""
        return self.synthesis.folder is None

    @property
    def one_gan(self) -> bool:
        """Whether they all come from one GAN: what is said of them then holds for it."""
        return self.trains_gan and len(self.gan.seeds) == 1

    @property
    def has_critic(self) -> bool:
        """Whether a critic scores the synthetic images; only where it does may an arm rank by it."""
        return self.trains_gan and recipes().get(self.gan.recipe).has_critic

    @property
    def selectors_asked_for(self) -> tuple[str, ...]:
        """Names of the selectors by which an arm ranks the synthetic images, or the filter works."""
        ranks = {arm.synthetic.rank for arm in self.arms.values() if arm.uses_gan and arm.synthetic}
        return tuple(sorted(ranks | {self.synthesis.filter}))

    @property
    def synthetic_side(self) -> int:
        """Side of the synthetic images in pixels, before the classifier resizes them."""
        if self.trains_gan:
            return self.gan.resolution
        return self.synthesis.resolution or self.classifier.image_size

    @property
    def makes_target(self) -> bool:
        """Whether a GAN of the run learns the target class, as the paper's does, alone or with others."""
        return self.trains_gan and self.data.target_class in self.gan_classes

    @property
    def first_is_target(self) -> bool:
        """Whether what the notebooks show of a GAN, its first class, is the target."""
        return self.trains_gan and self.gan_classes[0] == self.data.target_class

    @property
    def gan_classes(self) -> tuple[str, ...]:
        """The classes that get synthetic images, by their names in the data."""
        return tuple(self.data.target_class if name == TARGET else name for name in self.gan.classes)

    @property
    def separate_classes(self) -> tuple[str, ...]:
        """The classes that have a GAN each; none where one GAN learns all of ``gan_classes``."""
        return self.gan_classes if self.gan.one_each else ()

    def synthetic_classes(self, arm: str) -> tuple[str, ...]:
        """The classes whose training images an arm adds synthetic ones to; none where it adds none."""
        added = self.arms[arm].synthetic
        if added is None:
            return ()
        if added.folder is not None:
            return (added.class_ or self.data.target_class,)
        return self.gan_classes if added.counts is None else tuple(added.counts)

    @property
    def classes_beside_target(self) -> tuple[str, ...]:
        """The classes but the target that the GAN learns, or that an arm adds images of."""
        learnt = self.gan_classes if self.trains_gan else ()
        added = [name for arm in self.arms for name in self.synthetic_classes(arm)]
        return tuple(name for name in dict.fromkeys([*learnt, *added]) if name != self.data.target_class)

    def require_gan_classes(self, known: Iterable[str]) -> None:
        """Raise ParameterError where gan.classes names a class that the data (``known``) do not have."""
        known = sorted(known)
        for name in self.gan_classes:
            if name not in known:
                raise ParameterError(
                    f"gan.classes names '{name}'{nearest(name, known)}, and the data have no such class; "
                    f"they have {', '.join(known)}."
                )

    @property
    def parts(self) -> int:
        """How often the images are shared out: once, or for every fold of every deal."""
        return self.data.split.parts

    def part(self, replicate: int) -> int:
        """The part of the split that ``replicate`` works on, as ``data.split.folds`` says."""
        return replicate % self.parts

    def gans(self) -> dict[GanName, Withhold | None]:
        """The GANs that are trained, by name, and what each must not see of its part of the split.

        There is one for each seed, which sees all of it and bears the seed as its name, and one more for each
        that serves arms which withhold photographs of one of the GAN's classes.
        """
        found: dict[GanName, Withhold | None] = dict.fromkeys(self.gan.seeds)
        for arm in self.arms:
            if lack := self.gan_lack(arm):
                found |= {self.gan_name(arm, replicate): lack for replicate in range(self.replicates)}
        return found

    def gan_name(self, arm: str, replicate: int) -> GanName:
        """Name of the GAN that supplies the images of a training.

        Arms that withhold the same share one that did not see it, under the first one's name.
        """
        seed, lack = self.gan_seed(replicate), self.gan_lack(arm)
        if lack is None:
            return seed
        return f"{seed}-{next(other for other in self.arms if self.gan_lack(other) == lack)}"

    def gan_lack(self, arm: str) -> Withhold | None:
        """What an arm withholds of a class that its GAN learns; None where it withholds or takes none."""
        recipe, lack = self.arms[arm], self.arms[arm].withhold
        return lack if lack and recipe.uses_gan and lack.class_ in self.gan_classes else None

    def seed_of_gan(self, gan: GanName) -> int:
        """Seed of a GAN; ParameterError where the run has none of that name."""
        if isinstance(gan, int):
            return gan
        if gan not in (known := self.gans()):
            raise ParameterError(f"There is no GAN '{gan}'; the GANs are {', '.join(map(str, known))}.")
        return int(gan.split("-")[0])

    def gan_part(self, gan: GanName) -> int:
        """The part of the split that a GAN trains on: that of the replicates that it serves."""
        return self._place(gan) % self.parts

    def gan_withhold_seed(self, gan: GanName) -> int | None:
        """Seed of which photographs a GAN must not see: that of the replicates that it serves."""
        seed = self.seed_of_gan(gan)
        return self.withhold_seed(self.gan.seeds.index(seed)) if self.gans().get(gan) else None

    def judge_replicate(self, gan: GanName) -> int:
        """Replicate of the classifier, and of its trunk, that judges a GAN: of its own part."""
        return self._place(gan) % self.replicates

    def _place(self, gan: GanName) -> int:
        """Place of a GAN's seed in gan.seeds; 0 for all GANs of a single split."""
        seed = self.seed_of_gan(gan)
        if self.parts == 1:
            return 0
        if seed not in self.gan.seeds:
            raise ParameterError(
                f"There is no GAN with the seed {seed}, and its place in gan.seeds says on which part of the "
                f"split it trains; gan.seeds is {list(self.gan.seeds)}."
            )
        return self.gan.seeds.index(seed)

    def trunks(self) -> dict[str, tuple[int, Withhold | None]]:
        """The trunks that are adapted, by name.

        With each stands the part of the split whose training photographs it learns from, and what it must not
        see of them. There is one for each part, and one more for what some arms withhold.
        """
        found: dict[str, tuple[int, Withhold | None]] = {}
        for part in range(self.parts):
            for arm, recipe in self.arms.items():
                if name := self.trunk(arm, part):
                    found.setdefault(name, (part, recipe.withhold))
        return found

    def trunk(self, arm: str, replicate: int) -> str | None:
        """Name of the adapted trunk that a training stands on; None where none is adapted.

        Arms that withhold photographs share a trunk that did not see them, under the first one's name.
        """
        if not self.classifier.adapt.epochs:
            return None
        name, lack = f"part-{self.part(replicate)}", self.arms[arm].withhold
        if lack is None:
            return name
        return f"{name}-{next(other for other, recipe in self.arms.items() if recipe.withhold == lack)}"

    def withhold_seed(self, replicate: int) -> int | None:
        """Seed of which photographs an arm withholds, where a trunk or a GAN must not see them either.

        All replicates of a part, or all that share a GAN, withhold the same ones then. None: each replicate
        draws its own.
        """
        if self.classifier.adapt.epochs:
            return self.classifier.seed + self.part(replicate)
        if any(self.gan_lack(arm) for arm in self.arms):
            return self.classifier.seed + replicate % len(self.gan.seeds)
        return None

    def gan_seed(self, replicate: int) -> int:
        """Seed of the GAN that supplies the images of ``replicate``."""
        return self.gan.seeds[replicate % len(self.gan.seeds)]

    @property
    def judge(self) -> str | None:
        """Arm of which a classifier says how probable the target class is on each synthetic image.

        It is the reference; None where the reference is trained on such images itself.
        """
        return None if self.arms[self.evaluation.reference].uses_gan else self.evaluation.reference

    def reference_saw_more(self, gan: GanName) -> bool:
        """Whether the reference, and its trunk, saw photographs that a GAN must not see."""
        lack = self.gans().get(gan)
        if lack is None:
            return False
        drawn = self.withhold_seed(self.judge_replicate(gan)) == self.gan_withhold_seed(gan)
        return lack != self.arms[self.evaluation.reference].withhold or not drawn

    def judge_of(self, gan: GanName) -> str | None:
        """The ``judge`` of one GAN's images; None where it saw more than the GAN and no filter asks it."""
        asked = selectors().get(self.synthesis.filter).needs_classifier
        return None if self.reference_saw_more(gan) and not asked else self.judge

    def identical_arms_before(self, arm: str) -> int:
        """Number of arms before ``arm`` with the same parameters; ParameterError for an unknown arm."""
        names = list(self.arms)
        if arm not in self.arms:
            hint = nearest(arm, names)
            raise ParameterError(f"There is no arm '{arm}'{hint}; the arms are {', '.join(names)}.")
        return sum(self.arms[name] == self.arms[arm] for name in names[: names.index(arm)])

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as YAML, JSON and papermill take them."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=False)
