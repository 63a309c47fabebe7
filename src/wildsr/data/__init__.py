"""From pictures on disk to the n-th training sample and to validation sets."""

from wildsr.data.batches import Batch, Item, RunBatches
from wildsr.data.fingerprints import fingerprint, pictures_digest
from wildsr.data.hard import HardCases
from wildsr.data.paired import PairedFiles, find_pairs, pair_fault, paired_folders
from wildsr.data.photographs import Photographs, sample_photographs
from wildsr.data.samples import MixedSamples, PairedSamples, Sample, Samples, TrainingSamples
from wildsr.data.selection import large_enough
from wildsr.data.store import Store
from wildsr.data.validation import PairedPictures, Pairs, RealPictures, ValidationSet, validation_set

__all__ = [
    "Batch",
    "HardCases",
    "Item",
    "MixedSamples",
    "PairedFiles",
    "PairedPictures",
    "PairedSamples",
    "Pairs",
    "Photographs",
    "RealPictures",
    "RunBatches",
    "Sample",
    "Samples",
    "Store",
    "TrainingSamples",
    "ValidationSet",
    "find_pairs",
    "fingerprint",
    "large_enough",
    "pair_fault",
    "paired_folders",
    "pictures_digest",
    "sample_photographs",
    "validation_set",
]
