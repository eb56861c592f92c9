"""The .nnc file: every tensor comes back, alone or with the others, and no damage goes unnoticed."""

import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncourse import fuzz
from nncourse.codecs import CodecError, get_codec
from nncourse.codecs.frame import Reader, varint
from nncourse.container import (
    ContainerError,
    Layout,
    Plain,
    Quantized,
    open_container,
    write,
)
from nncourse.quantizers.affine import (
    QParams,
    choose_qparams,
    dequantize,
    from_unsigned,
    quantize,
)
from nncourse.quantizers.codebook import Codebook, fit_codebook

RNG = np.random.default_rng(0)
WEIGHT = RNG.normal(0, 0.05, (30, 40)).astype(np.float32)
MASK = np.abs(WEIGHT) > 0.06
BOOK = fit_codebook(WEIGHT[MASK], 15)
POSITIONS = ["symbols", "relative", "bitmap"]
CODECS = ["fixed", "huffman", "rans", "adaptive", "runlength", "zstd"]

PLAIN = {
    "fp64": RNG.normal(size=(3, 4)),
    "fp32": np.array([0.0, -0.0, np.nan, np.inf, 1e-45], np.float32),
    "fp16": RNG.normal(size=7).astype(np.float16),
    "int64": np.array([-(2**63), 2**63 - 1]),
    "int32": np.array([[1, -2]], np.int32),
    "int16": np.array([-5, 300], np.int16),
    "int8": np.array(3, np.int8),
    "uint8": np.arange(5, dtype=np.uint8),
    "uint16": np.array([65535], np.uint16),
    "uint32": np.array([2**32 - 1], np.uint32),
    "uint64": np.array([2**64 - 1], np.uint64),
    "bool": np.array([[True, False, True]]),
    "nothing": np.zeros((0, 3), np.float32),
    "big-endian": np.arange(3, dtype=">f4"),
}


def small_file():
    return write(
        {
            "weight": Quantized.of(WEIGHT, BOOK, mask=MASK, layout=Layout(positions="relative")),
            "grid": Quantized.of(WEIGHT, choose_qparams(WEIGHT, bits=4, axis=0)),
            "bias": Plain(values=np.arange(3, dtype=np.float32)),
        }
    )


def resealed(data):
    """The file with a checksum of its directory that fits again."""
    reader = Reader(data[:40], 5)
    try:
        length, _ = reader.varint(), reader.varint()
    except CodecError:
        return data
    head = reader.position + length
    return data[:head] + zlib.crc32(data[:head]).to_bytes(4, "little") + data[head + 4 :]


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("codec", [None, "zstd"])
def test_plain_tensors_come_back_bit_for_bit(kind, codec):
    values = PLAIN[kind]
    data = write({kind: Plain(values=values, codec=codec and get_codec(codec))})
    found = open_container(data).tensor(kind)
    assert found.shape == values.shape
    assert found.dtype.newbyteorder("<") == values.dtype.newbyteorder("<")
    little = values.astype(values.dtype.newbyteorder("<"))
    assert found.astype(found.dtype.newbyteorder("<")).tobytes() == little.tobytes()


def test_bfloat16_goes_in_as_bits_and_comes_out_as_numbers():
    values = np.array([1.0, -2.5, 0.0], np.float32)
    patterns = (values.view(np.uint32) >> 16).astype(np.uint16)
    container = open_container(write({"x": Plain(values=patterns, dtype="bf16")}))
    np.testing.assert_array_equal(container.tensor("x"), values)
    np.testing.assert_array_equal(container.stored("x").values, patterns)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("positions", POSITIONS)
def test_pruned_and_shared_weights_come_back(positions, codec):
    layout = Layout(codec=get_codec(codec), positions=positions)
    stored = Quantized.of(WEIGHT, BOOK, mask=MASK, layout=layout)
    container = open_container(write({"w": stored}))
    expected = np.where(MASK, BOOK.lookup(BOOK.assign(WEIGHT)), 0).astype(np.float32)
    np.testing.assert_array_equal(container.tensor("w"), expected)
    assert container.stored("w").layout.positions == positions
    np.testing.assert_array_equal(container.stored("w").mask, MASK)


