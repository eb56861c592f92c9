"""Claim Q1: what a format costs against the error it makes on real weights and activations.

The reference of the activations is the network run in double precision on training images; the
weights were trained in single precision, so wider formats hold them exactly and their ratio is
infinite. Everything rounds to nearest. Integers lie on a symmetric grid with one scale for each
tensor, set by its largest magnitude; so do the values of floats of 8 bits or fewer, whose range is
too short to go without (Micikevicius et al., arXiv:2209.05433). Wider floats need no scale.

Measured is every format that ``accelerator.energy`` prices, up to the integers between the usual
widths.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nncourse import formats
from nncourse.accelerator import energy
from nncourse.experiments import subject
from nncourse.experiments.experiment import Experiment, Row
from nncourse.quantizers import affine
from nncourse.zoo import datasets

NETWORKS = ("lenet-300-100", "lenet-5")
DATA = "mnist"
FORMATS = (
    *("fp64", "fp32", "fp16", "bf16", "fp8_e4m3", "fp8_e5m2", "fp6_e2m3", "fp6_e3m2", "fp4_e2m1"),
    *("int16", "int8", "int6", "int4", "int3", "int2"),
)
SCALED_BITS = 8  # floats of this width or less get a scale, as integers do
NUM_IMAGES = 500


def measure(seed: int, smoke: bool) -> Iterator[Row]:
    """Rows of one seed, one for each network, layer, kind of tensor and format.

    seed   of the trained networks
    smoke  the smaller network only
    """
    images = datasets.load(DATA, "train")[:NUM_IMAGES].x.astype(np.float64)
    for name in NETWORKS[:1] if smoke else NETWORKS:
        model = subject.network(name, seed=seed)
        stored = subject.tensors(model)
        weights = {
            layer: stored[f"{layer}.weight"].astype(np.float64)
            for layer in subject.gemm_layers(model)
        }
        activations = subject.layer_inputs(model, images)
        for kind, tensors in (("weights", weights), ("activations", activations)):
            for layer, values in tensors.items():
                for number_format in FORMATS:
                    yield {
                        "seed": seed,
                        "network": name,
                        "data": DATA,
                        "tensors": kind,
                        "layer": layer,
                        "format": number_format,
                        **_price(number_format),
                        "sqnr_db": signal_to_noise_db(values, rounded(values, number_format)),
                    }


def rounded(values: subject.Array, number_format: str) -> subject.Array:
    """``values`` as ``number_format`` holds them.

    values         float64, any shape
    number_format  a float of ``formats.FORMATS``, or ``intN`` with one symmetric scale

    >>> rounded(np.array([-60.0, 7.0, 1.0]), "fp4_e2m1")  # values +-(0 0.5 1 1.5 2 3 4 6), times 10
    array([-60.,   5.,   0.])
    """
    format = formats.FORMATS[number_format]
    if isinstance(format, formats.IntegerFormat):
        single = values.astype(np.float32)
        qparams = affine.choose_qparams(single, bits=format.bits)
        return affine.dequantize(affine.quantize(single, qparams), qparams).astype(np.float64)
    if format.bits > SCALED_BITS:
        return formats.cast(values, number_format)
    scale = float(np.abs(values).max()) / format.max
    return formats.cast(values / scale, number_format) * scale if scale else values.copy()


def signal_to_noise_db(signal: subject.Array, received: subject.Array) -> float:
    """Power of ``signal`` over the power of its error, in decibels; infinite without an error.

    signal, received  float arrays of one shape

    >>> round(signal_to_noise_db(np.array([3.0, 4.0]), np.array([3.0, 4.5])))
    20
    """
    noise = float(np.square(signal - received).sum())
    return 10 * float(np.log10(np.square(signal).sum() / noise)) if noise else float("inf")


def _price(number_format: str) -> dict[str, float | str]:
    price = energy.price(number_format)
    bits = energy.DATAPATH_BITS[number_format]
    return {
        "bits": bits,
        "mac_energy_pj": price.mac_pj,
        "mac_area_um2": price.mac_um2,
        "dram_read_pj": energy.DRAM_PJ_PER_BYTE * bits / 8,
        "mark": price.mark,
    }


EXPERIMENT = Experiment(
    claim="Q1",
    title="Do price and accuracy rank the number formats in opposite orders?",
    networks=NETWORKS,
    data="MNIST training images",
    seeds=5,
    measure=measure,
    keys=("seed", "network", "tensors", "layer", "format"),
    tolerances={"sqnr_db": 0.05, "mac_energy_pj": 1e-9, "mac_area_um2": 1e-6},
    inputs=tuple(f"zoo/stored/{name}.safetensors" for name in NETWORKS),
)
