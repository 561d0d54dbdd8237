"""Image files written byte by byte, for pixels that Pillow does not save."""

import struct
import zlib

import numpy as np

GRAY, RGB, GRAY_ALPHA, RGB_ALPHA = 0, 2, 4, 6


def png(
    pixels: np.ndarray, color: int, *, damaged_chunk: bytes = b"", claimed_side: int | None = None
) -> bytes:
    """Return a PNG of [h, w, ch] pixels, with a wrong checksum or size if asked."""
    height, width = (claimed_side,) * 2 if claimed_side else pixels.shape[:2]
    depth = 8 * pixels.dtype.itemsize
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(f">u{pixels.dtype.itemsize}").tobytes() for row in pixels)
    chunks = {b"IHDR": header, b"IDAT": zlib.compress(rows), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data))
        + name
        + data
        + struct.pack(">I", zlib.crc32(name + data) ^ (name == damaged_chunk))
        for name, data in chunks.items()
    )


def tiff(  # one argument per tag
    pixels: bytes,
    *,
    width: int,
    bits: int,
    order: str = "<",
    sample_format: int = 1,
    photometric: int = 1,
    compressed: bool = False,
) -> bytes:
    """Return a gray TIFF of one row."""
    data = zlib.compress(pixels) if compressed else pixels
    data += b"\0" * (len(data) % 2)
    compression = 8 if compressed else 1
    short, long = 3, 4
    tags = [
        (256, long, width),
        (257, long, 1),
        (258, short, bits),
        (259, short, compression),
        (262, short, photometric),
        (273, long, 8),
        (277, short, 1),
        (278, long, 1),
        (279, long, len(data)),
        (339, short, sample_format),
    ]
    directory = struct.pack(f"{order}H", len(tags))
    for tag, kind, value in tags:
        packed = struct.pack(f"{order}HH", value, 0) if kind == short else None
        directory += struct.pack(f"{order}HHI", tag, kind, 1)
        directory += packed or struct.pack(f"{order}I", value)
    mark = b"II" if order == "<" else b"MM"
    return mark + struct.pack(f"{order}HI", 42, 8 + len(data)) + data + directory + b"\0" * 4
