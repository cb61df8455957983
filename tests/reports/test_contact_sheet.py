from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from plainfilm.errors import InputError
from plainfilm.reports.contact_sheet import OUTLINES, Tile, write_contact_sheet


def sheet_of(tmp_path, tiles, **options):
    return np.asarray(Image.open(write_contact_sheet(tmp_path / "sheet.png", tiles, **options)))


def test_films_of_any_shape_fill_a_grid(tmp_path):
    tiles = [Tile(np.full(shape, 0.5), "a") for shape in ((64, 64), (10, 200), (200, 10), (1, 1))]
    sheet = sheet_of(tmp_path, tiles, columns=2, side=64)
    assert sheet.shape[0] > 2 * 64
    assert sheet.shape[1] == 2 * (64 + 8) + 8
    assert (sheet == 128).all(2).sum() > 64 * 64 * 2


def test_a_mask_is_outlined_where_it_lies(tmp_path):
    mask = np.zeros((64, 64), dtype=bool)
    mask[10:30, 20:50] = True
    sheet = sheet_of(tmp_path, [Tile(np.zeros((64, 64)), "", {"Mass": mask})], side=64)
    rows, columns = np.nonzero((sheet[8:72, 8:72] == OUTLINES[0]).all(2))
    assert (rows.min(), rows.max()) == (10, 30)
    assert (columns.min(), columns.max()) == (20, 50)


@pytest.mark.parametrize("name", [r"$\frac{1$", "x" * 300, "a\0b\nc", "🫁 مريض ‮", "\udcff", ""])
def test_any_caption_can_be_drawn(tmp_path, name):
    mask = np.ones((8, 8), dtype=bool)
    assert sheet_of(tmp_path, [Tile(np.zeros((8, 8)), name, {name: mask})], side=32).shape[1] == 48


def test_an_empty_sheet_is_refused(tmp_path):
    with pytest.raises(InputError, match="no films"):
        write_contact_sheet(tmp_path / "sheet.png", [])
    assert list(tmp_path.iterdir()) == []
