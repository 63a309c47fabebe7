"""What importing the degradation brings with it."""

import subprocess
import sys

CODE = """
import sys
import torch, wildsr.degradation
heavy = {"lightning", "hydra", "omegaconf", "kornia", "torchvision", "torch._dynamo", "PIL"}
print(sorted(heavy & set(sys.modules)), wildsr.degradation.cpu.keep_freed_memory.cache_info().misses)
"""


def test_it_brings_no_framework_and_does_no_work():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[] 0"
