from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from plainfilm.audit.plan import Plan
from plainfilm.datasets.phantom import Phantom
from plainfilm.errors import InputError, LabelError, ModelError
from plainfilm.models.classifier import Classifier, wrap

Films = Callable[..., Any]
METHODS: dict[str, dict[str, Any]] = {"gradient": {}}


def test_a_plan_takes_all_findings_that_model_and_data_share(model: Classifier, films: Films) -> None:
    data = replace(films(4), findings=("Hernia", "Nodule", "Mass"))
    assert Plan(model, data, METHODS).findings == ("Mass", "Nodule")


def test_findings_can_be_chosen_and_count_once(model: Classifier, films: Films) -> None:
    assert Plan(model, films(4), METHODS, ("Nodule", "Mass", "Nodule")).findings == ("Nodule", "Mass")


def test_pairs_are_what_is_outlined_film_by_film(model: Classifier, films: Films) -> None:
    pairs = Plan(model, films(6), METHODS).pairs
    assert pairs == [(1, "Mass"), (2, "Nodule"), (3, "Mass"), (3, "Effusion"), (5, "Mass")]
    assert Plan(model, films(6), METHODS, ("Nodule",)).pairs == [(2, "Nodule")]


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"findings": ("Mas",)}, ModelError, "Did you mean 'Mass'"),
        ({"methods": {}}, ModelError, "no method"),
        ({"methods": {"grad-can": {}}}, ModelError, "grad-cam"),
        ({"methods": {"gradient": {"steps": 3}}}, ModelError, "setting 'steps'"),
        ({"methods": {"gradient": {"memory": -1}}}, ModelError, "GiB above 0"),
    ],
)
def test_what_is_unknown_is_refused_before_a_film_is_read(
    model: Classifier, films: Films, changes: dict[str, Any], error: type[Exception], words: str
) -> None:
    data = films(4)
    with pytest.raises(error, match=words):
        Plan(**{"model": model, "data": data, "methods": METHODS} | changes)
    assert data.seen == []


def test_a_finding_that_the_data_does_not_know_is_refused(model: Classifier, films: Films) -> None:
    with pytest.raises(LabelError, match="'Effusion', expected one of Mass"):
        Plan(model, replace(films(4), findings=("Mass",)), METHODS, ("Effusion",))


def test_model_and_data_without_a_common_finding_are_refused(model: Classifier, films: Films) -> None:
    with pytest.raises(LabelError, match="Name the model's targets"):
        Plan(model, replace(films(4), findings=("Hernia",)), METHODS)


def test_a_data_set_without_films_is_refused(model: Classifier, films: Films) -> None:
    with pytest.raises(InputError, match="no films"):
        Plan(model, films(0), METHODS)


def test_a_model_of_values_is_refused(model: Classifier, films: Films) -> None:
    values = wrap(model.network, model.targets, 32, output="value")
    with pytest.raises(ModelError, match="a model of values"):
        Plan(values, films(4), METHODS)


def test_an_identity_is_json_and_the_same_twice(model: Classifier, films: Films) -> None:
    first, second = (Plan(model, films(4), METHODS).identity() for _ in range(2))
    assert json.loads(json.dumps(first)) == second


def test_an_identity_changes_with_weights_data_findings_and_methods(model: Classifier, films: Films) -> None:
    plans = [
        Plan(model, films(4), METHODS),
        Plan(model, films(5), METHODS),
        Plan(model, films(4), METHODS, ("Mass",)),
        Plan(model, films(4), {"gradient": {"memory": 1.0}}),
        Plan(model, films(4), {"grad-cam": {}}),
    ]
    found = [json.dumps(plan.identity()) for plan in plans]
    with torch.no_grad():
        model.network.head.bias[0] += 1e-6
    found.append(json.dumps(plans[0].identity()))
    assert len(set(found)) == len(found)


def test_of_phantoms_the_truth_is_exact(model: Classifier, films: Films) -> None:
    assert Plan(model, Phantom(2, 32), METHODS).truth == "the exact masks"
    assert Plan(model, films(4), METHODS).truth == "the annotations of the data"


def test_weights_in_bfloat16_have_an_identity(model: Classifier, films: Films) -> None:
    model.network.to(torch.bfloat16)
    assert len(Plan(model, films(4), METHODS).identity()["weights_sha256"]) == 64
