"""A batch at a time: the form in which images go through an operation together, for a GPU.

`plan` decides which images go together and makes all small tables on the CPU; `run` applies them.
"""

from wildsr.degradation.batched.blur import BlurBatch, HaloBatch
from wildsr.degradation.batched.form import BatchStep, Form
from wildsr.degradation.batched.jpeg import JpegBatch
from wildsr.degradation.batched.noise import NoiseBatch
from wildsr.degradation.batched.resize import ResizeBatch

__all__ = ["BatchStep", "BlurBatch", "Form", "HaloBatch", "JpegBatch", "NoiseBatch", "ResizeBatch"]
