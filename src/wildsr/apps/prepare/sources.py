"""The published datasets: where each archive lies, how it is checked, what of it is taken.

Where an address is dead or not for programs, the archive is placed by hand: a file or folder whose name
begins with the archive's stem is taken as it is, and nothing is fetched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from wildsr.apps.prepare.archives import ARCHIVES
from wildsr.images import walk

# The released smaller copies of DIV2K and Flickr2K: three factors, and one whose shortest edge is 400 pixels.
DF2K_SCALES = (Fraction(3, 4), Fraction(1, 2), Fraction(1, 3), Fraction(400))


@dataclass(frozen=True)
class Source:
    """One archive of a dataset."""

    name: str  # of the dataset
    stem: str  # the archive's file name without its suffix
    images: int  # how many it is published to hold
    split: str = "train"  # train: its images are cut; val: they stay whole
    scales: tuple[Fraction, ...] = ()  # of the smaller copies: factors below 1, or shortest edges in pixels
    url: str | None = None  # its published address; None where there is none that a program may fetch
    size: int | None = None  # its length in bytes, where known
    digest: str | None = None  # "sha256:…" or "md5:…", where known
    leave: tuple[str, ...] = ()  # beginnings of the names of folders and files in it that are left out
    by_hand: str = ""  # how a person gets it

    def placed(self, folder: Path) -> list[Path]:
        """List what lies in `folder` of this archive: .zip and .tar files and folders that begin with its stem."""
        found = sorted(folder.iterdir()) if folder.is_dir() else []
        named = [path for path in found if path.name.lower().startswith(self.stem.lower())]
        return [path for path in named if path.is_dir() or path.suffix.lower() in ARCHIVES]

    def takes(self, parts: Sequence[str]) -> bool:
        """Return whether an image whose path has these parts is wanted."""
        return not any(part.lower().startswith(begin.lower()) for part in parts for begin in self.leave)


def fingerprint(paths: Sequence[Path]) -> str:
    """Return a digest of the names and lengths of files and of all files in folders; "" for no path."""
    lines = [
        f"{path.name}/{file.relative_to(path)} {file.stat().st_size}"
        for path in paths
        for file in (sorted(walk(path)) if path.is_dir() else [path])
        if file.is_file()
    ]
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest() if paths else ""


# Addresses: the dataset's own page, https://data.vision.ee.ethz.ch/cvl/DIV2K/. Lengths and digests: those by
# which TensorFlow Datasets checks the same files (tensorflow_datasets/datasets/div2k/checksums.tsv).
DIV2K_TRAIN = Source(
    "div2k",
    "DIV2K_train_HR",
    images=800,
    scales=DF2K_SCALES,
    url="https://data.vision.ee.ethz.ch/cvl/DIV2K/DIV2K_train_HR.zip",
    size=3_530_603_713,
    digest="sha256:9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335",
)
DIV2K_VALID = Source(
    "div2k",
    "DIV2K_valid_HR",
    images=100,
    split="val",
    url="https://data.vision.ee.ethz.ch/cvl/DIV2K/DIV2K_valid_HR.zip",
    size=448_993_893,
    digest="sha256:20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc",
)
# Address: the authors of EDSR (github.com/limbee/NTIRE2017), who publish no digest and no length; the digest
# is the one by which torchSR's loader checks it. Degraded versions are in it too, Flickr2K_LR_bicubic and
# Flickr2K_LR_unknown.
FLICKR2K = Source(
    "flickr2k",
    "Flickr2K",
    images=2650,
    scales=DF2K_SCALES,
    url="https://cv.snu.ac.kr/research/EDSR/Flickr2K.tar",
    digest="md5:5d3f39443d5e9489bff8963f8f26cb03",
    leave=("Flickr2K_LR",),
)
# The authors publish a folder on Google Drive, which cannot be fetched by address. The direct address that
# the released training guide names, on openmmlab.oss-cn-hangzhou.aliyuncs.com, is reported dead since 2023.
# Number of images: the text file in the folder, which also holds test images and segmentation maps.
OST = Source(
    "ost",
    "OutdoorSceneTrain",
    images=10_324,
    leave=("OutdoorSceneTest", "OST300", "OutdoorSeg"),
    by_hand="download the folder OutdoorSceneTrain_v2 of "
    "https://drive.google.com/drive/folders/1LIb631GU3bOyQVTeuALesD8_eoApNniB "
    "(linked by its authors, https://github.com/xinntao/SFTGAN)",
)

SETS = {
    "div2k": (DIV2K_TRAIN, DIV2K_VALID),
    "flickr2k": (FLICKR2K,),
    "ost": (OST,),
    "df2k_ost": (OST, DIV2K_TRAIN, DIV2K_VALID, FLICKR2K),
}
