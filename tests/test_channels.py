"""Channel groups: what must go together, what matters least, and no cut where nobody knows."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from nncourse.pruners.channels import (
    ChannelGroup,
    Member,
    channel_groups,
    channel_masks,
    channel_scores,
    fixed_channels,
    keep_channels,
)
from nncourse.zoo.networks import build, example_input


def axes(group):
    return [(member.layer, member.side) for member in group.members]


def groups_of(name):
    return {group.name: group for group in channel_groups(build(name), example_input(name))}


def test_a_shortcut_ties_the_layers_on_both_of_its_ends():
    groups = groups_of("resnet-8")
    assert {name: group.size for name, group in groups.items()} == {
        "conv1": 16,
        "block1.conv1": 16,
        "block2.conv1": 32,
        "block2.conv2": 32,
        "block3.conv1": 64,
        "block3.conv2": 64,
    }
    assert set(axes(groups["conv1"])) == {
        ("conv1", "out"),
        ("norm1", "out"),
        ("block1.conv1", "in"),
        ("block1.conv2", "out"),
        ("block1.norm2", "out"),
        ("block2.conv1", "in"),
        ("block2.shortcut.conv", "in"),
    }
    assert ("block3.shortcut.norm", "out") in axes(groups["block3.conv2"])
    assert ("fc", "in") in axes(groups["block3.conv2"])


def test_a_depthwise_convolution_belongs_to_the_layer_that_feeds_it():
    groups = groups_of("mobilenet-10")
    assert list(groups) == ["conv1", *[f"block{i}.pointwise" for i in range(1, 5)]]
    assert axes(groups["conv1"]) == [
        ("conv1", "out"),
        ("norm1", "out"),
        ("block1.depthwise", "out"),
        ("block1.norm1", "out"),
        ("block1.pointwise", "in"),
    ]


def test_behind_a_flattening_each_channel_owns_its_pixels():
    groups = groups_of("lenet-5")
    (reader,) = [member for member in groups["conv2"].members if member.layer == "fc1"]
    assert reader.places[3] == tuple(range(48, 64))
    assert fixed_channels(build("lenet-5"), example_input("lenet-5")) == {
        "fc2": "it is an output of the network"
    }


class Joined(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 3, 1)
        self.c, self.d = nn.Conv2d(1, 5, 1), nn.Conv2d(5, 1, 1)

    def forward(self, x):
        c = self.c(x)
        return self.d(c + torch.cat([self.a(x), self.b(x)], 1))


def test_a_concatenation_that_meets_an_addition_splits_the_other_side_in_two():
    first, second = channel_groups(Joined(), torch.zeros(1, 1, 2, 2))
    assert (first.name, first.size, second.name, second.size) == ("c", 2, "c#2", 3)
    assert axes(first) == [("c", "out"), ("a", "out"), ("d", "in")]
    assert axes(second) == [("c", "out"), ("b", "out"), ("d", "in")]
    assert second.members[1].places == ((0,), (1,), (2,))
    assert second.members[2].places == ((2,), (3,), (4,))


def test_a_convolution_in_groups_loses_the_same_places_of_each():
    model = nn.Sequential(nn.Conv2d(1, 6, 1), nn.Conv2d(6, 4, 1, groups=2), nn.Conv2d(4, 1, 1))
    first, second = channel_groups(model, torch.zeros(1, 1, 2, 2))
    assert first.members[0].places == ((0, 3), (1, 4), (2, 5))
    assert (second.name, second.members[0].places) == ("1", ((0, 2), (1, 3)))


class Shortcut(nn.Module):
    """Adds the network's input to what two layers make of it."""

    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(4, 6), nn.Linear(6, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.down(torch.relu(self.up(x))) + x)


def test_what_is_added_to_the_input_cannot_be_cut():
    model = Shortcut()
    assert [group.name for group in channel_groups(model, torch.zeros(1, 4))] == ["up"]
    assert fixed_channels(model, torch.zeros(1, 4)) == {
        "down": "it is an input of the network",
        "head": "it is an output of the network",
    }


