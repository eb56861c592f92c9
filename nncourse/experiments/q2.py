"""Claim Q2: FP16 and INT8 after training and fine-tuned, on the two LeNets and a residual network.

Five paired seeds. Batch normalization is folded into the convolutions first, as it is before deployment. Every accuracy is that of the network decoded from its stored bytes, on the test
split, read once for each arm. The one choice, how the ranges of the activations are clipped, is made
on the validation split. The ranges themselves come from training images.

The arms ``weights only`` go on from 8 bits down to 2, per tensor and per channel, by the largest
weight and by the least squared error: nothing is chosen among them, all are in the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

from nncourse import pipeline
from nncourse.experiments import activations, subject
from nncourse.experiments.experiment import Experiment, Row
from nncourse.quantizers import folding
from nncourse.zoo import checkpoints, datasets, training
from nncourse.zoo.datasets import Images

NETWORKS = ("lenet-300-100", "lenet-5", "resnet-8")
WEIGHT_BITS = (8, 6, 5, 4, 3, 2)
AXES = {"tensor": None, "channel": 0}
WEIGHT_METHODS = ("minmax", "mse")
NUM_CALIBRATION_IMAGES = 1000


def measure(seed: int, smoke: bool) -> Iterator[Row]:
    """Rows of one seed, one for each network and arm.

    seed   of the trained networks
    smoke  the smaller network only
    """
    for name in NETWORKS[:1] if smoke else NETWORKS:
        data = checkpoints.DATA[name]
        calibration = datasets.load(data, "train")[:NUM_CALIBRATION_IMAGES]
        validation, test = datasets.load(data, "validation"), datasets.load(data, "test")
        model = folding.fold_batch_norm(subject.network(name, seed=seed))
        for arm in _arms(model, calibration, validation):
            candidate = arm.pop("candidate")
            yield {
                "seed": seed,
                "network": name,
                "data": data,
                **arm,
                "accuracy": training.accuracy(candidate, test),
            }


def _arms(model: nn.Module, calibration: Images, validation: Images) -> Iterator[dict[str, Any]]:
    """Every arm with its network as ``candidate``; the test split has no way in here."""
    weights = subject.tensors(model)

    def arm(
        name: str, bits: int, granularity: str, method: str, reads: str, data: bytes
    ) -> dict[str, Any]:
        return {
            "arm": name,
            "bits": bits,
            "granularity": granularity,
            "method": method,
            "activations": reads,
            "stored_bytes": len(data),
        }

    data = pipeline.store(weights, bits="fp32")
    yield arm("fp32", 32, "none", "none", "fp32", data) | {
        "candidate": subject.decoded(model, data)
    }

    data = pipeline.store(weights, bits="fp16")
    half = activations.with_fp16_inputs(subject.decoded(model, data))
    yield arm("fp16", 16, "none", "none", "fp16", data) | {"candidate": half}

    for granularity, axis in reversed(AXES.items()):
        data = pipeline.store(weights, bits=8, axis=axis, method="minmax")
        stored = subject.decoded(model, data)
        candidate, method = activations.with_int8_inputs(
            stored, calibration=calibration, validation=validation
        )
        name = "int8" if granularity == "channel" else "int8 per tensor"
        yield arm(name, 8, granularity, "minmax", f"int8 {method}", data) | {"candidate": candidate}

    for granularity, axis in AXES.items():
        for method in WEIGHT_METHODS:
            for bits in WEIGHT_BITS:
                data = pipeline.store(weights, bits=bits, axis=axis, method=method)
                yield arm("weights only", bits, granularity, method, "fp32", data) | {
                    "candidate": subject.decoded(model, data)
                }


EXPERIMENT = Experiment(
    claim="Q2",
    title="Do FP16 and INT8 keep the accuracy, at 1/2 and 1/4 of the bytes?",
    networks=NETWORKS,
    data="MNIST and Fashion-MNIST test",
    seeds=5,
    measure=measure,
    keys=("seed", "network", "arm", "bits", "granularity", "method"),
    tolerances={"accuracy": 0.001},
    inputs=tuple(f"zoo/stored/{name}.safetensors" for name in NETWORKS),
)
