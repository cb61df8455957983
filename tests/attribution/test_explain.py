from __future__ import annotations

import numpy as np
import pytest
import torch

import plainfilm as pf
from plainfilm.attribution import FeatureStatistics, Status, explain_films
from plainfilm.attribution.explain import explain, explain_targets
from plainfilm.attribution.registry import method_class, names
from plainfilm.datasets.phantom import Phantom
from plainfilm.errors import ModelError
from plainfilm.models.classifier import Classifier, wrap
from plainfilm.models.spec import InputSpec
from plainfilm.radiograph import Radiograph


@pytest.fixture
def model(small):
    return wrap(small, ("Mass", "Nodule", "Effusion"), 16)


@pytest.fixture
def settings(method, small, pooled):
    """What a method cannot do without on this network."""
    if method == "latent-shift":
        return {"autoencoder": pooled, "drop": 1e-3, "rise": 1e-3}
    statistics = FeatureStatistics.estimate(small, ["norm", "second"], torch.rand(9, 1, 16, 16))
    layers = {"layers": ["norm", "second"]} if method == "multilayer-iba" else {"layer": "second"}
    return {"statistics": statistics, **layers} if method.endswith("iba") else {}


def film(seed: int, height: int = 40, width: int = 30) -> Radiograph:
    return Radiograph(np.random.default_rng(seed).random((height, width), dtype=np.float32), f"film-{seed}")


@pytest.mark.parametrize("method", names())
def test_every_registered_method_explains(method, model, settings):
    one = explain(model, film(0), "Nodule", method=method, **settings)
    assert one.status is not Status.FLAT
    assert one.unit
    assert one.method == method
    assert one.on_film().shape == (40, 30)
    assert one.evidence_on_film().min() >= 0
    assert one.probability == pytest.approx(model.predict(film(0))["Nodule"], abs=1e-6)


def test_films_in_one_call_equal_films_one_by_one(model):
    films = [film(1), film(2, 25, 50)]
    several = explain_films(model, films, ["Mass", 2], "grad-cam", layer="second")
    for each, one, target in zip(several, films, ["Mass", "Effusion"], strict=True):
        alone = explain(model, one, target, layer="second")
        assert each.target == target
        assert each.placement == alone.placement
        np.testing.assert_allclose(each.map, alone.map, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("method", names())
def test_findings_of_one_film_in_one_call_equal_one_by_one(method, model, settings):
    several = explain_targets(model, film(5), ["Effusion", 0], method, **settings)
    for each, target in zip(several, ["Effusion", "Mass"], strict=True):
        alone = explain(model, film(5), target, method, **settings)
        assert each.target == target
        assert each.probability == pytest.approx(alone.probability)
        np.testing.assert_allclose(each.map, alone.map, rtol=1e-4, atol=1e-7)


def test_targets_may_be_numpy_integers(model):
    assert explain(model, film(0), np.int64(1)).target == "Nodule"


def test_a_network_of_probabilities_is_explained_in_probability(small):
    network = torch.nn.Sequential(small, torch.nn.Sigmoid())
    one = explain(wrap(network, ("a", "b", "c"), 16, output="probability"), film(0), "a")
    assert one.unit == "probability per cell"


@pytest.mark.parametrize(("card", "unit"), [({}, "value"), ({"unit": "Brixia point"}, "Brixia point")])
def test_a_network_of_values_is_explained_in_their_unit(card, unit, small, tmp_path):
    """Occlusion of a score in points is a drop in points, whatever a sigmoid would make of it."""
    model = Classifier(small, ("Severity", "", ""), InputSpec(16), "value", card)
    one = explain(model, film(0), "Severity", "occlusion")
    assert one.unit == f"drop in {unit}"
    assert explain(model, film(0), "Severity").unit == f"{unit} per cell"
    assert one.probability == pytest.approx(model.predict(film(0))["Severity"])
    assert one.record()["output"] == "value"
    covered = film(0).pixels.copy()
    twice = Classifier(torch.nn.Sequential(small, Scaled(2)), model.targets, model.spec, "value", card)
    np.testing.assert_allclose(
        explain(twice, covered, "Severity", "occlusion").map, 2 * one.map, rtol=1e-4, atol=1e-6
    )
    one.save(tmp_path / "why.png")


class Scaled(torch.nn.Module):
    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, scores):
        return scores * self.by


