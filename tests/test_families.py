"""The families: published sizes, widths that count, names of layers, and first weights by seed."""

import pytest
import torch
from torch import nn

from nncourse.zoo import families, networks


def test_the_widest_perceptron_is_lenet_300_100():
    one, other = families.build("perceptron", 300), networks.build("lenet-300-100")
    assert str(one) == str(other)


@pytest.mark.parametrize("family", sorted(families.FAMILIES))
@pytest.mark.parametrize("width", [1, 4, 18])
def test_every_member_reads_images_and_gives_ten_outputs(family, width):
    images = torch.zeros(3, *families.INPUT_SHAPE)
    assert families.build(family, width)(images).shape == (3, families.NUM_CLASSES)


@pytest.mark.parametrize("family", sorted(families.FAMILIES))
def test_a_wider_member_has_more_weights(family):
    sizes = [networks.num_parameters(families.build(family, width)) for width in (2, 4, 8, 16)]
    assert sizes == sorted(set(sizes))


def test_the_separable_family_convolves_each_channel_by_itself():
    network = families.build("separable", 4)
    depthwise = [layer for name, layer in network.named_modules() if name.endswith("depthwise")]
    assert [layer.groups for layer in depthwise] == [4, 8]
    assert not any(
        isinstance(layer, nn.Linear) and layer.out_features > families.NUM_CLASSES
        for layer in network.modules()
    )


@pytest.mark.parametrize("family", sorted(families.FAMILIES))
def test_first_weights_follow_the_seed(family):
    def weights(seed):
        torch.manual_seed(seed)
        members = families.build(family, 4).parameters()
        return torch.cat([value.flatten() for value in members])

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))


def test_unknown_families_and_widths_are_answered_with_what_there_is():
    with pytest.raises(ValueError, match="perceptron, separable"):
        families.build("residual", 4)
    for width in (0, -1, 2.5, True):
        with pytest.raises(ValueError, match="at least 1"):
            families.build("perceptron", width)
