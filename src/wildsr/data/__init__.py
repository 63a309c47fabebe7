"""From photographs on disk to the n-th training sample."""

from wildsr.data.photographs import Photographs, sample_photographs
from wildsr.data.samples import Batch, Pairs, RunBatches, Sample, Samples
from wildsr.data.selection import large_enough
from wildsr.data.store import Store

__all__ = [
    "Batch",
    "Pairs",
    "Photographs",
    "RunBatches",
    "Sample",
    "Samples",
    "Store",
    "large_enough",
    "sample_photographs",
]
