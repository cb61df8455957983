from __future__ import annotations

import json
import pickle
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from plainfilm.errors import ArtifactError, NumericError, ResourceError
from plainfilm.io import checkpoint
from plainfilm.io.checkpoint import load_strictly, read_checkpoint, write_checkpoint

TENSORS = {"weight": torch.arange(6.0).reshape(2, 3), "steps": torch.tensor(7)}
CARD = {"targets": ["Mass"], "metrics": {"auroc": 0.81, "hernia": None}, "note": "naïve"}


@pytest.fixture
def card_path(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "run", TENSORS, CARD)


def weights_of(card_path: Path) -> Path:
    return card_path.with_name(json.loads(card_path.read_text())["weights"])


def change_card(card_path: Path, **changes: object) -> None:
    """Forges a card: other values under a right digest."""
    card = {**json.loads(card_path.read_text()), **changes}
    card_path.write_text(json.dumps({**card, "card_sha256": canonical_digest(card)}))


def canonical_digest(card: dict[str, object]) -> str:
    ordered = {key: card[key] for key in sorted(card) if key != "card_sha256"}
    return sha256(json.dumps(ordered, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@pytest.mark.parametrize("name", ["run", "run/best.safetensors", "run/best.json", "v1.2/best"])
def test_what_is_written_is_read_back(tmp_path, name):
    write_checkpoint(tmp_path / name, TENSORS, CARD)
    found = read_checkpoint(tmp_path / name)
    assert found.tensors.keys() == TENSORS.keys()
    for key, tensor in TENSORS.items():
        torch.testing.assert_close(found.tensors[key], tensor, rtol=0, atol=0)
    assert found.card.items() >= CARD.items()


def test_the_card_tells_version_and_digest(card_path):
    card = json.loads(card_path.read_text(encoding="utf-8"))
    assert card["sha256"] == sha256(weights_of(card_path).read_bytes()).hexdigest()
    assert card.keys() >= {"format", "plainfilm", "weights", *CARD}


def test_the_card_ends_with_its_own_digest(card_path):
    card = json.loads(card_path.read_text(encoding="utf-8"))
    assert list(card)[-1] == "card_sha256"
    assert card["card_sha256"] == canonical_digest(card)


def test_the_digest_of_a_card_that_is_written_again_is_new(card_path):
    card = {**read_checkpoint(card_path).card, "note": (1, {2: "tuples and numbers as keys"})}
    assert read_checkpoint(write_checkpoint(card_path, TENSORS, card)).card["note"][0] == 1


def test_tensors_that_share_memory_or_are_not_contiguous_are_stored(tmp_path):
    shared = torch.arange(6.0).reshape(2, 3)
    write_checkpoint(tmp_path, {"a": shared, "b": shared.T, "c": nn.Parameter(shared)}, {})
    torch.testing.assert_close(read_checkpoint(tmp_path).tensors["b"], shared.T)


# --- damage


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_any_flipped_bit_of_the_weights_is_found(card_path, position, bit):
    weights = weights_of(card_path)
    whole = weights.read_bytes()
    damaged = bytearray(whole)
    damaged[position % len(whole)] ^= 1 << bit
    weights.write_bytes(damaged)
    with pytest.raises(ArtifactError, match="cut off or changed"):
        read_checkpoint(card_path)
    weights.write_bytes(whole)


@pytest.mark.parametrize("length", [0, 1, 8, 100, -1])
def test_weights_cut_off_are_found(card_path, length):
    weights = weights_of(card_path)
    weights.write_bytes(weights.read_bytes()[:length])
    with pytest.raises(ArtifactError, match="SHA-256"):
        read_checkpoint(card_path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"format": "1"}', '{"format": 1}', "[" * 100_000, "\x00", '{"format": 99}']
)
def test_a_card_that_is_none_is_refused(card_path, text):
    card_path.write_text(text)
    with pytest.raises(ArtifactError, match=r"model\.json"):
        read_checkpoint(card_path)


@pytest.mark.parametrize(
    "name",
    [
        "../elsewhere.safetensors",
        "/etc/passwd",
        "a/b.safetensors",
        "",
        "..",
        "a\0.safetensors",
        "x" * 300 + ".safetensors",
        3,
        None,
    ],
)
def test_a_card_cannot_name_weights_outside_its_folder(card_path, name):
    change_card(card_path, weights=name)
    with pytest.raises(ArtifactError, match="without weights"):
        read_checkpoint(card_path)


@pytest.mark.parametrize(
    "changes", [{"targets": ["Nodule", "Mass"]}, {"seed": 1}, {"note": "naive"}, {"card_sha256": None}]
)
def test_any_change_of_the_card_is_found(card_path, changes):
    card = {**json.loads(card_path.read_text()), **changes}
    card_path.write_text(json.dumps(card))
    with pytest.raises(ArtifactError, match=r"model\.json.*changed after it was written"):
        read_checkpoint(card_path)


def test_the_layout_of_a_card_does_not_matter_and_older_cards_lack_the_digest(card_path):
    card = json.loads(card_path.read_text())
    card_path.write_text(json.dumps(card, sort_keys=True))
    assert read_checkpoint(card_path).card == card
    del card["card_sha256"]
    card_path.write_text(json.dumps(card))
    assert read_checkpoint(card_path).card == card


@pytest.mark.parametrize("version", [0, 2, 99])
def test_a_card_of_another_format_is_refused_before_its_weights_are_opened(card_path, version):
    weights_of(card_path).unlink()
    change_card(card_path, format=version)
    with pytest.raises(ArtifactError, match=r"format .*upgrade plainfilm"):
        read_checkpoint(card_path)


@pytest.mark.parametrize("missing", ["model.json", "model.safetensors"])
def test_a_missing_file_is_named(card_path, missing):
    (card_path.parent / missing).unlink()
    with pytest.raises(ArtifactError, match=missing):
        read_checkpoint(card_path.parent)


class Malicious:
    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.sentinel,)


