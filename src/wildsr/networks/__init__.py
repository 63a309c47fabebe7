"""Generators, discriminators and their weights."""

from wildsr.networks.compact import CompactNet
from wildsr.networks.freezing import freeze
from wildsr.networks.patchgan import PatchGAN
from wildsr.networks.rrdb import RRDBNet
from wildsr.networks.spandrel import SpandrelNet, build_spandrel
from wildsr.networks.transfer import adapt_weights
from wildsr.networks.unet import UNetDiscriminator
from wildsr.networks.vgg import VGGDiscriminator
from wildsr.networks.weights import (
    build_discriminator_like,
    build_like,
    load_generator,
    load_weights,
    save_generator,
)

__all__ = [
    "CompactNet",
    "PatchGAN",
    "RRDBNet",
    "SpandrelNet",
    "UNetDiscriminator",
    "VGGDiscriminator",
    "adapt_weights",
    "build_discriminator_like",
    "build_like",
    "build_spandrel",
    "freeze",
    "load_generator",
    "load_weights",
    "save_generator",
]