@pytest.mark.parametrize("positions", POSITIONS)
def test_a_kept_weight_whose_level_is_zero_stays_apart_from_a_dropped_one(positions):
    book = Codebook(np.array([-1.0, 0.0, 1.0], np.float32))
    values, mask = np.array([[0.0, 0.0, 1.0, -1.0]]), np.array([[True, False, True, True]])
    stored = Quantized.of(values, book, mask=mask, layout=Layout(positions=positions))
    np.testing.assert_array_equal(open_container(write({"w": stored})).stored("w").mask, mask)


@pytest.mark.parametrize("scheme", ["symmetric", "asymmetric"])
@pytest.mark.parametrize("options", [{}, {"axis": 0}, {"axis": 1}, {"group_size": 8}])
@pytest.mark.parametrize("bits", [2, 4, 8, 16])
@pytest.mark.parametrize("masked", [False, True])
def test_grids_come_back(scheme, options, bits, masked):
    if masked and bits == 16 and scheme == "asymmetric":
        with pytest.raises(ValueError, match="at most 65535 codes"):
            Quantized.of(WEIGHT, choose_qparams(WEIGHT, bits=16, scheme=scheme), mask=MASK)
        return
    grid = choose_qparams(WEIGHT, bits=bits, scheme=scheme, **options)
    stored = Quantized.of(WEIGHT, grid, mask=MASK if masked else None)
    found = open_container(write({"w": stored})).tensor("w")
    expected = dequantize(quantize(WEIGHT, grid), grid)
    np.testing.assert_array_equal(found, np.where(MASK, expected, 0) if masked else expected)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_mask_comes_back(data):
    shape = data.draw(st.sampled_from([(1,), (7,), (3, 5), (2, 3, 2, 2)]))
    size = int(np.prod(shape))
    codes = np.array(data.draw(st.lists(st.integers(0, 14), min_size=size, max_size=size)))
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)))
    layout = Layout(
        positions=data.draw(st.sampled_from(POSITIONS)),
        gap_bits=data.draw(st.integers(1, 16)),
        codec=get_codec(data.draw(st.sampled_from(CODECS))),
        index_codec=get_codec(data.draw(st.sampled_from(CODECS))),
    )
    stored = Quantized(
        codes=codes.astype(np.uint8).reshape(shape),
        grid=BOOK,
        mask=mask.reshape(shape),
        layout=layout,
    )
    found = open_container(write({"w": stored})).stored("w")
    np.testing.assert_array_equal(found.decoded(), stored.decoded())


def test_levels_of_sixteen_bits_take_two_bytes():
    halves = Codebook(BOOK.levels.astype(np.float16).astype(np.float32))
    sizes = [len(write({"w": Quantized.of(WEIGHT, book, mask=MASK)})) for book in (BOOK, halves)]
    assert abs(sizes[0] - sizes[1] - 2 * BOOK.levels.size) <= 8


def test_a_large_tensor_without_a_kept_weight_stays_small_and_comes_back():
    mask = np.zeros((4096, 1024), bool)
    layout = Layout(positions="relative")
    stored = Quantized(codes=np.zeros(mask.shape, np.uint8), grid=BOOK, mask=mask, layout=layout)
    data = write({"w": stored})
    assert len(data) < 600
    assert not open_container(data).tensor("w").any()


def test_one_tensor_is_read_without_the_others(tmp_path):
    data = bytearray(small_file())
    container = open_container(bytes(data))
    bias = container.tensor("bias")
    # what belongs to the other two is overwritten
    path = tmp_path / "x.nnc"
    first = container.header_bytes
    damaged = bytes(data[:first]) + bytes(
        len(data) - first - sum(container.record("bias").lengths.values())
    )
    path.write_bytes(damaged + bytes(data[len(damaged) :]))
    np.testing.assert_array_equal(open_container(path).tensor("bias"), bias)
    with pytest.raises(ContainerError, match="weight: "):
        open_container(path).tensor("weight")


def test_path_and_bytes_are_the_same(tmp_path):
    path = tmp_path / "x.nnc"
    path.write_bytes(small_file())
    for name, values in open_container(path).tensors().items():
        np.testing.assert_array_equal(values, open_container(small_file()).tensor(name))


