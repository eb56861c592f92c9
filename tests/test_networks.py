"""The networks: sizes, names of layers, and a registry that refuses confusion."""

import pytest
import torch
from torch import nn

from nncourse.zoo import networks
from nncourse.zoo.residual import ResidualBlock
from nncourse.zoo.separable import SeparableBlock


@pytest.mark.parametrize(
    ("name", "layers", "parameters"),
    [
        ("lenet-300-100", {"fc1": 235_500, "fc2": 30_100, "fc3": 1_010}, 266_610),
        ("lenet-5", {"conv1": 520, "conv2": 25_050, "fc1": 400_500, "fc2": 5_010}, 431_080),
    ],
)
def test_layers_have_the_published_sizes_and_plain_names(name, layers, parameters):
    network = networks.build(name)
    found = {
        key: networks.num_parameters(layer)
        for key, layer in network.named_children()
        if networks.num_parameters(layer)
    }
    assert found == layers
    assert networks.num_parameters(network) == parameters


@pytest.mark.parametrize("name", sorted(networks.ARCHITECTURES))
def test_every_network_reads_its_example_and_gives_ten_outputs(name):
    example = networks.example_input(name, batch=3)
    assert networks.build(name)(example).shape == (3, 10)


@pytest.mark.parametrize("name", sorted(networks.ARCHITECTURES))
def test_first_weights_follow_the_seed(name):
    def weights(seed):
        torch.manual_seed(seed)
        return torch.cat([value.flatten() for value in networks.build(name).parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_every_layer_of_lenet_5_but_the_first_reads_values_that_are_never_negative():
    network = networks.build("lenet-5")
    lowest = {}
    for key in ("conv2", "fc1", "fc2"):
        getattr(network, key).register_forward_hook(
            lambda layer, inputs, output, key=key: lowest.update({key: float(inputs[0].min())})
        )
    with torch.no_grad():
        network(torch.rand(4, 1, 28, 28))
    assert set(lowest) == {"conv2", "fc1", "fc2"}
    assert min(lowest.values()) >= 0.0


def test_an_unknown_network_lists_the_choices():
    with pytest.raises(ValueError, match=r"lenet-300-100, lenet-5.*, got 'lenet5'"):
        networks.build("lenet5")


def test_a_later_network_plugs_in_once(monkeypatch):
    monkeypatch.setattr(networks, "ARCHITECTURES", dict(networks.ARCHITECTURES))
    one = networks.Architecture(
        name="one-layer", build=lambda: nn.Linear(4, 2), input_shape=(4,), source="a test"
    )
    assert networks.register(one) is one
    assert networks.build("one-layer")(networks.example_input("one-layer")).shape == (1, 2)
    with pytest.raises(ValueError, match="'one-layer' is taken"):
        networks.register(one)


def test_an_architecture_is_complete():
    with pytest.raises(ValueError, match="name and source"):
        networks.Architecture(name="", build=nn.Identity, input_shape=(1,), source="a test")
    with pytest.raises(ValueError, match="input_shape"):
        networks.Architecture(name="x", build=nn.Identity, input_shape=(0, 4), source="a test")
    with pytest.raises(ValueError, match="batch is at least 1"):
        networks.example_input("lenet-5", batch=0)


@pytest.mark.parametrize(("name", "weight_layers"), [("resnet-8", 10), ("mobilenet-10", 10)])
def test_the_deeper_networks_have_ten_weight_layers(name, weight_layers):
    network = networks.build(name)
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == weight_layers


def test_a_residual_block_adds_its_shortcut():
    torch.manual_seed(0)
    block = ResidualBlock(4, 4, stride=1).eval()
    x = torch.rand(2, 4, 6, 6)
    with torch.no_grad():
        block.conv2.weight.zero_()
        assert torch.equal(block(x), torch.relu(x))


def test_a_separable_block_keeps_the_channels_apart_until_its_second_half():
    block = SeparableBlock(4, 8, stride=2)
    assert block.depthwise.groups == 4
    assert block.depthwise.weight.shape == (4, 1, 3, 3)
    assert block.pointwise.weight.shape == (8, 4, 1, 1)
