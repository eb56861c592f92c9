"""Weights from files of several kinds, and what is no weights."""

import pickle

import numpy as np
import pytest
import torch

from nncourse.container import Plain
from nncourse.weights_file import WeightsError, read_weights, write_safetensors
from nncourse.zoo import published

TENSORS = {
    "weight": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "half": torch.tensor([1.5, -2.0], dtype=torch.float16),
    "brain": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
    "steps": torch.tensor(7),
    "flags": torch.tensor([True, False]),
}


@pytest.mark.parametrize("nested", [None, "state_dict", "model"])
def test_state_dicts_are_read(tmp_path, nested):
    path = tmp_path / "x.pt"
    torch.save({nested: TENSORS, "epoch": 3} if nested else TENSORS, path)
    found = read_weights(path)
    assert list(found) == list(TENSORS)
    np.testing.assert_array_equal(found["weight"].values, TENSORS["weight"].numpy())
    assert found["brain"].dtype == "bf16"
    np.testing.assert_array_equal(found["brain"].decoded(), [1.5, -2.0])
    assert found["flags"].dtype == "bool"


def test_safetensors_there_and_back(tmp_path):
    path = tmp_path / "x.safetensors"
    plain = {
        "a": Plain(values=np.arange(3, dtype=np.float32)),
        "b": Plain(values=np.array([1], np.int8)),
    }
    plain["c"] = Plain(values=np.array([0x3FC0], np.uint16), dtype="bf16")
    path.write_bytes(write_safetensors(plain))
    found = read_weights(path)
    for name, tensor in plain.items():
        assert found[name].dtype == tensor.dtype
        np.testing.assert_array_equal(found[name].values, tensor.values)


def test_networks_of_the_course_are_known_by_name():
    found = read_weights("lenet-300-100")
    assert found["fc1.weight"].shape == (300, 784)


@pytest.mark.parametrize("name", published.PUBLISHED)
def test_published_networks_come_with_all_their_tensors(name):
    if not published.is_installed(name):
        pytest.skip(published.published(name).command)
    found = read_weights(name)
    counters = ("running_mean", "running_var", "num_batches_tracked", "position_ids")
    parameters = sum(t.values.size for n, t in found.items() if not n.endswith(counters))
    assert parameters == published.published(name).parameters


class Hostile:
    def __reduce__(self):
        return print, ("code of the file ran",)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: pickle.dumps(Hostile()), "more than a state dict"),
        (lambda: b"not a checkpoint", "damaged"),
        (lambda: b"", "damaged"),
    ],
)
def test_a_file_with_code_or_without_weights_is_refused(tmp_path, capsys, make, reason):
    path = tmp_path / "x.pth"
    path.write_bytes(make())
    with pytest.raises(WeightsError, match=reason):
        read_weights(path)
    assert "ran" not in capsys.readouterr().out


def test_a_pickled_module_is_refused(tmp_path):
    path = tmp_path / "x.pt"
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(WeightsError, match="state_dict"):
        read_weights(path)


def test_a_truncated_safetensors_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(write_safetensors({"a": np.zeros(100, np.float32)})[:-5])
    with pytest.raises(WeightsError, match="damaged"):
        read_weights(path)


def test_other_things_are_refused_by_name(tmp_path):
    with pytest.raises(WeightsError, match=r"no network known by name .*lenet-5.*minilm-l6"):
        read_weights("lenet-6")
    path = tmp_path / "x.onnx"
    path.write_bytes(b"x")
    with pytest.raises(WeightsError, match="ends with none of"):
        read_weights(path)
    path = tmp_path / "x.pt"
    torch.save({"a": torch.zeros(1), "epoch": 3}, path)
    with pytest.raises(WeightsError, match="'epoch' is a int, and no tensor"):
        read_weights(path)
    torch.save([torch.zeros(1)], path)
    with pytest.raises(WeightsError, match="holds a list"):
        read_weights(path)
    torch.save({"a": torch.zeros(1, dtype=torch.complex64)}, path)
    with pytest.raises(WeightsError, match="'a': values are fp64"):
        read_weights(path)