def test_every_byte_is_in_the_ledger_and_in_the_table():
    data = small_file()
    container = open_container(data)
    assert container.ledger(baseline_bytes=2 * WEIGHT.nbytes).total_bytes == len(data)
    table = container.table()
    assert table["bytes"].sum() == len(data)
    parts = ["payload", "codebook", "index", "padding", "header"]
    np.testing.assert_allclose(table[parts].sum(axis=1), table["bytes"])


def test_a_grid_with_zero_points_that_counts_from_elsewhere_keeps_its_values():
    scale, zero_point = np.float32([0.5, 2.0]), np.int32([3, -8])
    grid = QParams(scale=scale, zero_point=zero_point, qmin=-8, qmax=7, axis=-2)
    codes = np.arange(16, dtype=np.uint8).reshape(2, 8)
    expected = dequantize(from_unsigned(codes, grid), grid)
    stored = Quantized(codes=codes, grid=grid)
    np.testing.assert_array_equal(open_container(write({"w": stored})).tensor("w"), expected)


def test_a_grid_for_another_shape_is_refused_before_it_is_written():
    grid = choose_qparams(WEIGHT, bits=4, axis=0)
    with pytest.raises(
        ValueError, match=r"shape \(40, 30\) have steps of shape \(40,\); .* \(30,\)"
    ):
        Quantized(codes=np.zeros((40, 30), np.uint8), grid=grid)


def test_equal_tensors_give_equal_files():
    assert small_file() == small_file()


def test_a_file_with_six_small_tensors_has_a_small_directory():
    tensors = {f"fc{i}.bias": Plain(values=np.zeros(10, np.float32)) for i in range(1, 7)}
    assert open_container(write(tensors)).header_bytes < 6 * 20


# --- damage -------------------------------------------------------------------------------------------


def test_every_truncation_and_extension_is_found():
    data = small_file()
    for length in range(len(data)):
        with pytest.raises(ContainerError):
            open_container(data[:length]).tensors()
    with pytest.raises(ContainerError, match="truncated or extended"):
        open_container(data + b"\0")


def test_every_flipped_bit_is_found():
    data = small_file()
    for byte in range(len(data)):
        damaged = bytearray(data)
        damaged[byte] ^= 1 << byte % 8
        with pytest.raises(ContainerError):
            open_container(bytes(damaged)).tensors()


def repaired(data):
    """The file with checksums that fit, of its directory and of its streams."""
    data = resealed(data)
    try:
        container = open_container(data)
    except ContainerError:
        return data
    streams = [s for name in container for s in container._streams(container.record(name)).values()]
    return data[: container.header_bytes] + b"".join(
        fuzz.repaired_frame(stream) or stream for stream in streams
    )


def rebuilt(records, streams):
    """A file with the checksums that belong to it."""
    directory = b"".join(record.write() for record in records)
    head = b"NNC\x1a\x01" + varint(len(directory)) + varint(len(records)) + directory
    return head + zlib.crc32(head).to_bytes(4, "little") + b"".join(streams)


def read_whole(data):
    """Reads a file in both ways; they agree on what can be read."""
    container = open_container(data)
    stored = {name: container.stored(name) for name in container}
    values = container.tensors()
    for name in container:
        assert stored[name].shape == values[name].shape == container.record(name).shape
        # 65,536 symbols a byte at most, whatever the directory says.
        assert values[name].size <= 65_536 * len(data)


FUZZED = fuzz.Target(
    name="container",
    originals=tuple(
        write(
            {
                "a": Quantized.of(
                    WEIGHT[:4, :9], BOOK, mask=MASK[:4, :9], layout=Layout(positions=positions)
                ),
                "b": Quantized.of(WEIGHT[:4, :8], choose_qparams(WEIGHT[:4, :8], **options)),
                "c": Plain(values=PLAIN[kind]),
            }
        )
        for positions, options, kind in [
            ("symbols", {"bits": 4, "axis": 0}, "fp32"),
            ("relative", {"bits": 4, "scheme": "asymmetric", "group_size": 4}, "int64"),
            ("bitmap", {"bits": 9}, "bool"),
        ]
    ),
    read=read_whole,
    aside=(lambda data: open_container(data).table(),),
    repair=repaired,
)


