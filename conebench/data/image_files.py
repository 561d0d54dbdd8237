"""Read one image file of any format as 8-bit RGB."""

import warnings
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError

from conebench.errors import SpecError

# The turn that undoes each orientation of EXIF; 1 is upright already.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Tags of a TIFF file.
BITS_PER_SAMPLE = 258
PHOTOMETRIC = 262
SAMPLE_FORMAT = 339
SAMPLE_FORMATS = {1: "unsigned integers", 2: "signed integers", 3: "floating-point numbers"}
EXPECTED = "expected unsigned integers of at most 16 bits"


def read_rgb(source: Path | bytes, size: int, name: str = "") -> npt.NDArray[np.uint8]:
    """Return an image's pixels, [size, size, 3].

    The first frame, turned upright as its EXIF says. Alpha and color profiles are ignored.

    Args:
        source: A file of any format that Pillow reads, or its content; its suffix does not matter.
        size: Side of the square to which the image is resized.
        name: Name for messages; default: that of the file.

    Raises:
        SpecError: The file is damaged, or its pixels have no fixed range.

    """
    try:
        with warnings.catch_warnings():
            # They concern odd metadata and large images; no pixel depends on these.
            warnings.simplefilter("ignore", UserWarning)
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
                image = _upright_rgb(file)
            if image.size != (size, size):
                image = image.resize((size, size), Image.Resampling.BILINEAR)
    except Exception as error:  # noqa: BLE001  # Pillow raises anything on a damaged file
        what = name or shown(str(source))
        raise SpecError(f"{what}: cannot be read as an image: {_reason(error)}") from None
    return np.array(image)


def shown(name: str | Path) -> str:
    """Return a name for a message, escaped if it would read as another name."""
    text = str(name)
    return text if text.isprintable() and text == text.strip() else repr(text)


def _upright_rgb(file: IO[bytes]) -> Image.Image:
    if file.read(len(PNG_SIGNATURE)) == PNG_SIGNATURE:
        # Decoding skips the checksums of pixels. An image that was verified cannot be decoded.
        Image.open(file).verify()
    image = Image.open(file)
    # Decoding turns a TIFF upright by itself.
    turn = None if image.format == "TIFF" else UPRIGHT.get(_orientation(image))
    rgb = _to_8_bits(image).convert("RGB")
    return rgb if turn is None else rgb.transpose(turn)


def _orientation(image: Image.Image) -> int:
    # An image with damaged metadata is whole otherwise.
    with suppress(Exception):
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    return 1


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Scale gray values of more than 8 bits to 0 to 255.

    Raises a ValueError for pixels without a fixed range.
    """
    tags = getattr(image, "tag_v2", {})
    # PNG and PGM have 16 bits: Pillow scales a PGM by its own largest value.
    bits = int(tags.get(BITS_PER_SAMPLE, (16,))[0])
    kind = SAMPLE_FORMATS.get(tags.get(SAMPLE_FORMAT, (1,))[0], "pixels of another kind")
    if kind != SAMPLE_FORMATS[1] or bits > 16:
        raise ValueError(f"got {bits}-bit {kind}, {EXPECTED}")
    # Pillow's modes of more than 8 bits: I, I;16, I;16B, F.
    if not image.mode.startswith(("I", "F")):
        return image
    if image.format not in ("PNG", "PPM", "TIFF") or image.mode == "F":
        raise ValueError(f"got pixels of mode {image.mode}, {EXPECTED}")
    levels = np.rint(np.asarray(image) * (255 / (2**bits - 1))).astype(np.uint8)
    # Pillow inverts such files of 8 bits, but not of 16.
    is_white_zero = tags.get(PHOTOMETRIC) == 0
    return Image.fromarray(255 - levels if is_white_zero else levels)


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "Pillow does not recognize its format"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).strip() or type(error).__name__).splitlines()[0]
