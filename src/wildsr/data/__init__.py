"""From images on disk to the n-th training sample and to validation sets."""

from wildsr.data.batches import Batch, Item
from wildsr.data.fingerprints import fingerprint, images_digest
from wildsr.data.hard import HardCases
from wildsr.data.paired import PairedFiles, find_pairs, pair_fault, paired_folders
from wildsr.data.photographs import Photographs, sample_photographs
from wildsr.data.samples import MixedSamples, PairedSamples, Sample, Samples, TrainingSamples
from wildsr.data.selection import large_enough
from wildsr.data.store import Store
from wildsr.data.validation import PairedImages, Pairs, RealImages, ValidationSet, validation_set
from wildsr.data.weighted import WeightedImages

__all__ = [
    "Batch",
    "HardCases",
    "Item",
    "MixedSamples",
    "PairedFiles",
    "PairedImages",
    "PairedSamples",
    "Pairs",
    "Photographs",
    "RealImages",
    "Sample",
    "Samples",
    "Store",
    "TrainingSamples",
    "ValidationSet",
    "WeightedImages",
    "find_pairs",
    "fingerprint",
    "images_digest",
    "large_enough",
    "pair_fault",
    "paired_folders",
    "sample_photographs",
    "validation_set",
]