def test_damaged_files_are_refused_or_hold_what_they_declare():
    tally = fuzz.fuzz(FUZZED, streams=20_000)
    assert tally.refused + tally.decoded == 20_000
    assert tally.refused >= 10_000  # all that kept their old checksums
    assert tally.decoded > 500  # the readers of streams were reached


@pytest.mark.parametrize("shape", [(0, 2**62), (2**62, 0, 5), (2**31, 2**31), (2**63 - 1,)])
@pytest.mark.parametrize("values", [np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)])
def test_a_directory_cannot_ask_for_a_shape_beyond_all_memory(shape, values):
    container = open_container(write({"x": Plain(values=values)}))
    record = replace(container.record("x"), shape=shape)
    with pytest.raises(ContainerError):
        read_whole(rebuilt([record], container._streams(record).values()))


@pytest.mark.parametrize(
    "change",
    [
        {"axis": None},
        {"axis": 1},
        {"group_size": 3},
        {"group_size": 2**62},
        {"group_size": 8},
        {"qmin": -(2**23)},
        {"qmax": 2**23 - 1},
        {"qmin": 5, "qmax": 3},
        {"shape": (40, 30)},
        {"shape": (1200,)},
    ],
)
def test_a_grid_that_does_not_fit_its_tensor_is_damage(change):
    grid = choose_qparams(WEIGHT, bits=4, axis=0)
    container = open_container(write({"x": Quantized.of(WEIGHT, grid)}))
    record = replace(container.record("x"), **change)
    with pytest.raises(ContainerError):
        read_whole(rebuilt([record], container._streams(record).values()))


@pytest.mark.parametrize(
    "source", [b"", b"NNC", b"NNC\x1a", b"NNC\x1a\x02\0\0", b"PK\3\4" * 9, bytes(99), 7, None]
)
def test_foreign_sources_are_told_so(source):
    with pytest.raises(ContainerError):
        open_container(source)


def test_a_directory_cannot_ask_for_more_than_the_file_has():
    for length, count in [(2**40, 1), (3, 2**40), (0, 1)]:
        head = b"NNC\x1a\x01" + varint(length) + varint(count)
        with pytest.raises(ContainerError):
            open_container(head + zlib.crc32(head).to_bytes(4, "little"))


def test_a_name_that_is_not_there_is_told_what_is():
    with pytest.raises(KeyError, match="no tensor is called 'x'; the file has weight, grid, bias"):
        open_container(small_file()).tensor("x")


def test_a_container_error_is_a_codec_error():
    assert issubclass(ContainerError, CodecError)


# --- what goes in -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: Plain(values=np.array(["a"])), "values are fp64, .*; got <U1"),
        (lambda: Plain(values=np.zeros(2, np.float32), dtype="bf16"), "'bf16' is held by <u2"),
        (lambda: Quantized(codes=np.zeros(3), grid=BOOK), "codes are uint8 or uint16; got float64"),
        (lambda: Quantized(codes=np.full(3, 15, np.uint8), grid=BOOK), "codes are below 15"),
        (
            lambda: Quantized(codes=np.zeros(3, np.uint8), grid=BOOK, mask=np.ones(2, bool)),
            "mask is boolean, in the shape of codes",
        ),
        (
            lambda: Layout(positions="csr"),
            "positions is one of symbols, relative, bitmap; got 'csr'",
        ),
        (lambda: Layout(gap_bits=17), "gap_bits is a whole number from 1 to 16; got 17"),
        (lambda: Layout(codec="huffman"), "such as get_codec\\(\"huffman\"\\); got 'huffman'"),
        (lambda: Layout(codec=get_codec("float")), "float is for tensors stored as they are"),
    ],
)
def test_bad_input_is_named(make, rule):
    with pytest.raises(ValueError, match=rule):
        make()


def test_an_error_names_the_tensor():
    with pytest.raises(ValueError, match=r"tensors\['x'\], shape \(2,\): data is float16"):
        write({"x": Plain(values=np.zeros(2, np.int8), codec=get_codec("float"))})
