"""Made-up readers of known skill, who answer a reader study with effects of reader and image."""

import json
from pathlib import Path

import numpy as np

from helpers.paths import RunPaths
from helpers.readers.key import Key


def logit(share: float) -> float:
    return float(np.log(share / (1 - share)))


def chances(random, readers: int, images: int, skill: float, by_reader=0.4, by_image=0.6) -> np.ndarray:
    """The chance (readers, images) of a right answer: ``skill`` moved by each reader and by each image, on
    the scale of log odds.
    """
    odds = logit(skill) + by_reader * random.normal(size=(readers, 1))
    return 1 / (1 + np.exp(-(odds + by_image * random.normal(size=(1, images)))))


def answers(key: Key, reader: str, right: np.ndarray, random, **changes) -> dict:
    """What the page would save: whether each image of the key, in its order, was answered rightly."""
    rows = []
    for place, (image, synthetic) in enumerate(key.synthetic.items()):
        row = {"image": image, "computed": bool(synthetic == right[place])}
        row |= {"diagnosis": str(random.choice(key.classes)), "confidence": int(random.integers(1, 6))}
        rows.append(row | {"seconds": round(float(random.gamma(2, 3)), 1), "position": place + 1})
    content = {"format": "reader-study-answers", "version": 1, "study": key.study, "reader": reader}
    return content | {"experience": "2 to 5 years", "answers": rows} | changes


def put(run: RunPaths, name: str, content: dict | str) -> Path:
    """Lay a file of answers with the run."""
    run.reader_answers.mkdir(parents=True, exist_ok=True)
    path = run.reader_answers / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path
