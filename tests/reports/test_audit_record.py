from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import nn

from plainfilm.audit.measures import FIDELITY
from plainfilm.audit.plan import Plan
from plainfilm.audit.run import run
from plainfilm.audit.summary import summarise
from plainfilm.datasets.phantom import Phantom
from plainfilm.models.classifier import wrap
from plainfilm.reports.audit_record import audit_facts, audit_record


@pytest.fixture(scope="module")
def plan() -> Plan:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3, 2), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 2))
    model = wrap(network.eval(), ("Mass", "Effusion"), 32)
    return Plan(model, Phantom(12, 32, 3, 0.6), {"gradient": {}})


@pytest.fixture(scope="module")
def record(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    results = run(plan, tmp_path_factory.mktemp("audit"), lambda *_: None, lambda *_: None)
    return audit_record(plan, results, summarise(results, plan.findings))


def test_a_record_is_json_without_numbers_that_are_not_finite(record: Mapping[str, Any]) -> None:
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_a_record_names_what_was_audited(plan: Plan, record: Mapping[str, Any]) -> None:
    assert (record["films"], record["patients"], record["findings"]) == (12, 12, ["Mass", "Effusion"])
    assert plan.identity().items() <= record.items()
    assert record["excluded"] == []


def test_headings_are_not_mixed(record: Mapping[str, Any]) -> None:
    method = record["explanations"]["methods"]["gradient"]
    assert set(method["plausibility"]) == {"best_case_iou", "hit", "mass_inside", "rank_inside"}
    assert set(method["fidelity"]) == set(FIDELITY)
    assert not set(method["fidelity"]) & set(method["plausibility"])
    assert set(method["plausibility"]["hit"]) >= {"value", "low", "high", "p_value", "n", "caution"}


def test_smaller_tables_hold_the_measures_that_they_were_made_of(record: Mapping[str, Any]) -> None:
    finding = next(iter(record["by_finding"].values()))["methods"]["gradient"]
    assert finding.keys() == {"knows_nothing", "flat", "plausibility", "fidelity"}
    stratum = next(iter(record["strata"].values()))["methods"]["centre prior"]
    assert stratum.keys() == {"knows_nothing", "flat", "plausibility"}
    assert stratum["knows_nothing"]
    assert stratum["plausibility"]["best_case_iou"]["p_value"] is None


def test_performance_has_points_of_a_reliability_diagram(record: Mapping[str, Any]) -> None:
    row = record["performance"][0]
    assert row["finding"] == "Mass"
    assert sum(each["films"] for each in row["reliability"]) == 12


def test_facts_name_weights_data_settings_and_cost(plan: Plan) -> None:
    facts = audit_facts(plan, "plainfilm audit", 12.34)
    assert facts["Command"] == "plainfilm audit"
    assert facts["Tensors SHA-256"] == plan.identity()["weights_sha256"]
    assert facts["Data fingerprint"] == plan.data.fingerprint()
    assert facts["Settings of gradient"].startswith("memory 2.0")
    assert facts["Seconds"] == "12.3 in the last run"
