"""The bill of a run: jobs as they are planned, and the arithmetic of what each costs."""

import pytest

from helpers.params import load_params


@pytest.fixture
def bill(script):
    return script("bill")


def test_every_job_of_the_study_is_on_it(bill, monkeypatch):
    params = load_params("study")
    monkeypatch.setattr(bill, "gan_step", lambda params, images: 0.5)
    monkeypatch.setattr(bill, "classifier_sample", lambda params, config: bill.Sample(0.01, 0.002, 0.003))
    lines = {line.what: line for line in bill.bill(params, 6000, 4000, 700, epochs=10)}
    assert {name: line.jobs for name, line in lines.items()} == {
        "GANs": 20,  # one for each part, and one more that did not see what is withheld
        "trunks": 20,
        "banks": 20,
        "trainings of the classifier": 110,
    }
    assert lines["GANs"].seconds == 5000 * 0.5 and lines["GANs"].hours == pytest.approx(20 * 2500 / 3600)
    assert lines["trunks"].seconds == pytest.approx(8 * (6000 * 0.01 + 2000 * 0.002))
    assert lines["banks"].seconds == pytest.approx(0.003 * (5 * 6000 + 4000))
    # equal steps: an arm with more images takes no more of them
    assert lines["trainings of the classifier"].seconds == pytest.approx(10 * (60 + 4))


def test_samples_are_taken_of_the_networks_themselves(bill):
    params = load_params("smoke", ["classifier.bank=1"])
    assert bill.gan_step(params, 20) > 0
    sample = bill.classifier_sample(params, params.classifier)
    assert min(sample.training, sample.validation, sample.bank) > 0
