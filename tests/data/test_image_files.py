"""conebench.data.image_files: every kind of file is read with the right values, or refused."""

import io
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from image_bytes import GRAY, GRAY_ALPHA, RGB, RGB_ALPHA, png, tiff
from PIL import Image

from conebench.data.image_files import read_rgb
from conebench.errors import SpecError

SIXTEEN_BITS = np.array([0, 1, 128, 129, 255, 256, 32767, 32768, 65534, 65535])
# v / 65535 * 255, rounded, by hand.
EIGHT_BITS = [0, 0, 0, 1, 1, 1, 127, 128, 255, 255]
RANDOM = np.random.default_rng(0).integers(0, 256, (7, 7, 3), dtype=np.uint8)


def _read(folder: Path, content: bytes, name: str = "x.png", size: int = 7) -> np.ndarray:
    path = folder / name
    path.write_bytes(content)
    return read_rgb(path, size)


def _row(folder: Path, content: bytes, name: str = "x.png") -> list[int]:
    """The gray values of an image of one row of ten pixels, each told from 10 equal rows."""
    path = folder / name
    path.write_bytes(content)
    # A size other than the file's would mix neighbors.
    with Image.open(io.BytesIO(content)) as image:
        assert image.size == (10, 1)
    read = read_rgb(path, 10)
    assert (read == read[:1, :, :1]).all()
    return read[0, :, 0].tolist()


