from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from plainfilm.datasets.annotations import Annotation, annotation_table
from plainfilm.datasets.checking import check, label_counts
from plainfilm.datasets.manifest import Manifest
from plainfilm.errors import InputError, LabelError
from plainfilm.io.content import content_hash

ORIENTATION = 274  # of EXIF


def film(seed: int) -> np.ndarray:
    """A bright column between dark ones: as dense in the middle as a chest."""
    noise = np.random.default_rng(seed).integers(0, 40, (64, 80), dtype=np.uint8)
    return noise + np.where(abs(np.arange(80) - 40) < 12, 200, 40).astype(np.uint8)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Six films, each with another story."""
    for k, name in enumerate(("sound", "inverted", "annotated")):
        pixels = film(k)
        Image.fromarray(255 - pixels if name == "inverted" else pixels).save(tmp_path / f"{name}.png")
    Image.fromarray(np.full((64, 80), 7, np.uint8)).save(tmp_path / "flat.png")
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.fromarray(np.rot90(film(4)).copy()).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    (tmp_path / "copy.png").write_bytes((tmp_path / "sound.png").read_bytes())
    return tmp_path


def manifest(folder: Path, *annotations: Annotation, **columns) -> Manifest:
    paths = sorted(path.name for path in folder.iterdir())
    films = pd.DataFrame({"film": [Path(path).stem for path in paths], "path": paths})
    return Manifest("ours", folder, films.assign(**columns), annotation_table(annotations))


def test_every_film_is_hashed_and_measured(folder):
    films = check(manifest(folder)).manifest.films.set_index("film")
    assert films.loc["sound", "sha256"] == content_hash(folder / "sound.png")
    assert films.loc["sound", ["height", "width"]].tolist() == [64, 80]
    assert films.loc["turned", ["height", "width"]].tolist() == [64, 80]


def test_what_is_odd_is_listed_and_kept(folder):
    drawn = Annotation("annotated", "Mass", "box", [0, 0, 9, 9], (128, 160))
    stray = Annotation("elsewhere", "Mass", "box", [0, 0, 9, 9])
    checked = check(manifest(folder, drawn, stray))
    assert len(checked.manifest) == 6
    assert checked.constant == ("flat",)
    assert checked.inverted == ("inverted",)
    assert checked.turned == ("turned",)
    assert checked.resized == ("annotated",)
    assert checked.duplicates == (("copy", "sound"),)
    assert checked.stray == 1
    assert not checked.errors
    assert checked.leak is None


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "0 bytes"), (b"<html>Not found</html>", "not an image"), (b"\x89PNG\r\n\x1a\n1234", "PNG")],
)
def test_a_film_that_cannot_be_read_is_left_out_with_its_reason(folder, content, message):
    (folder / "bad.png").write_bytes(content)
    checked = check(manifest(folder))
    assert "bad" not in checked.manifest.ids
    assert len(checked.manifest) == 6
    assert set(checked.errors) == {"bad"}
    assert message in str(checked.broken["bad"])
    assert str(folder) not in str(checked.broken["bad"])


def test_a_truncated_film_is_found_before_training(folder):
    path = folder / "sound.png"
    path.write_bytes(path.read_bytes()[:-600])
    assert list(check(manifest(folder)).broken) == ["sound"]


def test_a_mask_that_does_not_fit_is_found_before_training(folder):
    mask = Annotation("sound", "Mass", "rle", [100], (10, 10))
    checked = check(manifest(folder, mask))
    assert "the shape of the film" in str(checked.broken["sound"])
    assert "sound" not in set(checked.manifest.annotations["film"])


def test_films_without_a_file_are_missing_and_not_broken(folder):
    made = manifest(folder)
    films = made.films.assign(path=made.films["path"].where(made.films["film"] != "flat", ""))
    checked = check(Manifest("ours", folder, films))
    assert checked.missing == ("flat",)
    assert not checked.broken
    assert isinstance(checked.errors["flat"], InputError)
    assert len(checked.manifest) == 5


def test_a_film_deleted_after_the_table_was_built_is_broken(folder):
    made = manifest(folder)
    (folder / "flat.png").unlink()
    assert list(check(made).broken) == ["flat"]


def test_copies_of_a_film_in_two_splits_leak(folder):
    # In the order of their names: annotated, copy, flat, inverted, sound, turned.
    checked = check(manifest(folder, split=["train", "test", "train", "train", "train", "train"]))
    assert isinstance(checked.leak, LabelError)
    assert "copy (test) and sound (train)" in str(checked.leak)


def test_processes_find_the_same_and_progress_is_told(folder):
    (folder / "bad.png").write_bytes(b"")
    told = []
    alone = check(manifest(folder), progress=lambda *news: told.append(news))
    together = check(manifest(folder), processes=2)
    assert told == [("Checking", done, 7) for done in range(1, 8)]
    pd.testing.assert_frame_equal(alone.manifest.films, together.manifest.films)
    assert {film: str(error) for film, error in alone.broken.items()} == {
        film: str(error) for film, error in together.broken.items()
    }
    assert together.turned == ("turned",)


def test_labels_are_counted_four_ways():
    films = pd.DataFrame({"film": list("abcde"), "finding:Mass": [1, 1, 0, -1, None]})
    counts = label_counts(Manifest("ours", Path(), films))
    assert counts == {"Mass": {"present": 2, "absent": 1, "uncertain": 1, "unknown": 1}}
