from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from plainfilm.datasets.phantom import Phantom, Shortcut
from plainfilm.findings import ALL, NIH, SUPPORT_DEVICES

SIZE = 96
LOCAL = ("Mass", "Nodule", "Consolidation", "Pleural_Thickening", "Hernia", "Pneumonia")


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return Phantom(40, size=SIZE, seed=5)


def test_a_study_holds_a_film_with_its_truth(phantom: Phantom) -> None:
    for index in range(15):
        study = phantom[index]
        pixels = study.radiograph.pixels
        assert pixels.shape == (SIZE, SIZE)
        assert pixels.dtype == np.float32
        assert 0 <= pixels.min() < 0.3 < pixels.max() <= 1
        assert tuple(study.findings) == ALL
        assert study.findings == phantom.content(index).labels
        assert set(study.masks) == set(study.present)
        assert all(mask.dtype == bool and mask.any() for mask in study.masks.values())
        assert study.zones.shape == (6,)
        assert 0.1 < study.lungs.mean() < 0.6
        assert study.radiograph.view in ("PA", "AP")
        assert study.radiograph.id == study.patient == f"phantom-5-{index:05d}"


def test_a_study_does_not_depend_on_order_or_on_the_length_of_the_data_set(phantom: Phantom) -> None:
    backwards = {index: phantom[index] for index in (9, 3, 0)}
    other = Phantom(1000, size=SIZE, seed=5)
    for index in (0, 3, 9):
        assert np.array_equal(other[index].radiograph.pixels, backwards[index].radiograph.pixels)
        assert other[index].masks.keys() == backwards[index].masks.keys()


def test_another_seed_is_another_patient(phantom: Phantom) -> None:
    other = Phantom(1, size=SIZE, seed=6)
    assert not np.array_equal(other[0].radiograph.pixels, phantom[0].radiograph.pixels)


def test_explicit_content_equal_to_the_drawn_one_changes_nothing(phantom: Phantom) -> None:
    index = next(k for k in range(40) if len(phantom.content(k).findings) > 1)
    content = phantom.content(index)
    shuffled = phantom.study(index, findings=content.findings[::-1], devices=content.devices)
    assert np.array_equal(shuffled.radiograph.pixels, phantom[index].radiograph.pixels)


@pytest.mark.parametrize("name", LOCAL)
def test_a_local_finding_changes_its_mask_and_hardly_anything_else(phantom: Phantom, name: str) -> None:
    inside, outside, covered = [], [], []
    for index in range(6):
        with_it, without = (phantom.study(index, names, []) for names in ([name], []))
        change = np.abs(with_it.radiograph.pixels - without.radiograph.pixels)
        near = ndimage.binary_dilation(with_it.masks[name], iterations=5)
        inside.append(change[with_it.masks[name]].mean())
        outside.append(change[~near].mean())
        covered.append(change[near].sum() / change.sum())
    assert np.median(inside) > 0.025
    assert max(outside) < 0.006
    # The rest is what any dense thing does to a film: less scatter and another window.
    assert np.median(covered) > 0.4


def test_without_findings_two_studies_of_a_patient_are_the_same_film(phantom: Phantom) -> None:
    first, second = (phantom.study(4, [], []) for _ in range(2))
    assert np.array_equal(first.radiograph.pixels, second.radiograph.pixels)
    assert not first.masks
    assert first.present == ()


def test_a_finding_keeps_its_mask_when_another_joins_it(phantom: Phantom) -> None:
    for index in range(4):
        alone = phantom.study(index, ["Nodule"], []).masks["Nodule"]
        joined = phantom.study(index, ["Nodule", "Effusion", "Pneumonia"], ["pacemaker"]).masks["Nodule"]
        assert np.array_equal(alone, joined)


def test_the_patient_keeps_its_lungs_whatever_the_devices(phantom: Phantom) -> None:
    plain, wired = (phantom.study(2, [], devices) for devices in ([], ["ECG leads", "ET tube"]))
    assert np.array_equal(plain.lungs, wired.lungs)
    assert wired.findings[SUPPORT_DEVICES] == 1
    assert set(wired.masks) == {SUPPORT_DEVICES}


def test_a_subtle_finding_is_fainter_than_its_usual_self_and_its_device_is_not() -> None:
    usual, subtle = Phantom(12, size=SIZE), Phantom(12, size=SIZE, shortcut=Shortcut())

    def contrast(phantom: Phantom, findings: list[str], devices: list[str]) -> float:
        changes = []
        for index in range(12):
            shown = phantom.study(index, findings, devices).radiograph.pixels
            changes.append(np.abs(shown - phantom.study(index, [], []).radiograph.pixels).sum())
        return float(np.median(changes))

    assert contrast(subtle, ["Pneumothorax"], []) < 0.5 * contrast(usual, ["Pneumothorax"], [])
    assert contrast(subtle, [], ["chest tube"]) == contrast(usual, [], ["chest tube"])


def test_every_finding_is_drawn_sooner_or_later() -> None:
    phantom = Phantom(400)
    drawn = {name for index in range(400) for name in phantom.content(index).findings}
    assert drawn == set(NIH)
