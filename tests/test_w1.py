"""The machine that reads Deep Compression's file: every byte counts, and so does every entry."""

import pytest

from nncourse.accelerator import EDGE, gemms
from nncourse.experiments import compressed_file, deep_compression, w1
from nncourse.scorecard import scorecard
from nncourse.zoo import checkpoints, networks


@pytest.fixture(scope="module")
def coded():
    """The stored example of LeNet-5 in the paper's own form."""
    return w1.huffman_form()


def dense_card(batch=1):
    layers = gemms(checkpoints.load_pretrained("lenet-5"), networks.example_input("lenet-5"))
    machine = EDGE.with_datapath("fp32")
    return scorecard(layers, machine, stored_bytes=1_724_610, bits="fp32", batch=batch)


def test_the_six_numbers_count_the_whole_file(coded):
    _, card = w1.all_three(coded)
    assert card.storage_bytes == len(coded)


def test_the_paper_s_form_holds_what_the_stored_example_holds(coded):
    example = compressed_file.shared_of(deep_compression.example("lenet-5"))
    for name, tensor in compressed_file.shared_of(coded).items():
        assert (tensor.weights == example[name].weights).all()
    assert len(coded) > len(deep_compression.example("lenet-5"))


def test_one_entry_a_cycle_limits_the_machine(coded):
    machine, card = w1.all_three(coded)
    kept = sum(int(one.mask.sum()) for one in compressed_file.shared_of(coded).values())
    size = sum(one.mask.size for one in compressed_file.shared_of(coded).values())
    # A kept weight is two bytes on the chip, and its mask a bit for every weight; fillers add entries.
    per_entry = (2 * kept + size / 8) / kept
    assert 0.7 * per_entry < machine.decoder.bytes_per_cycle <= per_entry
    assert card.latency_s * machine.clock_hz > kept


def test_a_batch_takes_away_most_of_what_fewer_bytes_gain_in_time(coded):
    def faster(batch):
        return dense_card(batch).latency_s / w1.all_three(coded, batch=batch)[1].latency_s

    assert faster(1) > 2 * faster(64)
