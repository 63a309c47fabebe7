"""What a run was made from can be told apart by its record."""

import pytest

import wildsr
from wildsr.data import PairedSamples, Photographs, Samples, fingerprint, paired_folders
from wildsr.degradation import DegradationSpec, KernelSpec
from wildsr.training.provenance import code_version, kernel_mix


def test_the_kernel_mix_is_what_the_released_weights_of_the_kinds_say():
    mix = kernel_mix(DegradationSpec())
    # Blur 1 always, blur 2 at 0.8: of these a tenth are sincs, the others by weight; the final sinc at 0.8.
    kernels = 1 + 0.8 + 0.8
    assert mix["iso"] == pytest.approx(1.8 * 0.9 * 0.45 / kernels, abs=0.02)
    assert mix["sinc"] == pytest.approx((1.8 * 0.1 + 0.8) / kernels, abs=0.02)
    assert sum(mix.values()) == pytest.approx(1, abs=0.01)
    assert "plateau_iso" not in kernel_mix(DegradationSpec(kernels=KernelSpec(plateau_iso=0.0, plateau_aniso=0.0)))


def test_a_fingerprint_tells_names_and_sizes_apart(photographs):
    def samples():
        return Samples(Photographs(photographs), DegradationSpec(), 64, 32, seed=0)

    first = fingerprint(samples())
    assert fingerprint(samples()) == first
    (photographs / "a.png").write_bytes((photographs / "a.png").read_bytes() + b" ")
    second = fingerprint(samples())
    (photographs / "a.png").rename(photographs / "z.png")
    assert len({first, second, fingerprint(samples())}) == 3


def test_pairs_have_a_fingerprint_too(photographs):
    files = paired_folders(photographs, photographs, scale=1)
    assert len(fingerprint(PairedSamples(files, 64, 32, seed=0))) == 64


def test_the_code_is_named_by_its_version():
    assert code_version().startswith(wildsr.__version__)
