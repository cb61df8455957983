"""CheXlocalize, by the sample of its release and by files made here."""

from __future__ import annotations

import gzip
import io
import json
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from plainfilm.datasets.annotations import masks_on
from plainfilm.datasets.manifest import FINDING
from plainfilm.datasets.readers.chexlocalize import TASKS, load_heatmap, read_chexlocalize
from plainfilm.errors import ArtifactError, InputError, LabelError
from plainfilm.findings import canonical
from plainfilm.masks.rle import encode_rle
from plainfilm.masks.threshold import otsu_mask

FILM = "patient64541_study1_view1_frontal"
SIZES = {FILM: (2320, 2828), "patient64542_study1_view1_frontal": (2022, 2021)}


@pytest.fixture(scope="module")
def sample(real_data) -> Path:
    return real_data / "chexlocalize"


@pytest.fixture(scope="module")
def golden(sample) -> pd.DataFrame:
    table = pd.read_csv(sample / "golden_iou.csv")
    return table.assign(finding=[canonical(task) for task in table["task"]])


def gradcam(sample: Path, **options):
    return read_chexlocalize(
        sample, source="gradcam", shapes=sample / "gradcam_segmentations_val_sample.json", **options
    )


def masks(manifest, film: str) -> dict[str, np.ndarray]:
    rows = manifest.annotations[manifest.annotations["film"] == film]
    return masks_on(rows, SIZES[film], manifest.root)


def write(folder: Path, name: str, content) -> Path:
    (folder / name).write_text(json.dumps(content))
    return folder


def test_the_sample_has_the_findings_of_its_label_table(sample):
    found = read_chexlocalize(sample)
    assert found.ids == tuple(SIZES)
    assert found.films["view"].tolist() == ["AP", "PA"]
    assert found.films["split"].tolist() == ["validation", "validation"]
    assert found.outlined() == [
        ("Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity"), ("Support Devices",),
    ]  # fmt: skip
    for film, names in zip(range(2), found.outlined(), strict=True):
        present = {name for name in TASKS if found.films.loc[film, FINDING + name] == 1}
        assert present == set(names)


def test_polygons_and_run_lengths_of_the_sample_are_the_same_masks(sample, golden):
    drawn, lengths = (read_chexlocalize(sample, kind=kind) for kind in ("polygon", "rle"))
    for film in SIZES:
        polygons, runs = masks(drawn, film), masks(lengths, film)
        assert polygons.keys() == runs.keys()
        for name, mask in runs.items():
            np.testing.assert_array_equal(polygons[name], mask)
            row = golden[(golden["image"] == film) & (golden["finding"] == name)]
            assert mask.sum() == row["gt_pixels"].item()


def test_gradcam_overlaps_the_experts_as_published(sample, golden):
    machine, expert = gradcam(sample), read_chexlocalize(sample)
    assert set(machine.annotations["reader"]) == {"gradcam"}
    assert set(expert.annotations["reader"]) == {""}
    for film in SIZES:
        predicted, truth = masks(machine, film), masks(expert, film)
        for name, mask in truth.items():
            row = golden[(golden["image"] == film) & (golden["finding"] == name)]
            overlap = (predicted[name] & mask).sum() / (predicted[name] | mask).sum()
            assert overlap == pytest.approx(row["iou"].item(), abs=1e-4)


def test_both_means_can_be_had_of_one_manifest(sample, golden):
    """Positive films alone have shapes; the label 0 says that the rest have an empty truth."""
    found = read_chexlocalize(sample)
    labels = found.labels(TASKS)
    assert not np.isnan(labels).any()
    drawn = set(zip(found.annotations["film"], found.annotations["finding"], strict=True))
    empty = {(row.image, row.finding) for row in golden.itertuples() if row.gt_pixels == 0}
    assert len(drawn) == 4
    assert len(empty) == 16
    assert drawn.isdisjoint(empty)
    absent = {(found.ids[i], TASKS[k]) for i, k in np.argwhere(labels == 0)}
    assert absent == empty


