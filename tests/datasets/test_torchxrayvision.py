"""Both ways between our studies and torchxrayvision's own data sets, on real films and phantoms."""

from __future__ import annotations

import random

import numpy as np
import pandas as pd
import pytest
import torch

from plainfilm.datasets.annotations import Annotation, annotation_table
from plainfilm.datasets.manifest import Manifest
from plainfilm.datasets.phantom import Phantom
from plainfilm.datasets.torchxrayvision import from_torchxrayvision, to_torchxrayvision
from plainfilm.errors import InputError, LabelError
from plainfilm.io.read import read

SIZE = (24, 32)


@pytest.fixture(scope="module")
def xrv():
    return pytest.importorskip("torchxrayvision")


@pytest.fixture(scope="module")
def nih(xrv, real_data, tmp_path_factory):
    """torchxrayvision's reader on the real films of full size."""
    folder = real_data / "nih" / "images_1024"
    table = pd.read_csv(real_data / "nih" / "Data_Entry_2017_v2020.subset.csv")
    here = table[[(folder / name).is_file() for name in table["Image Index"]]]
    path = tmp_path_factory.mktemp("nih") / "here.csv"
    here.to_csv(path, index=False)
    return xrv.datasets.NIH_Dataset(
        str(folder), str(path), views=["*"], unique_patients=False, pathology_masks=True
    )


@pytest.fixture
def manifest(tmp_path):
    """Two films with a box and a mask, one of them of known sex and age."""
    drawn = annotation_table([
        Annotation("a", "Mass", "box", [4, 6, 8, 10]),
        Annotation("a", "Edema", "polygon", [[[0, 0], [9, 0], [9, 9], [0, 9]]]),
        Annotation("b", "Lungs", "polygon", [[[2, 2], [20, 2], [20, 20], [2, 20]]]),
    ])  # fmt: skip
    for number, name in enumerate("ab"):
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(number).random(SIZE, np.float32))
    films = pd.DataFrame({
        "film": ["a", "b"], "path": ["a.npy", "b.npy"], "patient": ["P1", "P2"], "sex": ["F", ""],
        "age": [40.0, np.nan], "view": ["PA", ""],
        "finding:Mass": [1.0, np.nan], "finding:Edema": [1.0, 0.0], "finding:Cyst": [0.0, 1.0],
    })  # fmt: skip
    return Manifest("two", tmp_path, films, drawn)


def drawn(left, top, width, height):
    mask = np.zeros(SIZE, bool)
    mask[top : top + height, left : left + width] = True
    return mask


def flip_or_not(array):
    return array[..., ::-1] if random.random() + np.random.random() + float(torch.rand(1)) > 1.5 else array


def test_films_of_torchxrayvision_are_the_files_in_zero_to_one(nih, real_data):
    studies = from_torchxrayvision(nih)
    assert len(studies) == len(nih) >= 30
    for index in (0, 1):
        file = read(real_data / "nih" / "images_1024" / nih.csv["Image Index"].iloc[index])
        np.testing.assert_allclose(studies[index].radiograph.pixels, file.pixels, atol=1e-6)


def test_labels_patients_and_attributes_are_those_of_torchxrayvision(nih):
    studies = from_torchxrayvision(nih)
    np.testing.assert_array_equal(studies.labels(), nih.labels)
    reversed_names = studies.findings[::-1]
    np.testing.assert_array_equal(studies.labels(reversed_names), nih.labels[:, ::-1])
    assert studies.patients == tuple(nih.csv["Patient ID"].astype(str))
    study, row = studies[0], nih.csv.iloc[0]
    assert list(study.findings.values()) == nih.labels[0].tolist()
    assert study.attributes["view"] == row["View Position"]
    assert (study.attributes["sex"], study.attributes["age"]) == (row["Patient Gender"], row["Patient Age"])


def test_masks_of_torchxrayvision_arrive_by_name_and_binary(nih):
    studies = from_torchxrayvision(nih)
    index = int(np.flatnonzero(nih.csv["has_masks"])[0])
    ours, theirs = studies[index].masks, nih[index]["pathology_masks"]
    assert {nih.pathologies.index(name) for name in ours} == set(theirs)
    for name, mask in ours.items():
        assert mask.dtype == bool
        np.testing.assert_array_equal(mask, theirs[nih.pathologies.index(name)][0] == 1)