class Does(nn.Module):
    """Two layers with a call between them."""

    def __init__(self, call, outputs=4):
        super().__init__()
        self.conv, self.fc, self.call = nn.Conv2d(2, 4, 1), nn.Linear(outputs, 3), call

    def forward(self, x):
        return self.fc(self.call(self.conv(x)))


@pytest.mark.parametrize(
    ("call", "outputs"),
    [
        (lambda y: y.mean((2, 3)), 4),
        (lambda y: torch.mean(y, dim=3).amax(2), 4),
        (lambda y: y.flatten(1), 16),
        (lambda y: y.reshape(y.shape[0], -1), 16),
        (lambda y: y.view(y.size()[0], -1), 16),
        (lambda y: torch.flatten(F.avg_pool2d(torch.clamp(y, min=0), 2), 1), 4),
        (lambda y: F.adaptive_max_pool2d(y, 1).squeeze(-1).squeeze(-1), 4),
        (lambda y: (2 * y - 1).sigmoid().sum([-1, -2]), 4),
    ],
)
def test_a_call_that_leaves_the_channels_apart_is_followed(call, outputs):
    (group,) = channel_groups(Does(call, outputs), torch.zeros(5, 2, 2, 2))
    assert axes(group) == [("conv", "out"), ("fc", "in")]
    assert [len(places) for places in group.members[1].places] == [outputs // 4] * 4


@pytest.mark.parametrize(
    ("call", "outputs", "said"),
    [
        (lambda y: y.mean((1, 2)), 2, "runs over the channels"),
        (lambda y: y.mean((2, 3)).flip(1), 4, "'flip' is not known"),
        (lambda y: y.permute(0, 2, 3, 1), 4, "'permute' is not known"),
        (lambda y: y[:, :3].flatten(1), 12, "getitem"),
        (lambda y: y.view(-1, 16), 16, r"no reshape to \(batch, -1\)"),
        (lambda y: y.view(5, 16), 16, r"no reshape to \(batch, -1\)"),
        (lambda y: y.flatten(1).chunk(2, 1)[0], 8, "returns no single tensor"),
        (lambda y: y.sum((2, 3)) / y.size(1), 4, "computes with a size"),
        (lambda y: y.mean((2, 3)) + torch.ones(4), 4, "belongs to no layer"),
        (lambda y: torch.matmul(y, y).mean((2, 3)), 4, "'.*matmul.*' is not known"),
        (lambda y: y.squeeze().flatten(1), 16, "which axis has size 1"),
        (lambda y: torch.cumsum(y.mean((2, 3)), 1), 4, "cumsum"),
        (lambda y: y.mean((2, 3)) if y.sum() > 0 else y[..., 0, 0], 4, "traceable by torch.fx"),
    ],
)
def test_a_call_whose_channels_are_not_known_is_named_and_refused(call, outputs, said):
    with pytest.raises(ValueError, match=said):
        channel_groups(Does(call, outputs), torch.zeros(5, 2, 2, 2))


def test_channels_that_a_softmax_weighs_against_each_other_stay():
    model = Does(lambda y: F.softmax(y, 1).mean((2, 3)))
    assert channel_groups(model, torch.zeros(1, 2, 2, 2)) == []
    assert fixed_channels(model, torch.zeros(1, 2, 2, 2))["conv"] == "softmax mixes channels"


def test_what_happens_to_the_input_alone_is_harmless():
    class Prepared(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(6, 4), nn.Linear(4, 2)

        def forward(self, x):
            return self.b(self.a(x.permute(0, 2, 1).reshape(-1, 6)))

    (group,) = channel_groups(Prepared(), torch.zeros(3, 2, 3))
    assert axes(group) == [("a", "out"), ("b", "in")]


def test_a_transposed_convolution_and_a_layer_of_its_own_kind_are_refused():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ConvTranspose2d(2, 2, 1), nn.Conv2d(2, 1, 1))
    with pytest.raises(ValueError, match="ConvTranspose2d is not known"):
        channel_groups(model, torch.zeros(1, 1, 2, 2))


def test_tied_weights_and_layers_that_are_never_called_are_refused():
    tied = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    tied[1].weight = tied[0].weight
    with pytest.raises(ValueError, match=r"'0\.weight' and '1\.weight' are one tensor"):
        channel_groups(tied, torch.zeros(1, 2))
    spare = Shortcut()
    spare.spare = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="'spare' is never called"):
        channel_groups(spare, torch.zeros(1, 4))


