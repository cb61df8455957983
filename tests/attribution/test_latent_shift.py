from __future__ import annotations

import numpy as np
import pytest
import torch
import torchxrayvision as xrv
from torch import nn

from plainfilm.attribution import LatentShift
from plainfilm.attribution.explain import explain, explain_targets
from plainfilm.attribution.explanation import Status
from plainfilm.attribution.latent_search import Stop
from plainfilm.attribution.latent_shift import PRESETS
from plainfilm.errors import ModelError, NumericError
from plainfilm.models.classifier import wrap
from plainfilm.models.spec import InputSpec

TARGET = 1


@pytest.fixture
def images():
    return torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def classifier(small):
    """Probabilities of a network that reacts strongly."""
    return nn.Sequential(small, Sharp())


class Sharp(nn.Module):
    def forward(self, logits):
        return (20 * logits).sigmoid()


def published(classifier, autoencoder, image, target, drop, rise):
    """The whole method as it is written down, one film after the other."""
    classifier.eval()
    latent = autoencoder.encode(image).detach().requires_grad_()
    middle = autoencoder.decode(latent)
    classifier(middle)[0, target].backward()
    direction = latent.grad

    def film(place):
        return autoencoder.decode(latent.detach() + place * direction).detach()

    def said(place):
        with torch.no_grad():
            return classifier(film(place))[0, target].item()

    bounds, reasons = [], []
    for sign, amount in ((-1, drop), (1, rise)):
        place, last = 0, said(0)
        while True:
            now = said(place)
            if sign * now < sign * last:
                why = "rise" if sign < 0 else "drop"
            elif sign * now > sign * said(0) + amount:
                why = "drop" if sign < 0 else "rise"
            elif abs(place) >= 1000:
                why = "limit"
            else:
                last, place = now, place + sign * (1 if abs(place) < 10 else 10)
                continue
            break
        bounds.append(place)
        reasons.append(why)
    left, right = bounds
    lambdas = np.arange(left, right + 1, (right - left) / 10)
    frames = torch.cat([film(float(place)) for place in lambdas])
    return tuple(bounds), tuple(reasons), lambdas, frames, middle.detach()


@pytest.mark.parametrize("target", [0, 1, 2])
@pytest.mark.parametrize("drop", [0.02, 0.1, 0.5])
def test_bounds_frames_and_maps_are_those_of_the_published_way(classifier, pooled, images, target, drop):
    bounds, reasons, lambdas, frames, middle = published(classifier, pooled, images[:1], target, drop, 0.05)
    found = LatentShift(classifier, pooled, drop=drop, rise=0.05).counterfactual(images[0], target)
    assert (found.bounds, found.stop) == (bounds, reasons)
    np.testing.assert_array_equal(found.lambdas, lambdas)
    torch.testing.assert_close(found.frames, frames, atol=1e-5, rtol=1e-4)
    expected = (frames - middle).abs().amax(0).mean(0)
    torch.testing.assert_close(torch.from_numpy(found.map("max")), expected, atol=1e-5, rtol=1e-4)
    assert found.predictions == pytest.approx(
        [classifier(frame[None])[0, target].item() for frame in found.frames], abs=1e-5
    )


def test_attribute_gives_the_map_of_each_image(classifier, pooled, images):
    method = LatentShift(classifier, pooled, drop=0.05)
    maps = method.attribute(images, [0, 1, 2])
    assert maps.shape == (3, 1, 16, 16)
    for image, target, map in zip(images, range(3), maps, strict=True):
        one = method.counterfactual(image, target)
        torch.testing.assert_close(map[0], torch.from_numpy(one.map()), atol=0, rtol=0)


def test_one_image_for_several_targets_is_encoded_once(classifier, pooled, images, monkeypatch):
    encoded = []
    encode = pooled.encode
    monkeypatch.setattr(pooled, "encode", lambda x: encoded.append(1) or encode(x))
    several = LatentShift(classifier, pooled, drop=0.05).counterfactuals(images[:1], [0, 2])
    assert len(encoded) == 1
    alone = LatentShift(classifier, pooled, drop=0.05).counterfactual(images[0], 2)
    np.testing.assert_allclose(several[1].map(), alone.map(), atol=1e-6)


def test_an_even_row_of_frames_holds_the_middle(classifier, pooled, images):
    found = LatentShift(classifier, pooled, drop=0.05, grid="linear", frames=8).counterfactual(images[0], 1)
    left, right = found.bounds
    np.testing.assert_allclose(found.lambdas, sorted({*np.linspace(left, right, 8), 0.0}))
    middle = list(found.lambdas).index(0)
    torch.testing.assert_close(found.frames[middle], found.reconstruction)
    assert found.predictions[middle] == found.prediction