def test_masks_that_torchxrayvision_smoothed_are_binary_again(xrv, nih):
    small = xrv.datasets.SubsetDataset(nih, np.flatnonzero(nih.csv["has_masks"])[:1])
    nih.transform = xrv.datasets.XRayResizer(96)
    try:
        smooth = next(iter(small[0]["pathology_masks"].values()))
        study = from_torchxrayvision(small)[0]
    finally:
        nih.transform = None
    (mask,) = study.masks.values()
    assert len(np.unique(smooth)) > 2
    assert mask.shape == study.radiograph.size == (96, 96)
    assert abs(mask.sum() - smooth.sum()) < 0.15 * smooth.sum()


def test_film_keys_change_with_pixels_alone(manifest):
    one, other = (from_torchxrayvision(to_torchxrayvision(manifest)) for _ in range(2))
    assert one.film_keys() == other.film_keys()
    assert len(set(one.film_keys())) == 2


def test_images_beyond_the_range_or_of_another_shape_are_refused():
    samples = [np.zeros((3, 4, 4)), np.full((1, 4, 4), 2000.0), np.full((1, 4, 4), np.nan)]

    class Wrong(list):
        pathologies, labels, csv = ["Mass"], np.zeros((3, 1)), pd.DataFrame(index=range(3))

    studies = from_torchxrayvision(Wrong({"img": img, "lab": [0.0]} for img in samples))
    for index, message in enumerate([r"shape \(3, 4, 4\)", r"\[-1024, 1024\]", r"\[-1024, 1024\]"]):
        with pytest.raises(InputError, match=message):
            studies[index]
    with pytest.raises(LabelError, match="finding 'Edema'"):
        studies.labels(["Edema"])


def test_labels_that_do_not_match_the_names_are_refused():
    class Wrong(list):
        pathologies, labels = ["Mass", "Mass"], np.zeros((2, 2))

    with pytest.raises(LabelError, match="each name once"):
        from_torchxrayvision(Wrong([0, 0]))


def test_a_sample_is_what_torchxrayvision_gives(manifest):
    found = to_torchxrayvision(manifest)
    assert found.pathologies == ["Mass", "Edema", "Cyst"]
    sample = found[0]
    assert sample["idx"] == 0
    assert sample["img"].shape == (1, *SIZE)
    assert sample["img"].dtype == np.float32
    np.testing.assert_allclose(sample["img"][0], (2 * np.load(manifest.path(0)) - 1) * 1024, atol=1e-3)
    np.testing.assert_array_equal(sample["lab"], [1, 1, 0])
    np.testing.assert_array_equal(found[1]["lab"], [np.nan, 0, 1])
    assert set(sample["pathology_masks"]) == {0, 1}
    np.testing.assert_array_equal(sample["pathology_masks"][0][0], drawn(4, 6, 8, 10))
    np.testing.assert_array_equal(sample["pathology_masks"][1][0], drawn(0, 0, 10, 10))
    np.testing.assert_array_equal(found[1]["semantic_masks"]["Lungs"][0], drawn(2, 2, 19, 19))


def test_the_table_has_the_columns_that_torchxrayvision_shares(manifest):
    table = to_torchxrayvision(manifest).csv
    assert table["patientid"].tolist() == ["P1", "P2"]
    assert table["sex_female"].tolist() == [True, False]
    assert table["sex_male"].tolist() == [False, False]
    assert table["age_years"].iloc[0] == 40


def test_there_and_back_is_the_same_study(manifest):
    again = from_torchxrayvision(to_torchxrayvision(manifest))
    np.testing.assert_array_equal(again.labels(), manifest.labels())
    assert again.patients == manifest.patients
    for index in range(2):
        one, other = manifest[index], again[index]
        np.testing.assert_allclose(other.radiograph.pixels, one.radiograph.pixels, atol=1e-6)
        np.testing.assert_array_equal(list(other.findings.values()), list(one.findings.values()))
        np.testing.assert_array_equal(other.lungs, one.lungs)
        assert other.masks.keys() == one.masks.keys() | one.boxes.keys()


