"""The matrix products of the published networks, from the shapes of their weights and their papers."""

from __future__ import annotations

from collections.abc import Mapping

from nncourse.accelerator.gemm import Gemm

Shapes = Mapping[str, tuple[int, ...]]

SIDE = 224  # pixels of a photograph
# Blocks of EfficientNet-B0 (Tan and Le, arXiv:1905.11946, table 1) that halve the side, counted from 0.
HALVING_BLOCKS = (1, 3, 5, 11)
TOKENS = 128  # of a sentence
HEADS = 12  # of MiniLM-L6 (Wang et al., arXiv:2002.10957, section 4)


def published_layers(name: str, shapes: Shapes) -> list[Gemm]:
    """The products of one inference of the published network ``name``.

    name    efficientnet-lite0 (one photograph of 224 x 224 pixels) or minilm-l6 (one sentence of 128 tokens,
            with the products of its attention; rows of the word table are looked up, not multiplied)
    shapes  of its tensors, by name

    Every product with weights has the name of its tensor without ".weight".
    """
    if name == "efficientnet-lite0":
        return _efficientnet(shapes)
    if name == "minilm-l6":
        return _minilm(shapes)
    raise ValueError(f"name is efficientnet-lite0 or minilm-l6; got {name!r}")


def _efficientnet(shapes: Shapes) -> list[Gemm]:
    side, layers = SIDE, []
    for tensor, shape in shapes.items():
        layer, _, kind = tensor.rpartition(".")
        if kind != "weight" or len(shape) < 2:
            continue
        if len(shape) == 2:
            layers.append(Gemm(layer, 1, shape[0], shape[1], input_words=shape[1]))
            continue
        outputs, inputs, height, width = shape
        is_depthwise = "_depthwise_conv" in layer
        groups = outputs if is_depthwise else 1
        block = int(layer.split(".")[1]) if layer.startswith("_blocks") else -1
        halves = layer == "_conv_stem" or (is_depthwise and block in HALVING_BLOCKS)
        input_words = side * side * inputs * groups
        side = -(-side // 2) if halves else side
        layers.append(
            Gemm(
                layer,
                side * side,
                outputs // groups,
                inputs * height * width,
                groups=groups,
                input_words=input_words,
            )
        )
    return layers


def _minilm(shapes: Shapes) -> list[Gemm]:
    layers = []
    for tensor, shape in shapes.items():
        layer, _, kind = tensor.rpartition(".")
        if kind != "weight" or len(shape) != 2 or not layer.startswith("encoder."):
            continue
        layers.append(Gemm(layer, TOKENS, shape[0], shape[1]))
        if layer.endswith("self.value"):
            stem, width = layer.removesuffix(".self.value"), shape[0] // HEADS
            for product, n, k in (("scores", TOKENS, width), ("mixture", width, TOKENS)):
                layers.append(
                    Gemm(f"{stem}.{product}", TOKENS, n, k, groups=HEADS, has_weights=False)
                )
    return layers
