"""PatchGAN, the discriminator of pix2pix and CycleGAN: a logit for every patch of 70 x 70 pixels.

Shapes: B batch, C channels of the image (1 or 3), H W image, F features.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.utils import parametrize

from wildsr.checks import checked_integer
from wildsr.io import UserError
from wildsr.networks.ends import first_weight, with_own
from wildsr.networks.unet import SpectralNorm

SLOPE = 0.2  # of every leaky ReLU, as published
WIDEST = 8  # times F: no layer has more features


class PatchGAN(nn.Module):
    """Classify (B, C, H, W) images in [0, 1]: (B, 1, H // 8 - 2, W // 8 - 2) logits, high where a patch looks real.

    Isola, Zhu, Zhou, Efros, "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017, section
    3.2 and appendix 6.1.2: `layers` convolutions of 4 x 4 that halve the size, one that does not, each with BatchNorm
    and a leaky ReLU, the first without BatchNorm; the last gives the logits. With 3 layers a logit sees 70 x 70
    pixels; the defaults have 2,765,633 parameters. The names are the published code's, `model.0` and so on. That code
    starts from weights of standard deviation 0.02, this network as torch starts convolutions.

    Args:
        channels: C.
        features: F of the first layer; doubled by each next one, up to 8 F.
        layers: convolutions that halve.
        spectral_norm: normalise every convolution's weight by its largest singular value (Miyato et al., ICLR 2018)
            in place of BatchNorm, which makes the logits of a batch depend on one another.

    Raises:
        ValueError: `channels`, `features` or `layers` is not positive and whole, or an input gives no logit.
    """

    def __init__(self, channels: int = 3, features: int = 64, layers: int = 3, spectral_norm: bool = False) -> None:
        super().__init__()
        for key, value in {"channels": channels, "features": features}.items():
            checked_integer(key, value, 1, 10**6)
        self.channels = channels
        self.smallest = 3 * 2 ** checked_integer("layers", layers, 1, 8)  # 3 x 3 before the last two, which take 1 each

        def conv(inputs: int, outputs: int, stride: int, bias: bool) -> nn.Module:
            layer = nn.Conv2d(inputs, outputs, 4, stride, padding=1, bias=bias or spectral_norm)
            if spectral_norm:  # unsafe: else registration calls it once, which advances the power iteration
                parametrize.register_parametrization(layer, "weight", SpectralNorm(layer.weight), unsafe=True)
            return layer

        widths = [features * min(2**layer, WIDEST) for layer in range(layers + 1)]
        modules: list[nn.Module] = [conv(channels, features, 2, bias=True), nn.LeakyReLU(SLOPE)]
        for layer, (inputs, outputs) in enumerate(pairwise(widths), start=1):
            modules.append(conv(inputs, outputs, 2 if layer < layers else 1, bias=False))
            modules += [] if spectral_norm else [nn.BatchNorm2d(outputs)]
            modules.append(nn.LeakyReLU(SLOPE))
        self.model = nn.Sequential(*modules, conv(widths[-1], 1, 1, bias=True))

    def adapt_ends(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return weights for images of the own channels; see `networks.ends`. Raises: ValueError: neither are grey."""
        own, normed = self.state_dict(), "model.0.parametrizations.weight."
        first = f"{normed}original" if f"{normed}original" in own else "model.0.weight"
        made = dict(state) | first_weight(state, first, self.channels)
        # The vector that has the layer's inputs is where the power iteration stands: it finds its way again.
        return with_own(made, own, (f"{normed}0._v",))

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        if min(height, width) < self.smallest:
            raise UserError(
                f"PatchGAN got {height} × {width} pixels: wanted at least {self.smallest} × {self.smallest}"
            )
        logits: Tensor = self.model(image)
        return logits
