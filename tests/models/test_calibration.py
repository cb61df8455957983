from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from plainfilm.errors import ArtifactError, InputError, LabelError, ModelError
from plainfilm.metrics.classification import auroc
from plainfilm.metrics.probability import expected_calibration_error
from plainfilm.models.calibration import (
    CalibratedClassifier,
    Calibration,
    operating_points,
)
from plainfilm.models.classifier import wrap

TARGETS = ("Mass", "Nodule", "Hernia")


def films(n=600, seed=0):
    """Logits that are too sure of themselves; unknown labels; three films with a hernia."""
    rng = np.random.default_rng(seed)
    sure = rng.normal(-1, 1.5, (n, 3))
    truth = (rng.random((n, 3)) < 1 / (1 + np.exp(-sure))).astype(float)
    truth[:, 2] = np.arange(n) < 3
    truth[rng.random((n, 3)) < 0.05] = np.nan
    return 3 * sure + 1, truth


@pytest.mark.parametrize("kind", ["platt", "isotonic"])
def test_calibrated_probabilities_mean_what_they_say(kind):
    calibration = Calibration.fit(*films(), TARGETS, kind)
    logits, truth = films(4000, seed=1)
    before = torch.tensor(logits).sigmoid().numpy()
    after = calibration.apply(torch.tensor(logits), TARGETS).numpy()
    for k in range(2):
        assert expected_calibration_error(before[:, k], truth[:, k]) > 0.1
        assert expected_calibration_error(after[:, k], truth[:, k]) < 0.05
        assert auroc(after[:, k], truth[:, k]) == pytest.approx(auroc(logits[:, k], truth[:, k]), abs=0.01)


def test_a_target_with_too_few_films_is_refused_and_keeps_its_sigmoid():
    calibration = Calibration.fit(*films(), TARGETS)
    assert set(calibration.curves) == {"Mass", "Nodule"}
    assert "films with the finding, and 10 are needed" in calibration.refused["Hernia"]
    logits = torch.randn(5, 3)
    torch.testing.assert_close(calibration.apply(logits, TARGETS)[:, 2], logits[:, 2].sigmoid())


def test_scores_against_the_finding_are_refused_rather_than_turned_round():
    logits, truth = films()
    calibration = Calibration.fit(-logits, truth, TARGETS)
    assert calibration.refused["Mass"] == "scores that do not rise with the finding"


def test_unknown_truth_takes_no_part():
    logits, truth = films()
    seen = ~np.isnan(truth[:, 0])
    alone = Calibration.fit(logits[seen, :1], truth[seen, :1], ["Mass"])
    assert Calibration.fit(logits, truth, TARGETS).curves["Mass"] == alone.curves["Mass"]


def test_an_uncertain_label_is_refused():
    with pytest.raises(LabelError, match="Mass"):
        Calibration.fit([[0.1], [0.2]], [[-1], [1]], ["Mass"])


@pytest.mark.parametrize("kind", ["platt", "isotonic"])
def test_a_calibration_survives_its_file(kind, tmp_path):
    fitted = Calibration.fit(*films(), TARGETS, kind)
    calibration = Calibration(fitted.curves, fitted.refused, {"Mass": 0.25, "Nodule": None}, {"films": 600})
    assert Calibration.load(calibration.save(tmp_path / "calibration.json")) == calibration


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"version": 2}', '{"version": 1, "curves": {"Mass": {"kind": "tree"}}}']
)
def test_another_file_is_no_calibration(content, tmp_path):
    path = tmp_path / "calibration.json"
    path.write_text(content)
    with pytest.raises(ArtifactError, match=r"calibration\.json"):
        Calibration.load(path)


@pytest.mark.parametrize("content", [
    '"curves": {"Mass": {"kind": "platt", "slope": NaN, "intercept": 0}}',
    '"curves": {"Mass": {"kind": "platt", "slope": -1, "intercept": 0}}',
    '"curves": {"Mass": {"kind": "isotonic", "logits": [0, 1], "probabilities": [0, 1.5]}}',
    '"curves": {}, "operating_points": {"Mass": NaN}',
    '"curves": {}, "operating_points": {"Mass": 2}',
])  # fmt: skip
def test_a_calibration_that_was_damaged_is_not_obeyed(content, tmp_path):
    path = tmp_path / "calibration.json"
    path.write_text(f'{{"version": 1, {content}}}')
    with pytest.raises(ArtifactError, match=r"calibration\.json"):
        Calibration.load(path)


