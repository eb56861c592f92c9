"""A hundred thousand damaged streams for every codec, and proof that the fuzzer would notice a fault."""

import os
import random
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from nncourse import fuzz
from nncourse.bitstream import CodecError
from nncourse.codecs import CODECS, get_codec
from nncourse.codecs.frame import open_frame, varint

TARGETS = fuzz.targets()


@pytest.mark.parametrize("name", CODECS)
def test_a_hundred_thousand_damaged_streams_are_refused_or_keep_their_form(name):
    tally = fuzz.fuzz(TARGETS[name], streams=100_000)
    assert tally.refused + tally.decoded == 100_000
    assert tally.refused >= 50_000  # all that kept their old checksum
    assert tally.decoded > 0  # some damage passes a repaired one: the decoder itself was reached


@pytest.mark.parametrize("name", TARGETS)
def test_another_seed_finds_no_fault_either(name):
    tally = fuzz.fuzz(TARGETS[name], streams=5_000, seed=1)
    assert tally.decoded > 0


def test_every_codec_and_every_matrix_is_a_target():
    assert set(TARGETS) == {*CODECS, "CSR", "CSC", "Bitmask", "RelativeCSC", "BlockSparse"}


def test_an_axis_of_length_0_does_not_hide_the_others():
    data = get_codec("fixed").encode(np.zeros((0, 5, 5), np.uint8))
    asked = data[:7] + 2 * varint(2**47) + data[9:]
    with pytest.raises(CodecError, match="do not hold"):
        get_codec("fixed").decode(fuzz.repaired_frame(asked))


@pytest.mark.parametrize("name", CODECS)
def test_what_damage_makes_a_decoder_allocate_is_what_it_declares(name):
    target = TARGETS[name]
    for data, _ in fuzz.damaged_streams(target, random.Random(2), 1500):
        try:
            declared = open_frame(data).form
        except CodecError:
            declared_bytes = 0
        else:
            declared_bytes = declared.count * declared.dtype.itemsize
        tracemalloc.start()
        try:
            get_codec(name).decode(data)
        except CodecError:
            pass
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < 64 * 2**20 + 200 * len(data) + 16 * declared_bytes


@pytest.mark.slow
def test_no_kernel_reads_or_writes_out_of_bounds(tmp_path):
    """Compiled anew with numba's bounds checks, which turn what might crash into an IndexError."""
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    code = "import sys; from nncourse import fuzz; sys.exit(fuzz.main(streams=4000, seed=1))"
    finished = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


# --- would the fuzzer notice? -------------------------------------------------------------------------


def planted(read, **kwargs):
    originals = tuple(get_codec("fixed").encode(np.arange(9, dtype=np.uint8) + i) for i in range(3))
    return fuzz.Target(
        name="planted", originals=originals, read=read, repair=fuzz.repaired_frame, **kwargs
    )


def refuse(data):
    raise CodecError("data: no")


def test_a_decoder_that_refuses_everything_passes():
    tally = fuzz.fuzz(planted(refuse), streams=100)
    assert (tally.streams, tally.refused, tally.decoded) == (100, 100, 0)


def test_another_error_is_a_failure_that_holds_the_stream():
    def read(data):
        raise IndexError("list index out of range")

    with pytest.raises(fuzz.FuzzFailure, match=r"planted: IndexError.*: ([0-9a-f]{2})*$"):
        fuzz.fuzz(planted(read), streams=10)


def test_running_out_of_memory_is_a_failure():
    def read(data):
        raise MemoryError

    with pytest.raises(fuzz.FuzzFailure, match="out of memory"):
        fuzz.fuzz(planted(read), streams=10)


def test_a_decoder_that_ignores_its_checksum_fails():
    codec = get_codec("fixed")

    def read(data):
        codec.decode(fuzz.repaired_frame(data) or b"")

    with pytest.raises(fuzz.FuzzFailure, match="damage was not found"):
        fuzz.fuzz(planted(read), streams=500)


def test_a_wrong_form_is_a_failure():
    def read(data):
        assert len(get_codec("fixed").decode(data)) == 9

    with pytest.raises(fuzz.FuzzFailure, match=r"AssertionError|TypeError"):
        fuzz.fuzz(planted(read), streams=20_000)


def test_what_is_asked_aside_is_looked_at_too():
    def sizes(data):
        raise KeyError("payload")

    with pytest.raises(fuzz.FuzzFailure, match="KeyError"):
        fuzz.fuzz(planted(refuse, aside=(sizes,)), streams=20)


def test_the_same_seed_gives_the_same_streams_and_another_one_others():
    def streams(seed):
        return list(fuzz.damaged_streams(TARGETS["huffman"], random.Random(seed), 50))

    assert streams(3) == streams(3)
    assert streams(3) != streams(4)


def test_half_of_the_checksums_are_repaired_and_no_stream_is_an_original():
    target = TARGETS["runlength"]
    streams = list(fuzz.damaged_streams(target, random.Random(0), 2000))
    assert not {data for data, _ in streams} & set(target.originals)
    repaired = [data for data, is_repaired in streams if is_repaired]
    assert 800 < len(repaired) <= 1000
    assert all(fuzz.repaired_frame(data) == data for data in repaired)


def test_a_header_that_does_not_end_has_no_place_for_a_checksum():
    data = get_codec("fixed").encode(b"abc")
    assert fuzz.repaired_frame(data[:10]) is None
    assert fuzz.repaired_frame(b"NC") is None


def test_the_command_prints_a_line_for_every_target_and_ends_with_0(capsys):
    assert fuzz.main(streams=20) == 0
    printed = capsys.readouterr().out
    assert not [name for name in TARGETS if f"{name} " not in printed]


def test_the_command_ends_with_1_after_a_failure(monkeypatch, capsys):
    def read(data):
        raise IndexError

    monkeypatch.setattr("nncourse.fuzz.streams.targets", lambda: {"planted": planted(read)})
    assert fuzz.main(streams=20) == 1
    assert "IndexError" in capsys.readouterr().out


def test_at_least_one_stream_is_asked_for():
    with pytest.raises(ValueError, match="streams is at least 1; got 0"):
        fuzz.fuzz(planted(refuse), streams=0)