def test_without_a_table_the_experts_shapes_are_the_labels(sample, tmp_path):
    for name in ("gt_segmentations_val.json", "gt_annotations_val.json"):
        (tmp_path / name).write_bytes((sample / name).read_bytes())
    with_table = read_chexlocalize(sample)
    for kind in ("rle", "polygon"):
        found = read_chexlocalize(tmp_path, kind=kind)
        assert found.findings == TASKS
        np.testing.assert_array_equal(found.labels(), with_table.labels(TASKS))
        assert found.patients == with_table.patients
    machine = read_chexlocalize(
        tmp_path, source="gradcam", shapes=sample / "gradcam_segmentations_val_sample.json"
    )
    assert np.isnan(machine.labels()).all()


def test_height_comes_before_width_in_every_json_file(sample):
    for found in (read_chexlocalize(sample), read_chexlocalize(sample, kind="polygon"), gradcam(sample)):
        drawn = found.annotations.drop_duplicates("film").set_index("film")
        assert {film: (row["height"], row["width"]) for film, row in drawn.iterrows()} == SIZES
    polygons = read_chexlocalize(sample, kind="polygon").annotations
    for row in polygons.itertuples():
        corners = np.concatenate([np.asarray(ring) for ring in json.loads(row.shape)])
        assert (corners.max(0) <= (row.width, row.height)).all()


def test_the_layout_of_the_release_is_found(tmp_path):
    """Films, tables and shapes in the folders of the release, test part."""
    mask = np.zeros((6, 8), bool)
    mask[2:4, 1:3] = True
    entry = {
        "Airspace Opacity": {"size": [6, 8], "counts": encode_rle(mask)},
        "Edema": {"size": [6, 8], "counts": encode_rle(~mask | mask)},
        "Pleural Effusion": {"size": [6, 8], "counts": encode_rle(mask & ~mask)},
    }
    films = tmp_path / "CheXpert" / "test" / "patient64741" / "study1"
    films.mkdir(parents=True)
    Image.new("L", (8, 6), 120).save(films / "view1_frontal.jpg")
    labels = dict.fromkeys([*TASKS[:8], "Pneumonia", "Pleural Effusion", "Pleural Other", "Fracture"], 0)
    labels["Support Devices"] = 0
    rows = [
        {
            "Path": f"test/patient6474{k}/study1/view1_frontal.jpg",
            **labels,
            "Support Devices": 0,
            "Lung Opacity": 1 - k % 2,
        }
        for k in (2, 1)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "CheXpert" / "test_labels.csv", index=False)
    (tmp_path / "CheXlocalize").mkdir()
    name = "gt_segmentations_test.json"
    write(tmp_path / "CheXlocalize", name, {"patient64741_study1_view1_frontal": entry})
    found = read_chexlocalize(tmp_path, part="test")
    assert found.films["split"].tolist() == ["test", "test"]
    assert found.outlined() == [(), ("Lung Opacity", "Edema")]
    study = found[1]
    np.testing.assert_array_equal(study.masks["Lung Opacity"], mask)
    assert study.masks["Edema"].all()
    assert study.findings["Effusion"] == 0


def test_a_packed_file_is_the_same(sample, tmp_path):
    packed = tmp_path / "gt_annotations_val.json.gz"
    packed.write_bytes(gzip.compress((sample / "gt_annotations_val.json").read_bytes()))
    found = read_chexlocalize(tmp_path, kind="polygon", table=sample / "valid.csv")
    pd.testing.assert_frame_equal(found.annotations, read_chexlocalize(sample, kind="polygon").annotations)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "another content"),
        ({FILM: {"Hernia": {"size": [2, 2], "counts": "4"}}}, "Hernia"),
        ({FILM: {"Edema": {"counts": "4"}}}, "size"),
        ({FILM: {"Edema": {"size": [2], "counts": "4"}}}, "Edema"),
        ({"a_film": {"Edema": {"size": [2, 2], "counts": "4"}}}, "patient00001"),
    ],
)
def test_json_of_another_content_is_refused(tmp_path, content, message):
    with pytest.raises(LabelError, match=message):
        read_chexlocalize(write(tmp_path, "gt_segmentations_val.json", content))


