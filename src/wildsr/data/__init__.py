"""From photographs on disk to the n-th training sample."""

from wildsr.data.photographs import Photographs, sample_photographs
from wildsr.data.samples import Batch, Pairs, RunBatches, Sample, Samples

__all__ = ["Batch", "Pairs", "Photographs", "RunBatches", "Sample", "Samples", "sample_photographs"]