def test_relabelling_reorders_labels_and_masks(xrv, manifest):
    found = to_torchxrayvision(manifest)
    xrv.datasets.relabel_dataset(["Edema", "Hernia", "Mass"], found, silent=True)
    np.testing.assert_array_equal(found[0]["lab"], [1, np.nan, 1])
    assert set(found[0]["pathology_masks"]) == {0, 2}
    np.testing.assert_array_equal(found[0]["pathology_masks"][2][0], drawn(4, 6, 8, 10))


def test_torchxrayvision_merges_filters_and_cuts_ours_with_its_own(xrv, nih, manifest):
    ours = to_torchxrayvision(manifest)
    theirs = xrv.datasets.SubsetDataset(nih, range(3))
    names = ["Mass", "Edema"]
    xrv.datasets.relabel_dataset(names, ours, silent=True)
    theirs = SimpleTheirs(theirs, names)
    merged = xrv.datasets.Merge_Dataset([ours, theirs])
    assert len(merged) == 5
    assert merged.csv["patientid"].tolist()[:2] == ["P1", "P2"]
    np.testing.assert_array_equal(merged[1]["lab"], [np.nan, 0])
    assert merged[4]["img"].shape == (1, 1024, 1024)
    assert "num_samples=2 of Manifest" in merged.string()
    masses = xrv.datasets.FilterDataset(ours, ["Mass"])
    assert len(masses) == 1
    np.testing.assert_array_equal(masses[0]["img"], ours[0]["img"])
    assert from_torchxrayvision(merged).labels(["Edema"])[1] == 0


class SimpleTheirs:
    """A subset of theirs, relabelled by hand: torchxrayvision forbids it on its own subsets."""

    def __init__(self, dataset, names):
        self.dataset, self.pathologies, self.csv = dataset, names, dataset.csv
        self.labels = dataset.labels[:, [dataset.pathologies.index(name) for name in names]]
        self.string = dataset.string

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        return self.dataset[index]


def test_a_random_transform_moves_masks_with_their_image_and_reseeds_nothing(manifest):
    plain, random_one = to_torchxrayvision(manifest), to_torchxrayvision(manifest, transform=flip_or_not)
    flipped = 0
    for _ in range(12):
        moved = random_one[0]
        same = np.array_equal(moved["img"], plain[0]["img"])
        flipped += not same
        for index, mask in plain[0]["pathology_masks"].items():
            np.testing.assert_array_equal(moved["pathology_masks"][index], mask if same else mask[..., ::-1])
    assert 0 < flipped < 12


def test_the_generators_go_on_as_after_the_image_alone(manifest):
    states = []
    for masks in (True, False):
        random.seed(1), np.random.seed(1), torch.manual_seed(1)
        to_torchxrayvision(manifest, transform=flip_or_not, masks=masks)[0]
        states.append((random.random(), np.random.random(), float(torch.rand(1))))
    assert states[0] == states[1]


def test_their_resizer_resizes_ours_and_masks_stay_binary(xrv, manifest):
    sample = to_torchxrayvision(manifest, transform=xrv.datasets.XRayResizer(16))[0]
    assert sample["img"].shape == (1, 16, 16)
    assert abs(sample["img"]).max() <= 1024
    for mask in sample["pathology_masks"].values():
        assert mask.shape == (1, 16, 16)
        assert set(np.unique(mask)) == {0, 1}


def test_without_masks_a_loader_batches_phantoms():
    found = to_torchxrayvision(Phantom(3, size=32), ["Edema", "Mass"], masks=False)
    batch = next(iter(torch.utils.data.DataLoader(found, batch_size=3)))
    assert batch["img"].shape == (3, 1, 32, 32)
    assert batch["lab"].shape == (3, 2)
    assert found.csv["patientid"].nunique() == 3


def test_an_unknown_finding_is_refused(manifest):
    with pytest.raises(LabelError, match="finding 'Hernia'"):
        to_torchxrayvision(manifest, ["Hernia"])
