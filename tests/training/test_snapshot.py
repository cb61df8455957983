from __future__ import annotations

import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from plainfilm.errors import ArtifactError
from plainfilm.training import snapshot
from plainfilm.training.snapshot import check_facts, read_meta, read_snapshot, write_snapshot

FACTS = {"recipe": "a", "data": "b", "plainfilm": "1", "threads": 1}

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.fixture
def state():
    network = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters())
    network(torch.rand(1, 3, 5, 5)).sum().backward()
    optimiser.step()
    return {
        "state_dict": network.state_dict(), "optimizer_states": [optimiser.state_dict()], "global_step": 7,
        "nothing": None, "pair": (1, -math.inf),
    }  # fmt: skip


@given(trees)
def test_what_is_packed_comes_back_exactly(tree):
    packed = json.loads(json.dumps(snapshot._packed(tree, "", {})))
    found = snapshot._unpacked(packed, {})
    assert found == tree
    assert type(found) is type(tree)


def test_a_state_comes_back_with_its_bits_and_its_order_of_memory(state, tmp_path):
    write_snapshot(tmp_path / "one", state, FACTS)
    found = read_snapshot(tmp_path / "one")
    assert found["pair"] == (1, -math.inf)
    assert found["optimizer_states"][0]["param_groups"] == state["optimizer_states"][0]["param_groups"]
    for key, moments in state["optimizer_states"][0]["state"].items():
        for name, tensor in moments.items():
            back = found["optimizer_states"][0]["state"][key][name]
            assert torch.equal(back, tensor)
            assert back.stride() == tensor.stride()
    for name, tensor in state["state_dict"].items():
        assert torch.equal(found["state_dict"][name], tensor)


def test_nothing_in_a_snapshot_is_a_pickle(state, tmp_path):
    write_snapshot(tmp_path / "one", state, FACTS)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["meta.json", "state.safetensors", "weights.safetensors"]


@pytest.mark.parametrize("name", ["meta.json", "state.safetensors", "weights.safetensors"])
@pytest.mark.parametrize("fault", ["missing", "cut off", "bit"])
def test_a_damaged_snapshot_is_refused(state, tmp_path, name, fault):
    write_snapshot(tmp_path / "one", state, FACTS)
    file = tmp_path / "one" / name
    content = bytearray(file.read_bytes())
    if fault == "missing":
        file.unlink()
    else:
        content[len(content) // 2] ^= 1
        file.write_bytes(content if fault == "bit" else content[:-9])
    with pytest.raises(ArtifactError):
        read_snapshot(tmp_path / "one")


def test_another_format_is_told(state, tmp_path, monkeypatch):
    monkeypatch.setattr(snapshot, "FORMAT", 2)
    write_snapshot(tmp_path / "one", state, FACTS)
    monkeypatch.undo()
    with pytest.raises(ArtifactError, match="format 2"):
        read_snapshot(tmp_path / "one")


@pytest.mark.parametrize("name", ["recipe", "data", "plainfilm"])
def test_a_fact_that_binds_must_be_as_it_was(state, tmp_path, name):
    write_snapshot(tmp_path / "one", state, FACTS)
    with pytest.raises(ArtifactError, match=f"another {name}"):
        check_facts(read_meta(tmp_path / "one"), {**FACTS, name: "other"}, "one")


def test_another_number_of_threads_is_a_warning(state, tmp_path, caplog):
    write_snapshot(tmp_path / "one", state, FACTS)
    check_facts(read_meta(tmp_path / "one"), {**FACTS, "threads": 2}, "one")
    assert "not bit for bit" in caplog.text
    assert "threads 1, now 2" in caplog.text