def _saved(image: Image.Image, format_: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def _refusal(folder: Path, content: bytes, name: str = "x.png") -> str:
    path = folder / name
    path.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        read_rgb(path, 7)
    message = str(caught.value)
    assert message.startswith(f"{path}: cannot be read as an image: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: cannot be read as an image: ")


def _read_or_refused(folder: Path, content: bytes, name: str) -> np.ndarray | None:
    try:
        return _read(folder, content, name)
    except SpecError as error:
        message = str(error)
    assert message.startswith(f"{folder / name}: cannot be read as an image: ")
    assert "\n" not in message
    return None


@pytest.mark.parametrize("size", [7, 4, 9])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_8_bit_images_are_read_as_pillow_converts_and_resizes_them(
    tmp_path: Path, mode: str, size: int
) -> None:
    image = Image.fromarray(RANDOM).convert(mode)
    for format_ in ("PNG", "BMP", "PPM", "TIFF", "WEBP", "JPEG", "GIF"):
        content = _saved(image, format_)
        with Image.open(io.BytesIO(content)) as opened:
            expected = opened.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
        assert (_read(tmp_path, content, size=size) == np.array(expected)).all(), format_


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compressed", [False, True])
def test_16_bit_gray_tiffs_are_scaled_by_their_range(
    tmp_path: Path, order: str, compressed: bool
) -> None:
    pixels = SIXTEEN_BITS.astype(f"{order}u2").tobytes()
    content = tiff(pixels, width=10, bits=16, order=order, compressed=compressed)
    assert _row(tmp_path, content, "x.tif") == EIGHT_BITS


def test_16_bit_gray_pngs_are_scaled_by_their_range(tmp_path: Path) -> None:
    pixels = SIXTEEN_BITS.astype(np.uint16)[None, :, None]
    assert _row(tmp_path, png(pixels, GRAY)) == EIGHT_BITS


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("largest", [1023, 4095, 65535])
def test_pgms_of_more_than_8_bits_are_scaled_by_their_own_range(
    tmp_path: Path, largest: int, plain: bool
) -> None:
    values = np.linspace(0, largest, 10).round().astype(">u2")
    data = " ".join(map(str, values)).encode() if plain else values.tobytes()
    content = b"P%d\n10 1\n%d\n" % (2 if plain else 5, largest) + data
    expected = np.rint(values / largest * 255)
    assert _row(tmp_path, content, "x.pgm") == expected.tolist()


@pytest.mark.parametrize("color", [RGB, GRAY_ALPHA, RGB_ALPHA])
def test_16_bit_color_is_read_by_its_high_byte(tmp_path: Path, color: int) -> None:
    channels = {RGB: 3, GRAY_ALPHA: 2, RGB_ALPHA: 4}[color]
    pixels = np.repeat(SIXTEEN_BITS.astype(np.uint16)[None, :, None], channels, axis=2)
    assert _row(tmp_path, png(pixels, color)) == (SIXTEEN_BITS // 256).tolist()


def test_12_bit_tiffs_are_scaled_by_4095(tmp_path: Path) -> None:
    values = np.array([0, 8, 9, 2047, 2048, 4094, 4095, 16, 160, 1600])
    packed = "".join(f"{value:012b}" for value in values)
    pixels = int(packed, 2).to_bytes(15, "big")
    expected = np.rint(values / 4095 * 255).tolist()
    assert _row(tmp_path, tiff(pixels, width=10, bits=12), "x.tif") == expected


def test_16_bit_tiffs_may_count_from_white(tmp_path: Path) -> None:
    content = tiff(SIXTEEN_BITS.astype("<u2").tobytes(), width=10, bits=16, photometric=0)
    assert _row(tmp_path, content, "x.tif") == [255 - value for value in EIGHT_BITS]


@pytest.mark.parametrize(
    ("kind", "bits", "sample_format"),
    [("<f4", 32, 3), (">f4", 32, 3), ("<i4", 32, 2), ("<u4", 32, 1), ("<i2", 16, 2), ("i1", 8, 2)],
)
def test_pixels_without_a_fixed_range_are_refused_by_name(
    tmp_path: Path, kind: str, bits: int, sample_format: int
) -> None:
    content = tiff(
        np.arange(10).astype(kind).tobytes(),
        width=10,
        bits=bits,
        sample_format=sample_format,
        order=">" if kind[0] == ">" else "<",
    )
    what = {1: "unsigned integers", 2: "signed integers", 3: "floating-point numbers"}
    assert _refusal(tmp_path, content, "x.tif") == (
        f"got {bits}-bit {what[sample_format]}, expected unsigned integers of at most 16 bits"
    )


def test_floating_point_maps_are_refused_by_name(tmp_path: Path) -> None:
    content = b"Pf\n2 1\n-1.0\n" + struct.pack("<2f", 0.0, 1.0)
    assert _refusal(tmp_path, content, "x.ppm") == (
        "got pixels of mode F, expected unsigned integers of at most 16 bits"
    )


def test_one_bit_images_are_black_and_white(tmp_path: Path) -> None:
    image = Image.fromarray(RANDOM).convert("1")
    expected = np.where(np.array(image)[..., None], 255, 0)
    for format_ in ("PNG", "BMP", "PPM", "TIFF"):
        assert (_read(tmp_path, _saved(image, format_)) == expected).all()


def test_palette_colors_are_looked_up(tmp_path: Path) -> None:
    image = Image.new("P", (7, 7), 3)
    image.putpalette([0, 0, 0, 9, 9, 9, 8, 8, 8, 10, 20, 30])
    for options in ({}, {"transparency": 3}):
        read = _read(tmp_path, _saved(image, "PNG", **options))
        assert read[0, 0].tolist() == [10, 20, 30]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_dropped(tmp_path: Path, mode: str) -> None:
    colors = Image.fromarray(RANDOM).convert(mode.removesuffix("A"))
    image = colors.copy()
    image.putalpha(Image.fromarray(RANDOM[..., 0]))
    assert image.mode == mode
    expected = np.array(colors.convert("RGB"))
    assert (_read(tmp_path, _saved(image, "PNG")) == expected).all()


def test_cmyk_is_converted_without_a_color_profile(tmp_path: Path) -> None:
    image = Image.new("CMYK", (7, 7), (255, 0, 51, 0))
    assert _read(tmp_path, _saved(image, "TIFF"))[0, 0].tolist() == [0, 255, 204]
    inverted = _read(tmp_path, _saved(image, "JPEG", quality=100))[0, 0].astype(int)
    assert np.abs(inverted - [0, 255, 204]).max() <= 3


# Each orientation turns these 2 x 2 pixels, as stored, into the upright ones.
UPRIGHT = {
    1: [[0, 1], [2, 3]],
    2: [[1, 0], [3, 2]],
    3: [[3, 2], [1, 0]],
    4: [[2, 3], [0, 1]],
    5: [[0, 2], [1, 3]],
    6: [[2, 0], [3, 1]],
    7: [[3, 1], [2, 0]],
    8: [[1, 3], [0, 2]],
    9: [[0, 1], [2, 3]],
}


@pytest.mark.parametrize("orientation", list(UPRIGHT))
def test_images_are_turned_upright_as_exif_says(tmp_path: Path, orientation: int) -> None:
    stored = Image.fromarray(np.array([[0, 80], [160, 240]], dtype=np.uint8))
    expected = 80 * np.array(UPRIGHT[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    ways = [("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True})]
    if orientation <= 8:
        # libtiff writes no other.
        ways.append(("TIFF", {"compression": "tiff_lzw"}))
    for format_, options in ways:
        content = _saved(stored.convert("RGB"), format_, exif=exif, **options)
        assert (_read(tmp_path, content, size=2)[..., 0] == expected).all(), format_
    content = _saved(stored.resize((32, 32), Image.Resampling.NEAREST), "JPEG", exif=exif)
    read = _read(tmp_path, content, size=32)[8::16, 8::16, 0].astype(int)
    assert np.abs(read - expected).max() < 8


def test_turned_sides_are_swapped_before_the_image_is_resized(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = np.zeros((2, 4, 3), dtype=np.uint8)
    stored[:, 2:] = 255
    read = _read(tmp_path, _saved(Image.fromarray(stored), "PNG", exif=exif), size=4)
    assert read[..., 0].tolist() == [[0] * 4, [0] * 4, [255] * 4, [255] * 4]


@pytest.mark.parametrize(
    "exif",
    [
        b"junk",
        b"Exif\0\0",
        b"Exif\0\0II*\0\x08\0\0\0\x05\0",
        # The orientation as text.
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x02AB\0\0\0\0\0\0",
    ],
)
def test_damaged_exif_counts_as_none(tmp_path: Path, exif: bytes) -> None:
    image = Image.fromarray(RANDOM)
    for format_, options in (("PNG", {}), ("WEBP", {"lossless": True})):
        assert (_read(tmp_path, _saved(image, format_, exif=exif, **options)) == RANDOM).all()


@pytest.mark.parametrize("format_", ["GIF", "TIFF", "WEBP", "PNG"])
def test_the_first_frame_is_read(tmp_path: Path, format_: str) -> None:
    frames = [Image.new("RGB", (7, 7), color) for color in ("red", "lime", "blue")]
    options = {"lossless": True} if format_ == "WEBP" else {}
    content = _saved(frames[0], format_, save_all=True, append_images=frames[1:], **options)
    with Image.open(io.BytesIO(content)) as image:
        assert image.n_frames == 3
    # The content decides, not the name: here a GIF, TIFF or WEBP named .jpg.
    assert (_read(tmp_path, content, "x.jpg") == [255, 0, 0]).all()


def _one_of_each() -> dict[str, bytes]:
    image, palette = Image.fromarray(RANDOM), Image.fromarray(RANDOM).convert("P")
    numbers = " ".join(map(str, RANDOM.flatten())).encode()
    return {
        "png": _saved(image, "PNG"),
        "palette.png": _saved(palette, "PNG"),
        "16.png": png(SIXTEEN_BITS.astype(np.uint16)[None, :, None], GRAY),
        "jpg": _saved(image, "JPEG"),
        "progressive.jpg": _saved(image, "JPEG", progressive=True),
        "ppm": _saved(image, "PPM"),
        "pgm": _saved(image.convert("L"), "PPM"),
        # Files of numbers as text end in a line break here: without it, a last number that lost
        # a digit would be another number.
        "plain.ppm": b"P3\n7 7\n255\n" + numbers,
        "127.ppm": b"P6\n7 7\n127\n" + (RANDOM // 2).tobytes(),
        "16.pgm": b"P5\n7 7\n65535\n" + RANDOM[:, :, :2].tobytes(),
        "gif": _saved(image, "GIF"),
        "bmp": _saved(image, "BMP"),
        "palette.bmp": _saved(palette, "BMP"),
        "webp": _saved(image, "WEBP"),
        "lossless.webp": _saved(image, "WEBP", lossless=True),
        "tif": _saved(image, "TIFF"),
        "lzw.tif": _saved(image, "TIFF", compression="tiff_lzw"),
        "deflate.tif": _saved(image, "TIFF", compression="tiff_deflate"),
    }


@pytest.mark.parametrize("name", list(_one_of_each()))
def test_a_file_cut_short_is_refused_or_has_all_its_pixels(tmp_path: Path, name: str) -> None:
    whole = _one_of_each()[name]
    expected = _read(tmp_path, whole, "whole." + name)
    # A text file of numbers cannot tell that its last number lost digits.
    end = whole.rindex(b" ") if name == "plain.ppm" else len(whole)
    lengths = [*range(0, end - 30, 7), *range(max(0, end - 30), end)]
    refused = 0
    for length in lengths:
        read = _read_or_refused(tmp_path, whole[:length], name)
        refused += read is None
        assert read is None or (read == expected).all()
    # What may be missing are end marks.
    assert refused >= len(lengths) - 5


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.ppm", "x.pgm", "x.bmp", "x.webp", "x.tif"])
@pytest.mark.parametrize("content", [b"", b"hello\n", b"<html>not found</html>", b"\0" * 100])
def test_what_is_no_image_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    assert _refusal(tmp_path, content, name) == "Pillow does not recognize its format"


@pytest.mark.parametrize("chunk", [b"IHDR", b"IDAT"])
def test_a_png_with_a_wrong_checksum_is_refused(tmp_path: Path, chunk: bytes) -> None:
    whole, damaged = (png(RANDOM, RGB, damaged_chunk=damaged) for damaged in (b"", chunk))
    assert (_read(tmp_path, whole) == RANDOM).all()
    _refusal(tmp_path, damaged)


@pytest.mark.parametrize("name", ["png", "jpg", "ppm", "gif", "bmp", "webp", "tif", "plain.ppm"])
def test_flipped_bytes_end_in_pixels_or_in_one_line(tmp_path: Path, name: str) -> None:
    whole = _one_of_each()[name]
    for position in range(0, len(whole), max(1, len(whole) // 50)):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        read = _read_or_refused(tmp_path, bytes(damaged), name)
        assert read is None or read.shape == (7, 7, 3)


def test_decompression_bombs_are_refused(tmp_path: Path) -> None:
    side = 20_000
    gif = _saved(Image.fromarray(RANDOM), "GIF")
    bombs = {
        "x.pgm": b"P5\n%d %d\n255\n" % (side, side),
        "x.bmp": b"BM" + bytes(12) + struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, *[0] * 6),
        "x.gif": gif[:6] + struct.pack("<HH", side, side) + gif[10:],
        "x.png": png(RANDOM, RGB, claimed_side=side),
        "x.tif": tiff(b"", width=side**2, bits=8),
    }
    for name, content in bombs.items():
        assert "decompression bomb" in _refusal(tmp_path, content, name), name


def test_large_images_are_read_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert (_read(tmp_path, _saved(Image.fromarray(RANDOM), "PNG")) == RANDOM).all()
    assert not caught


def test_a_file_that_may_not_be_read_is_named_once(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.mkdir()
    with pytest.raises(SpecError) as caught:
        read_rgb(path, 7)
    assert str(caught.value) == f"{path}: cannot be read as an image: Is a directory"
