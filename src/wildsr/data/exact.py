"""Files as they are, for judging: a damaged one is refused by name, where training takes the next in its place.

Shapes: h w LQ picture, H W HQ picture, uint8 as `images.read_image` gives it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from wildsr.images import find_images, image_size, read_image


class ExactPictures:
    """The image files of a folder by number, sorted by path: `pictures[i]` is (3, H, W) uint8.

    Raises:
        ValueError: the folder is missing or holds no image; on reading, the file is damaged.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.paths = root, find_images(root)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        return read_image(self.paths[index])

    def name(self, index: int) -> str:
        """The file, as a path under the root."""
        return self.paths[index].relative_to(self.root).as_posix()

    def smallest(self) -> tuple[int, Path]:
        """The shortest side, in pixels, and the file it belongs to."""
        return min((min(image_size(path)), path) for path in self.paths)


class ExactPairs:
    """Pairs by number: `pairs[i]` is (lq (3, h, w), hq (3, H, W)) uint8.

    Args:
        files: LQ and HQ file by the name that they share.
        scale: HQ side / LQ side.

    Raises:
        ValueError: on reading, a file is damaged.
    """

    def __init__(self, files: Mapping[str, tuple[Path, Path]], scale: int) -> None:
        self.names, self.paths, self.scale = list(files), list(files.values()), scale

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        lq, hq = (read_image(path) for path in self.paths[index])
        return lq, hq

    def name(self, index: int) -> str:
        """What both files are called, without suffix and ending."""
        return self.names[index]

    def smallest(self) -> tuple[int, Path]:
        """The shortest HQ side, in pixels, and the file it belongs to."""
        return min((min(image_size(hq)), hq) for _, hq in self.paths)