def test_an_input_that_does_not_fit_is_named():
    with pytest.raises(ValueError, match="example_input is what the model reads"):
        channel_groups(build("lenet-5"), torch.zeros(1, 3, 28, 28))
    with pytest.raises(ValueError, match="lacks the batch axis"):
        channel_groups(nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(2, 1, 1)), torch.zeros(1, 4, 4))


def test_tracing_changes_neither_mode_nor_statistics():
    model = build("resnet-8").train()
    before = model.norm1.running_mean.clone()
    channel_groups(model, torch.ones(1, 1, 28, 28))
    assert model.training
    assert torch.equal(model.norm1.running_mean, before)


def test_scores_by_hand():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(4, 1))
    model[0].weight.data = torch.tensor([1.0, 2.0]).reshape(2, 1, 1, 1)
    model[1].weight.data = torch.tensor([2.0, 4.0])
    model[3].weight.data = torch.tensor([[0.0, 2.0, 4.0, 8.0]])
    (group,) = channel_groups(model, torch.zeros(1, 1, 1, 2))
    scores = channel_scores(model, [group])["0"]
    np.testing.assert_allclose(scores, np.array([3.0, 10.0]) / 6.5)  # 1 + 4 + 4, 4 + 16 + 16 + 64


def test_scores_of_a_convolution_in_groups_count_each_input_once():
    model = nn.Sequential(nn.Conv2d(1, 4, 1), nn.Conv2d(4, 2, 1, groups=2), nn.Conv2d(2, 1, 1))
    model[0].weight.data.zero_()
    model[1].weight.data = torch.tensor([[3.0, 0.0], [4.0, 1.0]]).reshape(2, 2, 1, 1)
    groups = channel_groups(model, torch.zeros(1, 1, 1, 1))
    np.testing.assert_allclose(channel_scores(model, groups)["0"], np.array([5.0, 1.0]) / 3)


def test_masks_cover_the_shift_of_a_norm_and_the_columns_of_each_reader():
    model = nn.Sequential(nn.Conv2d(1, 3, 1), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(6, 2))
    groups = channel_groups(model, torch.zeros(1, 1, 1, 2))
    masks = channel_masks(model, groups, {"0": [True, False, True]})
    assert list(masks) == ["0.weight", "0.bias", "1.weight", "1.bias", "3.weight"]
    for name in ("0.bias", "1.weight", "1.bias"):
        np.testing.assert_array_equal(masks[name], [True, False, True])
    np.testing.assert_array_equal(masks["3.weight"], [[1, 1, 0, 0, 1, 1]] * 2)
    assert channel_masks(model, groups, {"0": [True] * 3}) == {}


def test_groups_of_another_model_are_refused():
    groups = channel_groups(build("lenet-5"), example_input("lenet-5"))
    with pytest.raises(ValueError, match="has no layer 'conv1'"):
        channel_masks(build("lenet-300-100"), groups, {"conv1": np.ones(20, bool)})
    small = nn.Sequential()
    small.conv1, small.conv2 = nn.Conv2d(1, 20, 5), nn.Conv2d(2, 2, 5)
    with pytest.raises(ValueError, match="layer 'conv2' lacks"):
        channel_masks(small, groups, {"conv1": np.ones(20, bool)})


