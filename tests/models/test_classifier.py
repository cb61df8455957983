from __future__ import annotations

import copy
import re

import numpy as np
import pytest
import torch
from torch import nn

from plainfilm.errors import InputError, ModelError, NumericError
from plainfilm.models.classifier import Classifier, evaluating, wrap
from plainfilm.models.densenet import DenseNet
from plainfilm.models.spec import InputSpec
from plainfilm.radiograph import Radiograph


class Answering(nn.Module):
    """Returns the same answer whatever it sees."""

    def __init__(self, answer: object) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, images: torch.Tensor) -> object:
        return self.answer


def answering(answer: object, **settings: object) -> Classifier:
    return wrap(Answering(answer), ("Mass", "Nodule"), size=8, **settings)


def film(height: int = 50, width: int = 40, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((height, width), dtype=np.float32)


BATCH = torch.linspace(0, 1, 64).reshape(1, 1, 8, 8)


# --- targets


@pytest.mark.parametrize(("target", "position"), [("Mass", 0), ("Edema", 2), (1, 1), (np.int64(2), 2)])
def test_targets_are_found_by_name_or_position(tiny, target, position):
    assert tiny.index(target) == position


@pytest.mark.parametrize("target", [-1, 3, True, False, 1.0, None, torch.tensor(1), np.bool_(True), b"Mass"])
def test_positions_outside_and_other_types_are_refused(tiny, target):
    with pytest.raises(ModelError, match="target: got"):
        tiny.index(target)


@pytest.mark.parametrize(("name", "meant"), [("mass", "Mass"), ("Nodul", "Nodule"), (" Edema ", "Edema")])
def test_an_unknown_name_is_refused_with_close_matches(tiny, name, meant):
    with pytest.raises(ModelError, match=f"Did you mean '{meant}'"):
        tiny.index(name)


def test_outputs_without_a_name_keep_their_position_but_are_never_shown():
    model = wrap(Answering(torch.zeros(1, 3)), ("", "Mass", ""), size=8)
    assert model.index("Mass") == 1
    assert model.predict(film()) == {"Mass": 0.5}
    for target in ("", 0):
        with pytest.raises(ModelError):
            model.index(target)


@pytest.mark.parametrize("targets", [(), ("",), ("Mass", "Mass"), "Mass", (1, 2)])
def test_targets_must_be_names_each_once(targets):
    with pytest.raises(ModelError):
        Classifier(nn.Identity(), targets, InputSpec(8))


# --- input


def test_prepare_places_and_scales_a_film():
    model = wrap(Answering(None), ("Mass",), size=20, low=-1024, high=1024, channels=3)
    images, placement = model.prepare(film(40, 60))
    assert images.shape == (1, 3, 20, 20)
    assert placement.box == (0.0, 10.0, 40.0, 40.0)
    expected = placement.sample(film(40, 60)) * 2048 - 1024
    np.testing.assert_allclose(images[0], np.stack([expected] * 3), atol=1e-3)


def test_a_radiograph_and_its_pixels_are_prepared_alike(tiny):
    torch.testing.assert_close(tiny.prepare(Radiograph(film()))[0], tiny.prepare(film())[0], rtol=0, atol=0)


@pytest.mark.parametrize("film", ["chest.png", film() * 255, np.zeros((3, 4, 4)), None])
def test_what_is_no_film_is_an_input_error(tiny, film):
    with pytest.raises(InputError):
        tiny.prepare(film)


def test_films_of_several_sizes_make_one_batch(tiny):
    images, placements = tiny.prepare_batch([film(30, 40), film(50, 35)])
    assert images.shape == (2, 1, 32, 32)
    assert [placement.film for placement in placements] == [(30, 40), (50, 35)]
    with pytest.raises(InputError, match="no films"):
        tiny.prepare_batch([])


# --- output


def test_probabilities_are_the_sigmoid_of_the_network(tiny):
    images, _ = tiny.prepare(film())
    by_hand = 1 / (1 + np.exp(-tiny.network(images).detach().double().numpy()))
    np.testing.assert_allclose(tiny.probabilities(images).detach(), by_hand, atol=1e-6)
    assert tiny.predict(film()) == pytest.approx(dict(zip(tiny.targets, by_hand[0], strict=True)), abs=1e-6)


def test_a_network_of_probabilities_is_not_squashed_twice():
    model = answering(torch.tensor([[0.2, 1.0]]), output="probability")
    assert model.predict(film()) == pytest.approx({"Mass": 0.2, "Nodule": 1.0})
    logits = model.logits(BATCH)
    assert logits[0, 0].item() == pytest.approx(np.log(0.2 / 0.8), abs=1e-5)
    assert torch.isfinite(logits).all()


def test_many_films_are_predicted_in_order_whatever_the_batch_size(tiny):
    films = [film(seed=seed) for seed in range(5)]
    one_by_one = [tiny.predict(each) for each in films]
    for batch_size in (1, 2, 16):
        for found, expected in zip(tiny.predict_many(iter(films), batch_size), one_by_one, strict=True):
            assert found == pytest.approx(expected, abs=1e-6)
    assert tiny.predict_many([]) == []
    with pytest.raises(InputError, match="batch_size 0"):
        tiny.predict_many(films, batch_size=0)


@pytest.mark.parametrize("answer", [(torch.zeros(1, 2),), {"out": torch.zeros(1, 2)}, [0.1, 0.2], None])
def test_an_output_that_is_no_tensor_is_refused(answer):
    with pytest.raises(ModelError, match=f"type {type(answer).__name__}"):
        answering(answer).logits(BATCH)


@pytest.mark.parametrize("shape", [(1, 3), (2,), (2, 2), (1, 2, 1, 1)])
def test_an_output_of_another_shape_is_refused_naming_both(shape):
    with pytest.raises(ModelError, match=re.escape(f"shape {shape}, expected (1, 2)")):
        answering(torch.zeros(shape)).logits(BATCH)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_outputs_that_are_not_finite_are_refused(bad):
    with pytest.raises(NumericError, match="Answering"):
        answering(torch.tensor([[0.0, bad]])).predict(film())


def test_logits_declared_as_probabilities_are_refused():
    with pytest.raises(ModelError, match="output='logit'"):
        answering(torch.tensor([[0.3, 1.7]]), output="probability").probabilities(BATCH)


# --- the network is left as found


def test_the_mode_of_every_module_is_put_back_even_after_an_error(tiny):
    network = tiny.network.train()
    network.features.norm0.eval()
    before = {name: module.training for name, module in network.named_modules()}
    state = copy.deepcopy(network.state_dict())
    tiny.predict(film())
    with evaluating(network):
        assert not any(module.training for module in network.modules())
    handle = network.relu5.register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tiny.predict(film())
    handle.remove()
    assert {name: module.training for name, module in network.named_modules()} == before
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, state[name], rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_weights_are_computed_in_float32_and_stay_half(tiny, dtype):
    rounded = copy.deepcopy(tiny.network).to(dtype)
    full = copy.deepcopy(rounded).float()
    model = Classifier(rounded, tiny.targets, tiny.spec)
    images, _ = model.prepare(film())
    torch.testing.assert_close(model.logits(images), full(images), rtol=0, atol=1e-6)
    assert {weight.dtype for weight in rounded.parameters()} == {dtype}


def test_double_weights_are_computed_in_double(tiny):
    tiny.network.double()
    images, _ = tiny.prepare(film())
    assert tiny.logits(images).dtype == torch.float64


def test_gradients_reach_the_images(tiny):
    images, _ = tiny.prepare(film())
    images.requires_grad_()
    tiny.logits(images)[:, 1].sum().backward()
    assert images.grad.abs().sum() > 0


def test_a_data_parallel_network_is_used_through_its_wrapper(tiny):
    parallel = Classifier(nn.DataParallel(tiny.network), tiny.targets, tiny.spec)
    assert parallel.predict(film()) == pytest.approx(tiny.predict(film()))


def test_a_mistaken_range_is_refused_before_the_network_runs():
    model = wrap(
        DenseNet(2, 1, 2, block_config=(1,), num_init_features=2), ("a", "b"), 8, low=-1024, high=1024
    )
    with pytest.raises(ModelError, match=r"from 0 to 1, expected the range \[-1024, 1024\]"):
        model.logits(BATCH)


# --- construction


def test_operating_points_are_probabilities_of_targets():
    points = answering(None, operating_points={"Nodule": 0.2}).operating_points
    assert points == {"Mass": None, "Nodule": 0.2}
    for wrong in ({"Edema": 0.2}, {"Mass": 1.2}, {"Mass": float("nan")}):
        with pytest.raises(ModelError):
            answering(None, operating_points=wrong)


def test_a_network_must_be_a_module_and_its_output_known():
    with pytest.raises(ModelError, match=r"torch\.nn\.Module"):
        Classifier(lambda images: images, ("Mass",), InputSpec(8))
    with pytest.raises(ModelError, match="'softmax'"):
        Classifier(nn.Identity(), ("Mass",), InputSpec(8), output="softmax")


def test_a_film_too_small_to_enlarge_is_refused_with_the_least_size():
    model = wrap(nn.Sequential(nn.Flatten(), nn.Linear(64 * 64, 1)), ("a",), 64)
    with pytest.raises(InputError, match=r"7 x 9 pixels, expected at least 8 on each side"):
        model.predict(np.zeros((9, 7), np.float32))
    assert model.predict(np.zeros((8, 8), np.float32))


def test_a_network_of_another_number_of_channels_is_named():
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(ModelError, match=r"3 channels.*channels=3"):
        wrap(network, ["A", "B"], size=16, channels=1).predict(np.zeros((16, 16), np.float32))