def test_the_unit_without_a_scale_is_the_share_of_the_latent(classifier, pooled, images):
    found = LatentShift(classifier, pooled).counterfactual(images[0], TARGET)
    latent = pooled.encode(images[:1]).detach().requires_grad_()
    classifier.eval()(pooled.decode(latent))[0, TARGET].backward()
    assert found.kappa == pytest.approx((latent.grad.norm() / latent.detach().norm()).item(), rel=1e-5)


def test_presets_of_the_published_versions(classifier, pooled, images):
    paper, head, package = (LatentShift.preset(name, classifier, pooled) for name in PRESETS)
    assert (paper.drop, paper.rise) == (0.5, 0.05)
    found = head.counterfactual(images[0], TARGET)
    left = found.bounds[0]
    assert found.bounds[1] == 0
    assert found.stop[1] is Stop.NONE
    np.testing.assert_array_equal(found.lambdas, np.arange(left, 0, abs(left) / 10))
    once = classifier.eval()(pooled.decode(pooled.encode(images[:1])))[0, TARGET]
    assert found.prediction == pytest.approx(once.sigmoid().item(), abs=1e-6)
    found = package.counterfactual(images[0], TARGET)
    np.testing.assert_allclose(found.lambdas, np.linspace(found.bounds[0], 0, 10), atol=1e-9)
    with pytest.raises(ModelError, match="paper-code"):
        LatentShift.preset("paper", classifier, pooled)


def test_both_networks_are_returned_as_found(classifier, pooled, images, returned_as_found):
    classifier.train()
    method = LatentShift(classifier, pooled, drop=0.05)
    returned_as_found(classifier, lambda: method.attribute(images, TARGET))
    returned_as_found(pooled, lambda: method.attribute(images, TARGET))

    def interrupted():
        with pytest.raises(ModelError):
            method.attribute(images, 7)

    returned_as_found(classifier, interrupted)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_both_networks_are_returned_after_an_exception(classifier, pooled, images, returned_as_found, error):
    def stop(*_):
        raise error

    def interrupted():
        handle = pooled.decode
        pooled.decode = stop
        try:
            with pytest.raises(error):
                LatentShift(classifier, pooled).attribute(images, TARGET)
        finally:
            pooled.decode = handle

    returned_as_found(classifier, interrupted)
    returned_as_found(pooled, interrupted)


def test_half_precision_is_computed_in_full(small, pooled, images, returned_as_found):
    small, pooled = small.half(), pooled.half()
    model = wrap(small, ["Effusion", "Mass", "Nodule"], 16)
    method = LatentShift(model, pooled, drop=1e-3)
    maps = method.attribute(images, TARGET)
    assert maps.dtype == torch.float32
    assert torch.isfinite(maps).all()
    returned_as_found(small, lambda: method.attribute(images, TARGET))
    full = LatentShift(wrap(small.float(), ["Effusion", "Mass", "Nodule"], 16), pooled.float(), drop=1e-3)
    torch.testing.assert_close(full.attribute(images, TARGET), maps)


@pytest.mark.parametrize("target", [-1, 3, True, 1.0, "Mass"])
def test_a_target_that_does_not_exist_is_refused(classifier, pooled, images, target):
    with pytest.raises(ModelError, match="target"):
        LatentShift(classifier, pooled).attribute(images, target)


def test_a_plain_function_will_do(classifier, pooled, images):
    expected = LatentShift(classifier, pooled, drop=0.05).attribute(images, TARGET)
    classifier.eval()
    found = LatentShift(lambda x: classifier(x), pooled, drop=0.05).attribute(images, TARGET)
    torch.testing.assert_close(found, expected)


def test_a_classifier_is_asked_by_name_and_for_films_beyond_its_range(small, pooled, images):
    model = wrap(small, ["Effusion", "Mass", "Nodule"], 16, low=0.4, high=0.6)
    method = LatentShift(model, pooled, drop=1e-3, rise=1e-3)
    found = method.counterfactual(images[0], "Mass")
    assert found.target == "Mass"
    assert found.window == (0.4, 0.6)
    with pytest.raises(ModelError, match="Did you mean 'Mass'"):
        method.counterfactual(images[0], "Mas")


def test_explain_carries_the_films(small, pooled):
    model = wrap(small, ["Effusion", "Mass", "Nodule"], 16)
    film = np.random.default_rng(0).random((20, 24), dtype=np.float32)
    settings = {"autoencoder": pooled, "drop": 1e-3, "rise": 1e-3}
    one = explain(model, film, "Mass", "latent-shift", **settings)
    assert one.counterfactual is not None
    np.testing.assert_array_equal(one.map, one.counterfactual.map())
    assert one.record()["counterfactual"]["stop"] == list(one.counterfactual.stop)
    for each in explain_targets(model, film, ["Nodule", "Mass"], "latent-shift", **settings):
        alone = explain(model, film, each.target, "latent-shift", **settings)
        np.testing.assert_allclose(each.map, alone.map, atol=1e-6)
    far = explain(model, film, "Mass", "latent-shift", autoencoder=pooled, drop=0.9)
    assert far.status is Status.NOT_REACHED