def test_what_is_missing_damaged_or_unknown_is_refused(sample, tmp_path):
    with pytest.raises(InputError, match=r"hb_annotations_test\.json"):
        read_chexlocalize(tmp_path, "test", "benchmark", "polygon")
    (tmp_path / "gt_segmentations_val.json").write_text('{"patient')
    with pytest.raises(InputError, match="JSON"):
        read_chexlocalize(tmp_path)
    for options in ({"part": "valid"}, {"source": "gt"}, {"kind": "box"}):
        with pytest.raises(LabelError, match="one of"):
            read_chexlocalize(sample, **options)
    other = tmp_path / "other.csv"
    table = pd.read_csv(sample / "valid.csv").iloc[:1]
    table.to_csv(other, index=False)
    with pytest.raises(LabelError, match="patient64542"):
        read_chexlocalize(sample, table=other)


def heatmap(sample: Path, stem: str) -> dict:
    """What the authors' pickle of one map holds; the radiograph itself is made up."""
    stored = np.load(sample / "gradcam_npz" / f"{stem}.npz")
    return {
        "map": torch.from_numpy(stored["map"])[None, None],
        "prob": np.float64(stored["prob"]),
        "task": str(stored["task"]),
        "gt": int(stored["gt"]),
        "cxr_img": torch.zeros(3, 320, 320),
        "cxr_dims": tuple(stored["cxr_dims"].tolist()),
    }


def test_a_heat_map_makes_the_published_mask(sample, tmp_path):
    published = {film: masks(gradcam(sample), film) for film in SIZES}
    files = sorted((sample / "gradcam_npz").glob("*.npz"))
    assert len(files) == 20
    for file in files[::4]:
        (tmp_path / "map.pkl").write_bytes(pickle.dumps(heatmap(sample, file.stem)))
        found = load_heatmap(tmp_path / "map.pkl")
        film = file.stem[: len(FILM)]
        # cxr_dims is width first, unlike img_size.
        assert found.size == SIZES[film]
        large = torch.nn.functional.interpolate(
            torch.from_numpy(found.map)[None, None], found.size, mode="bilinear", align_corners=False
        )
        levels = ((large - large.min()) / (large.max() - large.min()) * 255).to(torch.uint8)[0, 0].numpy()
        # Rounding in the resize may move a pixel across the threshold.
        assert (otsu_mask(levels) != published[film][found.finding]).sum() <= 3


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_a_heat_map_is_read_from_every_protocol_with_bytes(tmp_path, protocol):
    content = {
        "map": torch.arange(4.0).reshape(1, 1, 2, 2),
        "prob": 0.25,
        "task": "Pleural Effusion",
        "gt": 1,
    }
    path = tmp_path / "map.pkl"
    path.write_bytes(pickle.dumps({**content, "cxr_dims": (5, 7)}, protocol))
    found = load_heatmap(path)
    np.testing.assert_array_equal(found.map, [[0, 1], [2, 3]])
    assert (found.finding, found.size, found.probability, found.label) == ("Effusion", (7, 5), 0.25, 1)


class Attack:
    """Its pickle would write a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


def test_a_heat_map_that_would_run_code_is_refused(tmp_path):
    sentinel = tmp_path / "sentinel"
    hidden = io.BytesIO()
    torch.save(Attack(sentinel), hidden, _use_new_zipfile_serialization=False)

    class Nested:
        """Its pickle hides another within the bytes of a tensor."""

        def __reduce__(self):
            return torch.storage._load_from_bytes, (hidden.getvalue(),)

    for content in (Attack(sentinel), {"map": Nested()}, {"map": OrderedDict(a=Attack(sentinel))}):
        (tmp_path / "map.pkl").write_bytes(pickle.dumps(content))
        with pytest.raises(ArtifactError, match="Nothing was run"):
            load_heatmap(tmp_path / "map.pkl")
    assert not sentinel.exists()


def test_a_damaged_or_missing_heat_map_is_refused(tmp_path):
    path = tmp_path / "map.pkl"
    with pytest.raises(InputError):
        load_heatmap(path)
    whole = pickle.dumps({"map": torch.zeros(2, 2), "cxr_dims": (2, 2), "task": "Edema", "prob": 0, "gt": 0})
    for blob in (b"", b"text", whole[:40], whole[:-60], pickle.dumps([1]), pickle.dumps({"map": 1})):
        path.write_bytes(blob)
        with pytest.raises(ArtifactError):
            load_heatmap(path)