some_scores = st.dictionaries(
    st.sampled_from("abcd"),
    st.lists(st.floats(0, 9, width=16), min_size=1, max_size=40),
    min_size=1,
)


@given(scores=some_scores, sparsity=st.floats(0, 0.99))
def test_the_count_is_exact_and_the_lowest_go_first(scores, sparsity):
    keep = keep_channels(scores, sparsity=sparsity)
    for name, kept in keep.items():
        values = np.array(scores[name])
        assert kept.sum() == max(1, len(values) - round(sparsity * len(values)))
        assert kept.all() or values[kept].min() >= values[~kept].max()


@given(scores=some_scores, sparsity=st.floats(0, 0.99))
def test_one_ranking_over_all_groups_spares_the_best_of_each(scores, sparsity):
    keep = keep_channels(scores, sparsity=sparsity, scope="global")
    total = sum(map(len, scores.values()))
    assert sum(kept.sum() for kept in keep.values()) == max(
        len(scores), total - round(sparsity * total)
    )
    assert all(kept.any() for kept in keep.values())
    dropped = [np.array(scores[name])[~kept].max() for name, kept in keep.items() if not kept.all()]
    for name, kept in keep.items():
        spare = np.sort(np.array(scores[name])[kept])[:-1]  # all but the one that must stay
        assert not dropped or not spare.size or spare[0] >= max(dropped)


def test_group_sizes_are_rounded_to_the_width_of_the_hardware():
    scores = {"a": np.arange(64.0), "b": np.arange(50.0), "c": np.arange(10.0)}
    keep = keep_channels(scores, sparsity=0.4, multiple_of=16)
    # 38 lies nearer to 32 than to 48, 30 nearer to 32, and 10 channels have no multiple of 16.
    assert [int(kept.sum()) for kept in keep.values()] == [32, 32, 10]
    assert keep_channels({"a": np.ones(32)}, sparsity=0.25, multiple_of=16)["a"].sum() == 32


def test_ties_keep_the_earlier_channel_and_the_earlier_group():
    np.testing.assert_array_equal(
        keep_channels({"a": np.ones(4)}, sparsity=0.5)["a"], [True, True, False, False]
    )
    keep = keep_channels({"a": np.ones(3), "b": np.ones(3)}, sparsity=0.5, scope="global")
    assert [kept.sum() for kept in keep.values()] == [2, 1]


def test_at_least_so_many_stay():
    keep = keep_channels({"a": np.arange(8.0), "b": np.arange(2.0)}, sparsity=0.9, least=3)
    assert [kept.sum() for kept in keep.values()] == [3, 2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"sparsity": 80}, r"Did you mean 0\.8\?"),
        ({"sparsity": 1.0}, r"fraction in \[0, 1\)"),
        ({"sparsity": 0.5, "scope": "local"}, "'uniform' or 'global'"),
        ({"sparsity": 0.5, "multiple_of": 0}, "multiple_of is a whole number"),
        ({"sparsity": 0.5, "least": 1.5}, "least is a whole number"),
        ({"sparsity": 0.5, "scores": {}}, "scores is empty"),
        ({"sparsity": 0.5, "scores": {"a": [np.nan]}}, "finite numbers"),
        ({"sparsity": 0.5, "scores": {"a": [[1.0]]}}, r"shape \(size,\)"),
    ],
)
def test_bad_arguments_name_the_rule(arguments, said):
    scores = arguments.pop("scores", {"a": [1.0, 2.0]})
    with pytest.raises(ValueError, match=said):
        keep_channels(scores, **arguments)


def test_a_group_whose_members_disagree_cannot_be_made():
    member = Member(layer="a", side="out", places=((0,), (1,)))
    with pytest.raises(ValueError, match="number of places of every member"):
        ChannelGroup(name="a", size=3, members=(member,))
    with pytest.raises(ValueError, match="side is 'out' or 'in'"):
        Member(layer="a", side="both", places=((0,),))