def test_a_file_that_is_not_there_is_told_as_such(tmp_path):
    with pytest.raises(ArtifactError, match=r"gone\.json: got no such file"):
        Calibration.load(tmp_path / "gone.json")


def test_a_file_with_another_field_is_refused(tmp_path):
    path = Calibration({}).save(tmp_path / "calibration.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "code": "import os"}))
    with pytest.raises(ArtifactError):
        Calibration.load(path)


@pytest.mark.parametrize("output", ["logit", "probability"])
def test_a_calibrated_classifier_gives_the_raw_logits_of_its_network(output):
    torch.manual_seed(0)
    layers = [nn.Flatten(), nn.Linear(64, 3), *([nn.Sigmoid()] if output == "probability" else [])]
    raw = wrap(nn.Sequential(*layers), ("Mass", "", "Hernia"), size=8, output=output)
    fitted = Calibration.fit(*films(), TARGETS)
    calibration = Calibration(fitted.curves, fitted.refused, {"Mass": 0.2})
    calibrated = CalibratedClassifier(raw, calibration)
    images = torch.rand(4, 1, 8, 8)
    assert calibrated.logits(images).equal(raw.logits(images))
    expected = calibration.curves["Mass"](raw.logits(images)[:, 0])
    torch.testing.assert_close(calibrated.probabilities(images)[:, 0], expected)
    torch.testing.assert_close(calibrated.probabilities(images)[:, 2], raw.probabilities(images)[:, 2])
    assert calibrated.operating_points == {"Mass": 0.2, "Hernia": None}
    assert "Hernia" in calibrated.card["calibration"]["refused"]
    assert calibrated.uncalibrated == ("Hernia",)
    film = np.random.default_rng(0).random((8, 8)).astype(np.float32)
    assert calibrated.predict(film)["Mass"] != raw.predict(film)["Mass"]


def test_operating_points_follow_the_rule_and_are_none_where_undefined():
    probabilities, truth = [[0.1, 0.1], [0.2, 0.2], [0.8, 0.9], [0.9, 0.3]], [[0, 0], [1, 0], [0, 0], [1, 0]]
    assert operating_points(probabilities, truth, ["Mass", "Hernia"]) == {"Mass": 0.9, "Hernia": None}
    assert operating_points(probabilities, truth, ["Mass", "Hernia"], "sensitivity=0.95")["Mass"] == 0.2
    assert operating_points(probabilities, truth, ["Mass", "Hernia"], "specificity=1")["Mass"] == 0.9


def test_a_model_of_severities_has_no_probabilities_to_calibrate():
    severity = wrap(nn.Sequential(nn.Flatten(), nn.Linear(64, 1)), ["Brixia"], size=8, output="value")
    with pytest.raises(ModelError, match="a model of values"):
        CalibratedClassifier(severity, Calibration({}))


def test_a_calibration_of_other_weights_is_refused():
    raw = wrap(nn.Sequential(nn.Flatten(), nn.Linear(64, 1)), ["Mass"], size=8)
    raw.card["sha256"] = "a" * 64
    assert CalibratedClassifier(raw, Calibration({}, facts={"sha256": "a" * 64})).targets == ("Mass",)
    with pytest.raises(ModelError, match="weights bbbbbbbbbbbb"):
        CalibratedClassifier(raw, Calibration({}, facts={"sha256": "b" * 64}))


@pytest.mark.parametrize("rule", ["best", "sensitivity", "sensitivity=95", "recall=0.9", "youden=1"])
def test_another_rule_is_refused(rule):
    with pytest.raises(InputError, match="youden"):
        operating_points([[0.1], [0.2]], [[0], [1]], ["Mass"], rule)


def test_a_real_chexnet_is_calibrated_on_half_of_its_patients(real_data):
    folder = real_data / "nih"
    scores = pd.read_csv(folder / "chexnet_zech_test_preds.csv.gz", index_col=0)
    labels = pd.read_csv(folder / "chexnet_zech_test_labels.csv.gz", index_col=0).loc[scores.index]
    truth = labels["Finding Labels"].str.get_dummies("|")["Effusion"].to_numpy(float)[:, None]
    raw = scores["prob_Effusion"].to_numpy()[:, None]
    logits, first = np.log(raw / (1 - raw)), labels["Patient ID"].to_numpy() % 2 == 0
    calibration = Calibration.fit(logits[first], truth[first], ["Effusion"])
    after = calibration.apply(torch.tensor(logits[~first])).numpy()[:, 0]
    before = expected_calibration_error(raw[~first, 0], truth[~first, 0])
    assert before > 0.02
    assert expected_calibration_error(after, truth[~first, 0]) < 0.7 * before
