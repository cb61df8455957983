from __future__ import annotations

import numpy as np
import pytest

from plainfilm.datasets.phantom import DEVICES, Content, Phantom, Shortcut
from plainfilm.datasets.phantom.patient import draw_patient
from plainfilm.errors import InputError
from plainfilm.findings import ALL, NIH, SUPPORT_DEVICES

MANY = 4000


def labels_of(phantom: Phantom) -> np.ndarray:
    return np.array([list(phantom.content(k).labels.values()) for k in range(phantom.n)])


@pytest.fixture(scope="module")
def plain() -> Phantom:
    return Phantom(MANY, seed=3)


def test_labels_name_every_finding_with_zero_or_one(plain: Phantom) -> None:
    labels = plain.content(5).labels
    assert tuple(labels) == ALL
    assert set(labels.values()) <= {0.0, 1.0}


def test_each_finding_is_about_as_common_as_the_prevalence_says(plain: Phantom) -> None:
    # Each in .75 x .16 = .12 of the studies; the limit of three costs about a tenth of that.
    shares = labels_of(plain)[:, : len(NIH)].mean(axis=0)
    assert shares.min() > 0.08
    assert shares.max() < 0.13


def test_no_study_shows_more_than_three_findings_nor_mass_with_nodule(plain: Phantom) -> None:
    labels = labels_of(plain)[:, : len(NIH)]
    assert labels.sum(axis=1).max() == 3
    assert (labels[:, NIH.index("Mass")] * labels[:, NIH.index("Nodule")]).max() == 0


def test_devices_are_more_common_in_bed(plain: Phantom) -> None:
    counts: dict[bool, list[int]] = {True: [], False: []}
    for k in range(plain.n):
        counts[draw_patient(plain.seed, k).is_ap].append(len(plain.content(k).devices))
    assert np.mean(counts[True]) == pytest.approx(4 * 0.12, abs=0.08)
    assert np.mean(counts[False]) == pytest.approx(4 * 0.05, abs=0.04)


def test_being_ill_has_nothing_to_do_with_how_the_film_was_taken(plain: Phantom) -> None:
    # numpy seeds [a, b, 0] as [a, b]: a content drawn from stream 0 would follow the patient.
    is_ap = [draw_patient(plain.seed, k).is_ap for k in range(plain.n)]
    is_ill = [bool(plain.content(k).findings) for k in range(plain.n)]
    assert abs(np.corrcoef(is_ap, is_ill)[0, 1]) < 0.05


@pytest.mark.parametrize("correlation", [-0.5, 0.0, 0.9, 1.0])
def test_a_shortcut_has_the_correlation_it_names(correlation: float) -> None:
    phantom = Phantom(MANY, seed=1, shortcut=Shortcut(correlation=correlation))
    labels = [phantom.content(k).labels for k in range(phantom.n)]
    finding = np.array([row["Pneumothorax"] for row in labels])
    device = np.array([row[SUPPORT_DEVICES] for row in labels])
    assert np.corrcoef(finding, device)[0, 1] == pytest.approx(correlation, abs=0.04)
    assert (finding == device).mean() == pytest.approx((1 + correlation) / 2, abs=0.03)


def test_a_shortcut_draws_no_other_device() -> None:
    phantom = Phantom(300, shortcut=Shortcut(device="pacemaker", finding="Edema"))
    assert {name for k in range(300) for name in phantom.content(k).devices} == {"pacemaker"}


def test_without_tie_and_with_full_tie_other_findings_are_the_same() -> None:
    loose, tied = (Phantom(200, shortcut=Shortcut(correlation=phi)) for phi in (0.0, 1.0))
    assert [loose.content(k).findings for k in range(200)] == [tied.content(k).findings for k in range(200)]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Shortcut(device="stent"),
        lambda: Shortcut(finding="Fracture"),
        lambda: Shortcut(correlation=1.5),
        lambda: Content(("mass",), ()),
        lambda: Phantom(3, size=8),
        lambda: Phantom(3, prevalence=2),
        lambda: Phantom(3).study(0, findings=["Support Devices"]),
        lambda: Phantom(3).study(0, devices=["tube"]),
    ],
)
def test_what_does_not_exist_is_refused(make) -> None:
    with pytest.raises(InputError, match="expected"):
        make()


def test_an_index_outside_the_data_set_is_refused() -> None:
    phantom = Phantom(3)
    assert len(phantom) == 3
    for index in (-1, 3):
        with pytest.raises(IndexError, match=r"data set of 3"):
            phantom.content(index)


def test_every_device_can_be_asked_for() -> None:
    assert set(DEVICES) == {"ET tube", "chest tube", "pacemaker", "ECG leads"}
