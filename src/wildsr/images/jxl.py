"""Size of a JPEG XL by its header (ISO/IEC 18181-1): its plugin decodes all pixels before it tells their number."""

from __future__ import annotations

from typing import IO

CODESTREAM, CONTAINER = b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"
LENGTHS = (9, 13, 18, 30)  # bits of a side, of which two bits choose
RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))  # width to height, of which three bits choose
HEADER = 16  # bytes that hold any size


def read_size(file: IO[bytes]) -> tuple[int, int] | None:
    """Return width and height of a JPEG XL; None of another file. The file is left anywhere."""
    file.seek(0)
    if file.read(len(CONTAINER)) == CONTAINER:
        if not _enter_codestream(file):
            return None
    else:
        file.seek(0)
    if file.read(2) != CODESTREAM:
        return None
    bits = int.from_bytes(file.read(HEADER), "little")

    def take(count: int) -> int:
        nonlocal bits
        value = bits & (1 << count) - 1
        bits >>= count
        return value

    is_small = take(1)

    def side() -> int:
        return (take(5) + 1) * 8 if is_small else take(LENGTHS[take(2)]) + 1

    height, ratio = side(), take(3)
    if not ratio:
        return side(), height
    across, down = RATIOS[ratio - 1]
    return height * across // down, height


def _enter_codestream(file: IO[bytes]) -> bool:
    """Go to where the codestream, or the first part of one, begins among the boxes of a container."""
    while len(head := file.read(8)) == 8:
        length, name, read = int.from_bytes(head[:4]), head[4:], 8
        if length == 1:
            length, read = int.from_bytes(file.read(8)), 16
        if name in (b"jxlc", b"jxlp"):
            file.seek(4 if name == b"jxlp" else 0, 1)  # the number of the part
            return True
        if length < read:  # to the end of the file, or damaged
            return False
        file.seek(length - read, 1)
    return False
