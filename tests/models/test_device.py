"""Fault 41: on a machine without an accelerator the device "meta" stands for the second one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from plainfilm.errors import ModelError
from plainfilm.models.device import device_of

FILM = np.linspace(0, 1, 40 * 50, dtype=np.float32).reshape(40, 50)


def test_a_network_without_weights_is_where_its_images_are_made():
    assert device_of(nn.ReLU()) == torch.device("cpu")


def test_weights_and_buffers_on_one_device_give_that_device(tiny):
    assert device_of(tiny.network) == torch.device("cpu") == tiny.device


@pytest.mark.parametrize("moved", ["head", "buffer"])
def test_a_network_on_two_devices_is_refused_in_one_message_that_names_both(moved):
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 1))
    if moved == "head":
        network[2].to("meta")
    else:
        network[1].running_mean = network[1].running_mean.to("meta")
    name = "2.weight" if moved == "head" else "1.running_mean"
    with pytest.raises(ModelError, match=rf"weights on 2 devices \(0.weight on cpu, {name} on meta\)"):
        device_of(network)


def test_a_classifier_on_two_devices_is_refused_before_it_runs(tiny):
    images, _ = tiny.prepare(FILM)
    tiny.network.classifier.to("meta")
    for ask in (lambda: tiny.predict(FILM), lambda: tiny.prepare(FILM), lambda: tiny.logits(images)):
        with pytest.raises(ModelError, match="weights on 2 devices"):
            ask()


def test_weights_without_values_are_refused():
    with pytest.raises(ModelError, match="weights without values"):
        device_of(nn.Linear(2, 1, device="meta"))