class Constant(nn.Module):
    """Depends on its input, but not by a value that changes."""

    def forward(self, images):
        return images.mean((1, 2, 3))[:, None].mul(0).add(0.6).expand(-1, 3)


def test_a_flat_target_is_called_flat_without_a_search(pooled, images):
    asked = []
    network = Constant()
    network.register_forward_hook(lambda *_: asked.append(1))
    found = LatentShift(lambda x: network(x), pooled).counterfactual(images[0], TARGET)
    assert found.is_flat
    assert found.bounds == (-1000, 1000)
    assert found.stop == (Stop.LIMIT, Stop.LIMIT)
    assert not found.map().any()
    assert len(asked) <= 3
    model = wrap(Constant(), ["Effusion", "Mass", "Nodule"], 16, output="probability")
    film = np.random.default_rng(0).random((16, 16), dtype=np.float32)
    assert explain(model, film, "Mass", "latent-shift", autoencoder=pooled).status is Status.FLAT


def test_a_search_that_finds_nothing_ends_at_its_limit(pooled, images):
    for search in ("exact", "fast"):
        found = LatentShift(Faint(), pooled, search=search, limit=50).counterfactual(images[0], TARGET)
        assert found.bounds == (-50, 50)
        assert found.stop == (Stop.LIMIT, Stop.LIMIT)
        assert not found.reached


class Faint(nn.Module):
    """Hardly depends on its input."""

    def forward(self, images):
        return (0.4 + 0.1 * images.mean((1, 2, 3)))[:, None].expand(-1, 3)


def test_a_classifier_without_a_gradient_is_named(classifier, pooled, images):
    def detached(films):
        with torch.no_grad():
            return classifier(films)

    with pytest.raises(ModelError, match="predictions without a gradient, expected a differentiable"):
        LatentShift(detached, pooled).attribute(images, TARGET)


def test_an_autoencoder_of_another_size_is_named(classifier, pooled, images):
    class Doubling(type(pooled)):
        def decode(self, latents):
            return super().decode(latents).repeat(1, 1, 2, 2)

    with pytest.raises(ModelError, match=r"reconstructions \(1, 1, 32, 32\) of images \(1, 1, 16, 16\)"):
        LatentShift(classifier, Doubling()).attribute(images, TARGET)


def test_an_autoencoder_of_another_range_is_named(small, pooled):
    model = wrap(small, ["Effusion", "Mass", "Nodule"], 16)
    pooled.spec = InputSpec(16, -1024.0, 1024.0)
    with pytest.raises(ModelError, match=r"-1024\.0 to 1024\.0, expected .*0\.0 to 1\.0, as the"):
        LatentShift(model, pooled)
    pooled.spec = InputSpec(16, 0.0, 1.0)
    LatentShift(model, pooled)


def test_no_autoencoder_is_named_with_what_to_do(classifier):
    with pytest.raises(ModelError, match=r"no autoencoder.*'phantom'"):
        LatentShift(classifier)


def test_films_that_are_not_finite_are_named(classifier, pooled, images):
    with torch.no_grad():
        pooled.gain.fill_(float("nan"))
    with pytest.raises(NumericError, match="NaN"):
        LatentShift(classifier, pooled).attribute(images, TARGET)


@pytest.mark.parametrize(
    "wrong",
    [
        {"search": "quick"},
        {"grid": "even"},
        {"kind": "median"},
        {"drop": 0},
        {"rise": -1},
        {"frames": 1},
        {"limit": 0},
    ],
)
def test_impossible_settings_are_told_at_once(classifier, pooled, wrong):
    with pytest.raises(ModelError, match=next(iter(wrong))):
        LatentShift(classifier, pooled, **wrong)


def test_settings_are_recorded_without_networks(classifier, pooled):
    settings = LatentShift(classifier, pooled).settings()
    assert settings["autoencoder"] == "Pooled"
    assert not {"classifier", "codec"} & settings.keys()


@pytest.mark.parametrize("weights", [3, 4])
def test_torchxrayvisions_parts_work_as_they_are(weights):
    torch.manual_seed(weights)
    autoencoder = xrv.autoencoders.ResNetAE(weights=None).eval()
    network = xrv.models.DenseNet(num_classes=18).eval()
    film = torch.rand(1, 1, 224, 224) * 2048 - 1024
    method = LatentShift(lambda x: network(x).sigmoid(), autoencoder, search="fast", limit=2, frames=2)
    assert method.attribute(film, 3).shape == (1, 1, 224, 224)
