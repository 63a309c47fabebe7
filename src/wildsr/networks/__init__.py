"""Generators, discriminators and their weights."""

from wildsr.networks.compact import CompactNet
from wildsr.networks.rrdb import RRDBNet
from wildsr.networks.unet import UNetDiscriminator
from wildsr.networks.vgg import VGGDiscriminator
from wildsr.networks.weights import load_generator, load_weights, save_generator

__all__ = [
    "CompactNet",
    "RRDBNet",
    "UNetDiscriminator",
    "VGGDiscriminator",
    "load_generator",
    "load_weights",
    "save_generator",
]