def test_statistics_come_from_the_card_or_from_the_call_or_are_asked_for(small, tmp_path):
    FeatureStatistics.estimate(small, ["second"], torch.rand(9, 1, 16, 16)).save(tmp_path / "card.json")
    FeatureStatistics.estimate(small, ["second"], torch.rand(8, 1, 16, 16)).save(tmp_path / "call.json")
    targets, spec = ("Mass", "Nodule", "Effusion"), InputSpec(16)
    told = Classifier(small, targets, spec, card={"statistics": str(tmp_path / "card.json")})
    one = explain(told, film(0), "Mass", "iba", layer="second")
    assert "9 films" in one.settings["statistics"]
    other = explain(told, film(0), "Mass", "iba", layer="second", statistics=str(tmp_path / "call.json"))
    assert "8 films" in other.settings["statistics"]
    with pytest.raises(ModelError, match=r"no statistics.*FeatureStatistics\.estimate"):
        explain(Classifier(small, targets, spec), film(0), "Mass", "iba", layer="second")


def test_the_shipped_phantom_needs_no_statistics_of_yours():
    model, study = pf.load("phantom"), Phantom(1, 224, seed=3)[0]
    for method in ("iba", "multilayer-iba"):
        settings = {"steps": 2, "samples": 1}
        found = explain(model, study.radiograph, "Mass", method, **settings)
        assert found.unit == "bits per pixel"
        assert found.map.sum() > 0
        assert found.settings["statistics"].startswith("FeatureStatistics(1000 films")


def test_statistics_of_another_size_are_refused_with_what_to_do():
    model = pf.load("phantom")
    other = wrap(model.network, model.targets, 96)
    with pytest.raises(ModelError, match=r"statistics of features.*Estimate them on images of this size"):
        explain(other, film(0), "Mass", "iba", statistics=model.card["statistics"], steps=2, samples=1)
    with pytest.raises(ModelError, match=r"no statistics.*FeatureStatistics\.estimate"):
        explain(other, film(0), "Mass", "iba")


def test_the_layer_is_looked_for_once_for_all_films(model):
    calls = []
    model.network.register_forward_hook(lambda *call: calls.append(1))
    for seed in range(3):
        explain_targets(model, film(seed), ["Mass", "Effusion"])
    # Once for the layer; for each film the maps and the probabilities.
    assert len(calls) == 1 + 3 * 2


@pytest.mark.parametrize(
    "method",
    [
        "gradient",
        "integrated-gradients",
        "grad-cam",
        "grad-cam++",
        "smoothgrad",
        "expected-gradients",
        "occlusion",
    ],
)
def test_a_transformer_is_explained_by_methods_that_need_no_relu(method, transformer):
    model = wrap(transformer, ("a", "b", "c"), 32, channels=3)
    one = explain(model, film(7), "b", method)
    assert one.status is Status.OK
    assert one.on_film().shape == (40, 30)


def test_a_map_lies_where_the_model_looked(small):
    """A film that is cropped: outside the crop the map is 0, inside it is the map."""
    model = wrap(small, ("a", "b", "c"), 16, fit="centre_crop")
    one = explain(model, film(3, 32, 16), "a", method="gradient")
    on_film = one.on_film()
    assert not on_film[:8].any()
    assert not on_film[24:].any()
    np.testing.assert_allclose(on_film[8:24], one.map, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("method", names())
def test_a_constant_film_has_a_flat_map(method, model, settings):
    constant = Radiograph(np.full((20, 20), 0.5, np.float32))
    one = explain(model, constant, "Mass", method=method, **settings)
    assert one.status is Status.FLAT
    assert not one.map.any()


def test_a_network_that_ignores_the_film_is_flat():
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    network[0].weight.data.zero_()
    one = explain(wrap(network, ("a", "b"), 16), film(4), "a", method="gradient")
    assert one.status is Status.FLAT
    assert "constant" in one.status.sentence
    assert not one.map.any()


def test_unknown_names_are_answered_with_known_ones(model):
    with pytest.raises(ModelError, match=r"'Nodul'.*Nodule"):
        explain(model, film(0), "Nodul")
    with pytest.raises(ModelError, match=r"'gradcam'.*grad-cam"):
        explain(model, film(0), "Mass", method="gradcam")
    with pytest.raises(ModelError, match=r"setting 'step'.*steps"):
        explain(model, film(0), "Mass", method="integrated-gradients", step=3)
    with pytest.raises(ModelError, match="known method"):
        method_class("lime")


def test_an_array_is_explained_like_a_film(model):
    pixels = film(6).pixels
    np.testing.assert_array_equal(explain(model, pixels, "Mass").map, explain(model, film(6), "Mass").map)
