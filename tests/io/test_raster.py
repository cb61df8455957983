"""PNG, JPEG, TIFF and NPY: the rule for each kind of pixel, and damaged files."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from plainfilm.errors import InputError
from plainfilm.io.read import read

# Pillow warns of what it then fails on.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")


def save(path: Path, values: np.ndarray, **options: object) -> Path:
    Image.fromarray(values).save(path, **options)
    return path


@pytest.fixture
def levels() -> np.ndarray:
    return np.arange(256, dtype=np.uint8).reshape(16, 16)


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (64, 48), dtype=np.uint8)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_eight_bits_are_divided_by_255(tmp_path: Path, levels: np.ndarray, suffix: str) -> None:
    film = read(save(tmp_path / f"a.{suffix}", levels))
    np.testing.assert_array_equal(film.pixels, levels / np.float32(255))
    assert film.id == "a"
    assert film.tags["BitsStored"] == 8


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_keep_all_their_levels(tmp_path: Path, suffix: str) -> None:
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    film = read(save(tmp_path / f"a.{suffix}", ramp))
    assert len(np.unique(film.pixels)) == 65536
    np.testing.assert_array_equal(film.pixels, ramp / np.float32(65535))
    assert film.tags["BitsStored"] == 16


def test_big_endian_sixteen_bit_tiff_reads_like_its_twin(tmp_path: Path) -> None:
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    tifffile.imwrite(tmp_path / "a.tif", ramp, byteorder=">")
    np.testing.assert_array_equal(read(tmp_path / "a.tif").pixels, ramp / np.float32(65535))


def test_twelve_bits_in_a_sixteen_bit_png_are_warned_of_and_not_guessed(tmp_path: Path) -> None:
    film = read(save(tmp_path / "a.png", np.arange(4096, dtype=np.uint16).reshape(64, 64)))
    assert film.pixels.max() == np.float32(4095 / 65535)
    assert any("fewer bits" in warning for warning in film.warnings)


@pytest.mark.parametrize("top", [12, 14, 15])
def test_a_sixteen_bit_film_that_leaves_bits_unused_is_noticed(tmp_path: Path, top: int) -> None:
    film = np.linspace(0, 2**top - 1, 64).astype(np.uint16).reshape(8, 8)
    assert any("fewer bits" in warning for warning in read(save(tmp_path / "a.png", film)).warnings)
    assert read(tmp_path / "a.png", bits=top).warnings == ()
    assert read(save(tmp_path / "b.png", film << (16 - top))).warnings == ()


@pytest.mark.parametrize("suffix", ["png", "tif", "npy"])
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_bits_that_a_table_declares_decide_what_is_white(tmp_path: Path, suffix: str, bits: int) -> None:
    values = np.arange(2**bits, dtype=np.uint16).reshape(32, -1)
    path = tmp_path / f"a.{suffix}"
    np.save(path, values) if suffix == "npy" else save(path, values)
    film = read(path, bits=bits)
    np.testing.assert_array_equal(film.pixels, values / np.float32(2**bits - 1))
    assert film.tags["BitsStored"] == bits


@pytest.mark.parametrize("suffix", ["png", "npy"])
def test_a_pixel_above_the_declared_bits_is_refused_and_not_clipped(tmp_path: Path, suffix: str) -> None:
    values = np.zeros((8, 8), np.uint16)
    values[2, 3] = 4096
    path = tmp_path / f"a.{suffix}"
    np.save(path, values) if suffix == "npy" else save(path, values)
    with pytest.raises(InputError, match=r"a pixel of 4096 under bits=12, expected at most 4095\..*table"):
        read(path, bits=12)
    assert read(path, bits=13).pixels.max() == np.float32(4096 / 8191)


@pytest.mark.parametrize("bits", [0, -1, 9, 16])
def test_more_bits_than_the_file_has_are_refused(tmp_path: Path, levels: np.ndarray, bits: int) -> None:
    with pytest.raises(InputError, match=f"bits={bits} of a file of 8 bits"):
        read(save(tmp_path / "a.png", levels), bits=bits)


def test_floats_have_no_bits(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.eye(4, dtype=np.float16))
    with pytest.raises(InputError, match="bits=12 of a file of floats"):
        read(tmp_path / "a.npy", bits=12)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_tiff_whose_zero_is_white_is_inverted(tmp_path: Path, dtype: type) -> None:
    values = np.linspace(0, 1 if dtype is np.float32 else np.iinfo(dtype).max, 64).astype(dtype).reshape(8, 8)
    tifffile.imwrite(tmp_path / "black.tif", values, photometric="minisblack")
    tifffile.imwrite(tmp_path / "white.tif", values, photometric="miniswhite")
    black, white = read(tmp_path / "black.tif").pixels, read(tmp_path / "white.tif").pixels
    np.testing.assert_allclose(white, 1 - black, atol=1e-6)


def test_floats_in_the_unit_range_are_kept(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((20, 30), dtype=np.float32)
    tifffile.imwrite(tmp_path / "a.tif", values)
    np.save(tmp_path / "a.npy", values)
    np.testing.assert_array_equal(read(tmp_path / "a.tif").pixels, values)
    np.testing.assert_array_equal(read(tmp_path / "a.npy").pixels, values)


def test_floats_beyond_the_unit_range_are_refused_with_their_range(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.linspace(-1024, 1024, 64, dtype=np.float32).reshape(8, 8))
    with pytest.raises(InputError, match="pixels from -1024 to 1024"):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("suffix", ["npy", "tif"])
def test_pixels_that_are_not_finite_are_refused_with_place(tmp_path: Path, bad: float, suffix: str) -> None:
    values = np.full((8, 8), 0.5, dtype=np.float32)
    values[3, 4] = bad
    path = tmp_path / f"a.{suffix}"
    np.save(path, values) if suffix == "npy" else tifffile.imwrite(path, values)
    with pytest.raises(InputError, match=r"1 pixels that are NaN or infinite, the first at row 3, column 4"):
        read(path)


def test_three_equal_channels_collapse_silently(tmp_path: Path, noise: np.ndarray) -> None:
    film = read(save(tmp_path / "a.png", np.stack([noise] * 3, axis=-1)))
    np.testing.assert_array_equal(film.pixels, noise / np.float32(255))
    assert film.warnings == ()


def test_true_colour_is_refused_unless_luma_is_asked_for(tmp_path: Path) -> None:
    colour = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    path = save(tmp_path / "a.png", colour)
    with pytest.raises(InputError, match="colour image"):
        read(path)
    expected = (0.299 * colour[..., 0] + 0.587 * colour[..., 1] + 0.114 * colour[..., 2]) / 255
    np.testing.assert_allclose(read(path, colour="luma").pixels, expected, atol=1e-6)


def test_white_in_luma_stays_at_one(tmp_path: Path) -> None:
    colour = np.full((4, 4, 3), 255, dtype=np.uint8)
    colour[0, 0] = (1, 2, 3)
    assert read(save(tmp_path / "a.png", colour), colour="luma").pixels.max() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_grey_in_other_modes_reads_as_grey(tmp_path: Path, noise: np.ndarray, mode: str) -> None:
    Image.fromarray(noise).convert(mode).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read(tmp_path / "a.png").pixels, noise / np.float32(255))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_pixels_are_refused(tmp_path: Path, noise: np.ndarray, mode: str) -> None:
    image = Image.fromarray(noise).convert(mode)
    image.putalpha(254)
    image.save(tmp_path / "a.png")
    with pytest.raises(InputError, match="transparent pixels"):
        read(tmp_path / "a.png")


def test_a_transparent_grey_value_is_refused(tmp_path: Path, levels: np.ndarray) -> None:
    with pytest.raises(InputError, match="transparent pixels"):
        read(save(tmp_path / "a.png", levels, transparency=7))


@pytest.mark.parametrize(("mode", "suffix"), [("CMYK", "jpg"), ("CMYK", "tif"), ("LAB", "tif"), ("I", "tif")])
def test_inks_hues_and_wide_integers_are_refused(tmp_path: Path, mode: str, suffix: str) -> None:
    Image.new(mode, (8, 8)).save(tmp_path / f"a.{suffix}")
    with pytest.raises(InputError, match=f"mode {mode}"):
        read(tmp_path / f"a.{suffix}")


def test_sixteen_bit_colour_is_refused_rather_than_cut_to_eight(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 8, 3), np.uint16), photometric="rgb")
    (tmp_path / "a.png").write_bytes(png_of_16_bit_colour())
    for name in ("a.tif", "a.png"):
        with pytest.raises(InputError, match="16 bits"):
            read(tmp_path / name)


def png_of_16_bit_colour() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(range(48)) for _ in range(8))
    header = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("suffix", ["tif", "png"])
def test_several_frames_are_refused(tmp_path: Path, noise: np.ndarray, suffix: str) -> None:
    image = Image.fromarray(noise)
    image.save(tmp_path / f"a.{suffix}", save_all=True, append_images=[Image.fromarray(255 - noise)])
    with pytest.raises(InputError, match="2 frames"):
        read(tmp_path / f"a.{suffix}")


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "packed.tif"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_the_orientation_of_a_photograph_is_applied_and_recorded(
    tmp_path: Path, name: str, orientation: int
) -> None:
    upright = np.zeros((16, 32), np.uint8)
    upright[:8, :16] = 255  # the quarter at the top left is white
    # What a camera stores so that turning by the tag gives the upright film (EXIF 2.32, 4.6.4 A).
    stored = {
        2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.T,
        6: np.rot90(upright), 7: np.rot90(upright, 2).T, 8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[274] = orientation
    packing = {"compression": "tiff_lzw"} if name == "packed.tif" else {}
    film = read(save(tmp_path / name, np.ascontiguousarray(stored), exif=exif, **packing))
    np.testing.assert_allclose(film.pixels, upright / 255, atol=0.02)
    assert film.tags["Orientation"] == orientation
    assert film.size == (16, 32)


def test_jpeg_reads_as_pillow_decodes_it(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    path = save(tmp_path / "a.jpg", smooth, quality=95)
    np.testing.assert_array_equal(read(path).pixels, np.asarray(Image.open(path)) / np.float32(255))


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
@pytest.mark.parametrize("kept", [0.03, 0.3, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_refused_with_name_and_byte_count(
    tmp_path: Path, noise: np.ndarray, suffix: str, kept: float
) -> None:
    whole = save(tmp_path / f"whole.{suffix}", noise).read_bytes()
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(InputError, match=rf"cut\.{suffix}.*{path.stat().st_size} bytes"):
        read(path)


def test_every_flipped_bit_of_a_png_is_noticed(tmp_path: Path, noise: np.ndarray) -> None:
    whole = save(tmp_path / "a.png", noise).read_bytes()
    path = tmp_path / "flipped.png"
    for position in range(8, len(whole), 83):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"flipped\.png"):
            read(path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_damage_anywhere_raises_nothing_but_our_error(tmp_path: Path, noise: np.ndarray, suffix: str) -> None:
    whole = save(tmp_path / f"a.{suffix}", noise[:16, :16]).read_bytes()
    random = np.random.default_rng(0)
    path = tmp_path / f"damaged.{suffix}"
    for _ in range(80):
        damaged = bytearray(whole)
        for position in random.integers(0, min(len(whole), 400), 3):
            damaged[position] = random.integers(256)
        path.write_bytes(damaged)
        try:
            read(path)
        except InputError:
            continue


def test_a_huge_header_is_refused_before_decoding(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    Image.new("1", (20000, 20000)).save(path)
    with pytest.raises(InputError, match="20000 x 20000"):
        read(path)


def test_max_pixels_is_the_limit(tmp_path: Path, levels: np.ndarray) -> None:
    path = save(tmp_path / "a.png", levels)
    assert read(path, max_pixels=256).size == (16, 16)
    with pytest.raises(InputError, match="pass max_pixels"):
        read(path, max_pixels=255)


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1)])
def test_a_line_of_pixels_is_no_film(tmp_path: Path, size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="at least 2 x 2"):
        read(save(tmp_path / "a.png", np.zeros(size, np.uint8)))


def test_a_constant_film_is_read_with_a_warning(tmp_path: Path) -> None:
    film = read(save(tmp_path / "a.png", np.full((8, 8), 51, np.uint8)))
    assert film.warnings == ("All pixels have the same value, 0.2.",)


@pytest.mark.parametrize(
    "values",
    [np.zeros((4, 4), np.int16), np.zeros((4, 4, 2)), np.zeros(4), np.array([[{}] * 4] * 4, object)],
    ids=["signed", "two channels", "one dimension", "pickled objects"],
)
def test_arrays_that_are_no_film_are_refused(tmp_path: Path, values: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", values, allow_pickle=True)
    with pytest.raises(InputError):
        read(tmp_path / "a.npy")


def test_arrays_of_every_accepted_type_are_scaled_by_their_white(tmp_path: Path) -> None:
    for white, dtype in [(1, bool), (255, np.uint8), (65535, np.uint16), (1, ">f8"), (1, np.float16)]:
        np.save(tmp_path / "a.npy", np.array([[0, white], [white, 0]], dtype))
        np.testing.assert_array_equal(read(tmp_path / "a.npy").pixels, [[0, 1], [1, 0]])
