"""The codec bench prints every promised ratio beside its target; no test here looks at a real time."""

import numpy as np
import pytest

from nncourse import bench_codecs
from nncourse.bench_codecs import Measured
from nncourse.codecs import CodecError, get_codec
from nncourse.entropy import entropy
from nncourse.unchecked_huffman import unchecked

PROMISED = [
    "Huffman size / entropy",
    "Huffman bits (floor 1)",
    "Huffman size / zstd",
    "Huffman decode speed / zstd",
    "Huffman encode speed / zstd",
    "rANS size / entropy",
    "adaptive size / entropy",
    "time with checks / without",
    "CSR product time / scipy",
    "run-length decode time / fill",
]
STREAMS = ["pruned 4-bit", "4-bit", "5-bit", "8-bit", "zero runs", "int8 weights", "bf16 exponents"]


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(bench_codecs, "NUM_SYMBOLS", 20_000)
    monkeypatch.setattr(bench_codecs, "NUM_POSITIONS", 20_000)
    monkeypatch.setattr(bench_codecs, "NUM_TURNS", 1)


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_the_table_holds_every_promised_row_of_every_stream(capsys):
    assert bench_codecs.main() == 0
    printed = capsys.readouterr().out
    assert not [what for what in PROMISED if what not in printed]
    assert not [name for name in STREAMS if f"\n{name}" not in printed]
    assert "targets met" in printed.splitlines()[-1]


def test_a_target_is_met_or_missed_or_not_there():
    assert Measured(stream="s", what="w", value=1.02, most=1.02).is_met is True
    assert Measured(stream="s", what="w", value=1.03, most=1.02).is_met is False
    assert Measured(stream="s", what="w", value=1.6, least=1.5).is_met is True
    assert Measured(stream="s", what="w", value=1.4, least=1.5).is_met is False
    free = Measured(stream="s", what="w", value=1.4)
    assert (free.is_met, free.target) == (None, "")


def test_a_speed_is_the_median_over_turns_of_the_peers_time_over_ours():
    seconds = {"decode": [1.0, 2.0, 4.0], "zstd decode": [3.0, 2.0, 8.0]}
    row = bench_codecs._speed("s", "decode", "zstd decode", seconds, 1.5)
    assert (row.what, row.value, row.is_met) == ("Huffman decode speed / zstd", 2.0, True)


def test_calls_are_timed_in_turn_after_one_that_does_not_count():
    called = []
    calls = {"a": lambda: called.append("a"), "b": lambda: called.append("b")}
    seconds = bench_codecs.in_turn(calls, num_turns=2)
    assert called == ["a", "b"] * 3
    assert {name: len(row) for name, row in seconds.items()} == {"a": 2, "b": 2}


def test_streams_are_drawn_again_as_they_were_and_have_the_entropies_of_their_kinds():
    drawn, again = bench_codecs.streams(50_000), bench_codecs.streams(50_000)
    assert list(drawn) == list(again)
    for name, symbols in drawn.items():
        np.testing.assert_array_equal(symbols, again[name])
    bits = {name: entropy(symbols) for name, symbols in drawn.items()}
    assert bits["pruned 4-bit indices"] < 1
    assert 4 < bits["zero runs"] < 5
    assert 2 < bits["bf16 exponents"] < 3
    assert np.mean(drawn["pruned 4-bit indices"] == 0) == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize("kind", ["pruned 4-bit indices", "int8 weights"])
def test_without_checks_the_same_symbols_are_read_and_damage_is_not_seen(kind):
    symbols = bench_codecs.streams(20_000)[kind]
    codec = get_codec("huffman")
    with unchecked():
        bare = codec.encode(symbols)
        np.testing.assert_array_equal(codec.decode(bare), symbols)
    with pytest.raises(CodecError, match="checksum"):
        codec.decode(bare)


@pytest.mark.usefixtures("small")
def test_without_constriction_its_rows_are_left_out(monkeypatch):
    monkeypatch.setattr(bench_codecs, "find_spec", lambda name: None)
    symbols = bench_codecs.streams(20_000)["4-bit indices"]
    rows = [row.what for row in bench_codecs.size_and_speed("4-bit indices", symbols)]
    assert rows
    assert not [what for what in rows if "constriction" in what]
