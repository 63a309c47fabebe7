"""Programs of a model card, whole: photo.jpg in, large.png out."""

from __future__ import annotations

MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # channels -> Pillow's mode

SPANDREL = """```python
import numpy as np
import spandrel
import torch
from PIL import Image

model = spandrel.ModelLoader().load_from_file({file!r}).eval()
image = np.atleast_3d(np.asarray(Image.open("photo.jpg").convert("{mode}"), dtype=np.float32)) / 255
lq = torch.from_numpy(image).permute(2, 0, 1)[None]  # (1, {channels}, H, W) in [0, 1]
with torch.inference_mode():
    sr = model(lq)[0].clamp(0, 1).permute(1, 2, 0).numpy()
Image.fromarray((sr{grey} * 255).round().astype(np.uint8)).save("large.png")
```"""

ONNX = """```python
import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession({file!r})
image = np.atleast_3d(np.asarray(Image.open("photo.jpg").convert("{mode}"), dtype=np.float32)) / 255
lq = image.transpose(2, 0, 1)[None]  # (1, {channels}, H, W) in [0, 1]
(sr,) = session.run(["sr"], {{"lq": lq}})
sr = sr[0].transpose(1, 2, 0)
Image.fromarray((sr{grey} * 255).round().astype(np.uint8)).save("large.png")
```"""


def spandrel_snippet(file: str, channels: int) -> str:
    """Return a program that upscales by spandrel, in Markdown."""
    return _filled(SPANDREL, file, channels)


def onnx_snippet(file: str, channels: int) -> str:
    """Return a program that upscales by onnxruntime, in Markdown."""
    return _filled(ONNX, file, channels)


def _filled(text: str, file: str, channels: int) -> str:
    return text.format(file=file, channels=channels, mode=MODES[channels], grey="[..., 0]" if channels == 1 else "")
