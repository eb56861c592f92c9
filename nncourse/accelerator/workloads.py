"""Networks as ready lists of matrix products, for when no framework is at hand."""

from __future__ import annotations

from nncourse.accelerator.gemm import Gemm

RESNET50_STAGES = (
    (64, 3, 56),
    (128, 4, 28),
    (256, 6, 14),
    (512, 3, 7),
)  # width, blocks, output side


def resnet50() -> list[Gemm]:
    """The 54 matrix products of ResNet-50 on one 224 x 224 image: 53 convolutions and the classifier.

    Strides lie in the 3 x 3 convolutions. Input words count the image without its padding.

    >>> layers = resnet50()
    >>> len(layers), sum(g.macs for g in layers), sum(g.weight_words for g in layers)
    (54, 4089184256, 25502912)

    Source: He et al., arXiv:1512.03385, table 1; the stride as in the authors' later code.
    """
    layers = [_convolution("conv1", 3, 64, kernel=7, side=112, stride=2)]
    channels = 64
    for stage, (width, blocks, side) in enumerate(RESNET50_STAGES, start=1):
        for block in range(blocks):
            stride = 2 if stage > 1 and block == 0 else 1
            name = f"layer{stage}.{block}"
            layers += [
                _convolution(f"{name}.conv1", channels, width, kernel=1, side=side * stride),
                _convolution(f"{name}.conv2", width, width, kernel=3, side=side, stride=stride),
                _convolution(f"{name}.conv3", width, 4 * width, kernel=1, side=side),
            ]
            if block == 0:
                shortcut = f"{name}.downsample"
                layers.append(
                    _convolution(shortcut, channels, 4 * width, kernel=1, side=side, stride=stride)
                )
            channels = 4 * width
    return [*layers, Gemm("fc", 1, 1000, channels, input_words=channels)]


def _convolution(
    name: str, inputs: int, outputs: int, *, kernel: int, side: int, stride: int = 1
) -> Gemm:
    input_words = inputs * (side * stride) ** 2
    return Gemm(name, side * side, outputs, inputs * kernel * kernel, input_words=input_words)
