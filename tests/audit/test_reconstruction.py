from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from plainfilm.audit.reconstruction import Reconstructing, discriminations, errors, impacts
from plainfilm.datasets.study import Study
from plainfilm.errors import InputError, ModelError
from plainfilm.models.autoencoder import Autoencoder
from plainfilm.models.classifier import wrap
from plainfilm.radiograph import Radiograph

SIZE = 32


class MeanGrey(nn.Module):
    """Two outputs: the mean grey level in [0, 1] and one minus it, whatever the range of the input."""

    def forward(self, images):
        grey = images.mean((1, 2, 3))
        return torch.stack([grey, 1 - grey], 1)


class Dimmed(Autoencoder):
    """Gives back half of the film, in the range [-1024, 1024] with black at its low end."""

    def __init__(self):
        super().__init__(SIZE, blocks=(1,), planes=(1,), strides=(1,), stem=1, top=1)

    def forward(self, images):
        self.spec.check(images)
        return (images - 1024) / 2


@pytest.fixture
def model():
    return wrap(MeanGrey(), ("Mass", "Edema"), SIZE, output="probability")


def study(name, grey, patient=None, **findings):
    pixels = np.full((SIZE, SIZE), grey, np.float32)
    pixels[0] = 0
    return Study(Radiograph(pixels, id=name), findings, patient=patient)


def test_errors_and_predictions_are_those_of_the_reconstruction(model):
    found = Reconstructing(model, Dimmed().eval())
    found.add(study("a", 0.8, Mass=1.0))
    (row,) = found.rows
    filled, mean = SIZE * (SIZE - 1), 0.8 * (SIZE - 1) / SIZE
    assert row["before:Mass"] == pytest.approx(mean, abs=1e-5)
    assert row["after:Mass"] == pytest.approx(mean / 2, abs=1e-5)
    assert row["absolute_error"] == pytest.approx(0.4 * 2048 * filled / SIZE**2, rel=1e-5)
    assert row["squared_error"] == pytest.approx((0.4 * 2048) ** 2 * filled, rel=1e-5)
    spread = 2048**2 * (filled * (0.8 - mean) ** 2 + SIZE * mean**2)
    assert row["explained"] == pytest.approx(1 - row["squared_error"] / spread, rel=1e-4)
    assert row["truth:Mass"] == 1
    np.testing.assert_allclose(found.pairs[0].reconstructed, found.pairs[0].pixels / 2, atol=1e-6)


def test_a_film_of_one_grey_has_no_share_of_variance(model):
    found = Reconstructing(model, Dimmed().eval())
    found.add(Study(Radiograph(np.zeros((SIZE, SIZE), np.float32), id="black")))
    assert np.isnan(found.rows[0]["explained"])
    found.add(study("a", 0.5))
    assert errors(found.table)["explained"].n == 1


def test_films_of_another_size_are_named_before_any_work():
    with pytest.raises(ModelError, match=r"an autoencoder of 32 pixels.*expected 16 pixels"):
        Reconstructing(wrap(MeanGrey(), ("Mass", "Edema"), 16), Dimmed())


def test_a_film_that_is_too_small_leaves_no_trace(model):
    found = Reconstructing(model, Dimmed().eval())
    with pytest.raises(InputError, match="at least 4"):
        found.add(Study(Radiograph(np.zeros((2, 40), np.float32), id="strip")))
    assert not found.rows
    assert not found.pairs


def test_a_network_in_training_mode_is_used_in_evaluation_and_put_back(model):
    network = Autoencoder(SIZE, 0.0, 1.0, (1,), (2,), (1,), stem=2, top=2).train()
    nn.init.zeros_(network.conv1_1.weight)
    nn.init.zeros_(network.conv1_1.weight)  # black films are probabilities to this model
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    Reconstructing(model, network).add(study("a", 0.5))
    assert network.training
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)


def labelled():
    rng = np.random.default_rng(0)
    truth = np.repeat([1.0, 0.0], 20)
    before = np.clip(0.3 + 0.4 * truth + 0.1 * rng.normal(size=40), 0, 1)
    table = pd.DataFrame({"film": range(40), "patient": np.arange(40) // 2, "truth:Mass": truth})
    table["before:Mass"], table["after:Mass"] = before, rng.random(40)
    table["before:Edema"] = table["after:Edema"] = rng.random(40)
    table.loc[3, "truth:Mass"] = np.nan
    return table


def test_table_k1_has_every_label_with_and_without_against_every_target():
    table = labelled()
    rows = impacts(table, ("Mass", "Edema"))
    assert [(r.label, r.present, r.target) for r in rows] == [
        ("Mass", True, "Mass"), ("Mass", True, "Edema"), ("Mass", False, "Mass"), ("Mass", False, "Edema"),
    ]  # fmt: skip
    positive = table[table["truth:Mass"] == 1]
    first = rows[0]
    assert first.before.n == 19
    assert first.before.value == pytest.approx(positive["before:Mass"].mean())
    assert first.after.value == pytest.approx(positive["after:Mass"].mean())
    assert first.difference.value == pytest.approx((positive["after:Mass"] - positive["before:Mass"]).mean())
    assert first.difference.method == "bootstrap of patients"
    assert rows[1].difference.value == 0


def test_films_without_labels_are_one_group():
    table = labelled().drop(columns="truth:Mass")
    rows = impacts(table, ("Mass",))
    assert [(row.label, row.before.n) for row in rows] == [("", 40)]
    assert discriminations(table, ("Mass",)) == []


def test_a_lost_finding_is_told_from_one_that_is_kept():
    table = labelled()
    table["truth:Edema"] = table["truth:Mass"]
    lost, kept = discriminations(table, ("Mass", "Edema"))
    known = table.dropna()
    wanted = [roc_auc_score(known["truth:Mass"], known[f"{kind}:Mass"]) for kind in ("before", "after")]
    assert [lost.before.value, lost.after.value] == pytest.approx(wanted)
    assert lost.difference.value == pytest.approx(wanted[1] - wanted[0])
    assert lost.is_lost
    assert not kept.is_lost
    assert kept.difference.value == 0


def test_a_finding_of_one_class_has_no_area():
    table = labelled()
    table["truth:Mass"] = 1.0
    assert discriminations(table, ("Mass",)) == []