@pytest.mark.parametrize("with_digest", [True, False])
def test_a_pickle_named_safetensors_is_refused_and_not_run(card_path, tmp_path, with_digest):
    sentinel = tmp_path / "ran"
    blob = pickle.dumps(Malicious(sentinel))
    weights_of(card_path).write_bytes(blob)
    if with_digest:
        change_card(card_path, sha256=sha256(blob).hexdigest())
    with pytest.raises(ArtifactError):
        read_checkpoint(card_path)
    assert not sentinel.exists()
    pickle.loads(blob)
    assert sentinel.exists(), "the pickle would have run"


# --- replacing


def test_a_checkpoint_is_replaced_and_the_old_weights_go(card_path):
    for value in (1.0, 2.0, 3.0, 3.0):
        write_checkpoint(card_path.parent, {"weight": torch.full((2,), value)}, CARD)
        assert read_checkpoint(card_path).tensors["weight"].tolist() == [value, value]
        assert len(list(card_path.parent.iterdir())) == 2


@pytest.mark.parametrize("failing", ["write_bytes", "write_text"])
@pytest.mark.parametrize("before", [0, 1, 2])
def test_a_stop_while_replacing_leaves_the_old_checkpoint_whole(card_path, monkeypatch, failing, before):
    for value in range(before):
        write_checkpoint(card_path.parent, {"weight": torch.full((2,), float(value))}, CARD)
    old = read_checkpoint(card_path)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, failing, stop)
        with pytest.raises(KeyboardInterrupt):
            write_checkpoint(card_path.parent, {"weight": torch.full((2,), 9.0)}, CARD)
    found = read_checkpoint(card_path)
    assert found.card == old.card
    for key, tensor in old.tensors.items():
        torch.testing.assert_close(found.tensors[key], tensor, rtol=0, atol=0)


def test_another_json_file_is_never_overwritten(tmp_path):
    other = tmp_path / "metrics.json"
    other.write_text('{"auroc": 0.5}')
    with pytest.raises(ArtifactError, match=r"metrics\.json"):
        write_checkpoint(other, TENSORS, CARD)
    assert other.read_text() == '{"auroc": 0.5}'


def test_nothing_that_is_not_finite_is_written(tmp_path):
    with pytest.raises(NumericError, match="bias"):
        write_checkpoint(tmp_path, {"bias": torch.tensor([0.0, float("nan")])}, {})
    with pytest.raises(NumericError, match="Write None"):
        write_checkpoint(tmp_path, TENSORS, {"auroc": float("nan")})
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_a_folder_is_a_resource_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError):
        write_checkpoint(tmp_path / "file" / "run", TENSORS, {})


# --- loading into a network


def test_weights_of_another_network_are_refused_with_the_difference():
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    tensors = {**nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(2)).state_dict(), "2.weight": torch.zeros(1)}
    del tensors["1.bias"]
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(ArtifactError) as refused:
        load_strictly(network, tensors, "model.json")
    for part in ("1 missing (1.bias)", "1 unexpected (2.weight)", "0.weight (4, 3) instead of (2, 3)"):
        assert part in refused.value.got
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


def test_the_batch_counters_that_old_files_lack_are_not_missed():
    network, source = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    nn.init.constant_(source.running_mean, 3.0)
    state = source.state_dict()
    del state["num_batches_tracked"]
    load_strictly(network, state, "old.pth")
    assert network.running_mean.tolist() == [3.0, 3.0]
