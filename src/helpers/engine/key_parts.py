"""What the key of a job is made of: its parameters, the modules of its numbers, the values that it shows.

``keys`` makes the digest of it. The keys of earlier jobs hold what those depend on.
"""

from typing import Any

from helpers.classifier.backbones import BACKBONES
from helpers.data.sources import SOURCES
from helpers.engine.stages import STAGES, Job
from helpers.gan.recipes import RECIPES
from helpers.gan.selectors import SELECTORS, written_selectors
from helpers.params import Params, Withhold, result_values


def number_parameters(job: Job, params: Params) -> dict[str, Any]:
    """The parameters that a stage's own numbers depend on; the keys of earlier stages hold the others."""
    data: dict[str, Any] = {"target_class": params.data.target_class}
    compute = {"compute": result_values(params.compute)}
    gan, synthesis = {"gan": result_values(params.gan)}, {"synthesis": result_values(params.synthesis)}
    classifier = {"classifier": result_values(params.classifier)}
    if job.stage == "eda":
        values = result_values(params.data)
        others = [SOURCES.get(name) for name in SOURCES.names() if name != params.data.source]
        unread = {key for source in others for key in source.own_parameters} | {"detail"}
        return {"data": {key: value for key, value in values.items() if key not in unread}}
    if job.stage == "gan":
        name = job.wildcards["seed"]
        unseen = _withholding(params.gans().get(name), params.gan_withhold_seed(name))
        return {"data": data} | gan | compute | _part(params, params.gan_part(name)) | unseen
    if job.stage == "synthesis":
        arm = params.judge_of(job.wildcards["seed"])
        judging: dict[str, Any] = classifier | {"judge": arm} if arm else {}
        more = [name for name in _selectors(params) if not SELECTORS.get(name).always]
        judging |= {"selectors": more} if more else {}
        judging |= _part(params, params.gan_part(job.wildcards["seed"]))
        seen = data | {"detail": params.data.detail}
        return {"data": seen} | gan | synthesis | judging | compute | {"probe": _frozen(params)}
    if job.stage == "trunk":
        part, withheld = params.trunks()[job.wildcards["trunk"]]
        learned: dict[str, Any] = {"part": part, "withhold": None} | _withholding(withheld)
        values = {"classifier": result_values(params.classifier.adapting())} | compute
        learned["data"] = data | {"detail": params.data.detail}
        return learned | values | (_way(params) if _reduces(params) else {})
    if job.stage == "classifier":
        return _of_training(job, params) | classifier | compute
    if job.stage == "evaluation":
        whole = {"replicates": params.replicates, "gan_seeds": list(params.gan.seeds)}
        arms = {"arms": params.as_dict()["arms"], "evaluation": result_values(params.evaluation)}
        return {"data": data | {"source": params.data.source}} | whole | arms | synthesis | classifier | gan
    return params.as_dict()


def _of_training(job: Job, params: Params) -> dict[str, Any]:
    """What decides a classifier's training besides the classifier's own parameters."""
    name, replicate = job.wildcards["arm"], job.wildcards["replicate"]
    arm = params.arms[name]
    seeds: dict[str, Any] = {"gan_seed": params.gan_name(name, replicate)} if arm.uses_gan else {}
    adapted = params.classifier.adapt.epochs > 0  # then classifier.seed and the part decide it
    if arm.withhold and not adapted:
        seeds |= _withholding(None, params.withhold_seed(replicate))
    before = params.identical_arms_before(name)  # they decide the seed
    seeds |= {"identical_arms_before": before} if before else {}
    reduced = arm.blurs or _reduces(params)
    recipe = {"arm": arm.model_dump(mode="json")} | (_way(params) if reduced else {})
    data = {key: getattr(params.data, key) for key in ("target_class", "external_root", "detail")}
    return {"data": data} | recipe | seeds | _part(params, params.part(replicate))


def _reduces(params: Params) -> bool:
    """Whether photographs are reduced to the GAN's size, or towards it, in the run."""
    return params.data.detail == "gan" or params.classifier.detail_jitter > 0


def _way(params: Params) -> dict[str, Any]:
    """The way of synthetic images, which some photographs take too."""
    if not params.trains_gan:
        return {"synthesis": {"resolution": params.synthetic_side}}
    return {"gan": {"resolution": params.gan.resolution, "resize": params.gan.resize}}


def _withholding(lack: Withhold | None, seed: int | None = None) -> dict[str, Any]:
    """What a job must not see, and the seed of which photographs that is, where they are given."""
    values: dict[str, Any] = {"withhold": lack.model_dump(mode="json", by_alias=True)} if lack else {}
    return values | ({} if seed is None else {"withhold_seed": seed})


def _part(params: Params, part: int) -> dict[str, int]:
    """The part of the split that a job works on, where there are several."""
    return {"part": part} if params.parts > 1 else {}


def _frozen(params: Params) -> dict[str, Any]:
    """The parameters of the frozen stages, in whose features the probe of sources works."""
    names = ("backbone", "weights", "image_size", "frozen_stages", "batch_size", "precision", "threads")
    return {name: getattr(params.classifier, name) for name in names}


def shown_parameters(job: Job, params: Params) -> dict[str, Any]:
    """The parameters whose values a job's notebook may show; where the data lie is none of them."""
    values = params.as_dict()
    values["data"] = {key: value for key, value in values["data"].items() if not key.endswith("root")}
    if job.stage != "eda":  # whose table of parameters has all of them
        values["report"] = {"real_images": params.report.real_images}
    return values if job.stage == "evaluation" else {name: values[name] for name in STAGES[job.stage].shows}


def code_modules(job: Job, params: Params) -> list[str]:
    """The modules that a job's numbers come from.

    They are its stage's entry, and the variants that its parameters choose.
    """
    found = [STAGES[job.stage].entry]
    if job.stage == "eda":
        found.append(SOURCES.module(params.data.source))
    if job.stage in ("gan", "synthesis") and params.trains_gan:
        found.append(RECIPES.module(params.gan.recipe))
    if job.stage == "gan":
        found.append(RECIPES.get(params.gan.recipe).trainer[0])
    if job.stage == "synthesis":
        found += [SELECTORS.module(name) for name in _selectors(params)]
    if job.stage in ("classifier", "trunk", "synthesis"):
        found.append(BACKBONES.module(params.classifier.backbone))
    return found


def _selectors(params: Params) -> tuple[str, ...]:
    """The selectors whose ranks the synthesis writes.

    They are those that it always writes, and those that an arm asks for.
    """
    return written_selectors(params.selectors_asked_for)
