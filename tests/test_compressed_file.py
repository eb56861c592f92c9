"""The five forms of a file: each gives back what it holds, and every byte is accounted for."""

import numpy as np
import pytest

from nncourse.bitstream import CodecError
from nncourse.codecs import get_codec
from nncourse.container import Plain, write
from nncourse.experiments import compressed_file, deep_compression, subject
from nncourse.experiments.compressed_file import (
    FORMS,
    PARTS,
    bytes_by_layer,
    parts,
    restore,
    shared_of,
    store,
)
from nncourse.quantizers.fine_tuning import plain_tensors
from nncourse.quantizers.shared_weights import shared_tensors

NAME = "lenet-300-100"


@pytest.fixture(scope="module")
def network():
    """A network cut to a tenth, its weights as they were and shared, and its shapes."""
    cut = deep_compression.untrained(NAME, 0.1, seed=0)
    model = deep_compression.shared(NAME, cut)
    tensors = subject.tensors(cut.network)
    shapes = {name: value.shape for name, value in tensors.items()}
    return tensors, plain_tensors(model), shared_tensors(model), shapes


@pytest.fixture(scope="module")
def files(network):
    """A file of each form."""
    floats, coded, shared, _ = network
    return {
        form: store(form, floats if form in ("dense", "pruned") else coded, shared)
        for form in FORMS
    }


@pytest.mark.parametrize("form", ["dense", "pruned", "shared", "huffman"])
def test_a_file_gives_back_the_tensors_bit_for_bit(network, files, form):
    floats, coded, _, shapes = network
    found = restore(files[form], shapes)
    expected = floats if form in ("dense", "pruned") else coded
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == np.float32
        assert np.array_equal(found[name], value)


def test_the_adaptive_form_rounds_levels_and_biases_to_half_floats_and_nothing_else(network, files):
    _, coded, shared, shapes = network
    found = restore(files["adaptive"], shapes)
    for name, value in coded.items():
        assert np.array_equal(found[name], value.astype(np.float16).astype(np.float32))
    assert {name: one.mask.sum() for name, one in shared_of(files["adaptive"]).items()} == {
        name: one.mask.sum() for name, one in shared.items()
    }


def test_each_form_is_smaller_than_the_one_before(files):
    sizes = [len(files[form]) for form in FORMS]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == len(FORMS)


@pytest.mark.parametrize("form", FORMS)
def test_every_byte_is_for_something(files, form):
    found = parts(files[form])
    assert tuple(found) == PARTS
    assert min(found.values()) >= 0
    assert sum(found.values()) == len(files[form])
    assert sum(bytes_by_layer(files[form]).values()) == len(files[form])
    assert found["header"] < 250


def test_the_parts_are_those_that_the_form_promises(network, files):
    _, _, shared, _ = network
    levels = sum(one.levels.size for one in shared.values())
    assert parts(files["dense"])["positions"] == 0
    assert parts(files["pruned"])["levels"] == 0
    assert parts(files["shared"])["levels"] == parts(files["huffman"])["levels"] == 4 * levels
    assert parts(files["adaptive"])["levels"] <= 2 * levels
    assert parts(files["adaptive"])["positions"] == 0
    assert parts(files["huffman"])["positions"] < parts(files["shared"])["positions"]


def test_what_was_decoded_and_coded_again_is_the_same_file(network, files):
    *_, shapes = network
    file = files["adaptive"]
    again = store("adaptive", restore(file, shapes), shared_of(file))
    assert again == file


def test_codes_and_levels_come_back_as_they_were(network, files):
    _, _, shared, _ = network
    for name, tensor in shared_of(files["huffman"]).items():
        assert np.array_equal(tensor.weights, shared[name].weights)


def test_a_form_that_is_not_there_and_missing_codes_are_named(network):
    floats, *_ = network
    with pytest.raises(ValueError, match="got 'zip'"):
        store("zip", floats)
    with pytest.raises(ValueError, match="give shared"):
        store("huffman", floats)


def test_gaps_that_do_not_fit_the_values_are_refused():
    fixed = get_codec("fixed")
    file = write(
        {
            "w.kept": Plain(values=np.ones(3, np.float32), codec=fixed),
            "w.gaps": Plain(values=np.ones(2, np.uint8), codec=fixed),
        }
    )
    with pytest.raises(CodecError, match="3 values and 2 gaps"):
        compressed_file.restore(file, {"w": (3, 3)})
