from __future__ import annotations

import json

import pytest

import plainfilm.models.zoo


def test_versions_devices_and_codecs_are_reported(run):
    outcome = run("doctor", "--json")
    said = json.loads(outcome.out)
    assert said["versions"]["torch"][0].isdigit()
    assert int(said["devices"]["torch threads"]) >= 1
    assert set(said["codecs"]) == {"JPEG", "JPEG 2000", "JPEG-LS", "RLE"}
    assert outcome.code == 0


@pytest.mark.parametrize(("flip", "state", "code"), [(0, "whole", 0), (1, "damaged", 4)])
def test_shipped_weights_are_checked_by_their_sum(run, model, tmp_path, monkeypatch, flip, state, code):
    for name in ("model.json", "model.safetensors"):
        (tmp_path / name).write_bytes((model / name).read_bytes())
    weights = bytearray((tmp_path / "model.safetensors").read_bytes())
    weights[-1] ^= flip
    (tmp_path / "model.safetensors").write_bytes(weights)
    monkeypatch.setattr(plainfilm.models.zoo, "SHIPPED", tmp_path)
    outcome = run("doctor", "--json")
    assert json.loads(outcome.out)["weights"]["model"].startswith(state)
    assert outcome.code == code
    assert run("doctor").code == code
