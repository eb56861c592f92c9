"""The contract of every codec: what goes in comes out, bit for bit, and every bit has a name."""

import array
import json
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nncourse.codecs import CODECS, CodecError, codec_of, get_codec
from nncourse.codecs.codec import PARTS
from nncourse.codecs.frame import MAX_AXES, SYMBOLS_PER_BYTE, open_frame, varint

INTEGER_CODECS = [name for name in CODECS if name != "float"]
DTYPES = ["u1", "i1", "<u2", "<i2", ">u2", ">i2"]

any_codec = pytest.mark.parametrize("name", INTEGER_CODECS)


def fibonacci(num_symbols):
    counts = [1, 1]
    while len(counts) < num_symbols:
        counts.append(counts[-1] + counts[-2])
    return np.repeat(np.arange(num_symbols), counts)


def odd_arrays():
    rng = np.random.default_rng(0)
    grid = rng.integers(0, 16, (6, 10, 4), dtype=np.uint8)
    return {
        "empty": np.zeros(0, np.uint8),
        "an axis of length 0": np.zeros((3, 0, 2), np.int16),
        "no axis": np.array(-7, np.int8),
        "one item": np.array([65535], np.uint16),
        "one symbol": np.full(1000, 200, np.uint8),
        "all zero": np.zeros((100, 100), np.int16),
        "more zeros than a body could spell out": np.zeros(10**6, np.uint8),
        "two extremes": np.array([-32768, 32767, -32768], np.int16),
        "every symbol of 16 bits": rng.permutation(2**16).astype(np.uint16),
        "Fibonacci counts": rng.permutation(fibonacci(22)).astype(np.uint8),
        "zeros at the end": np.array([1, 0, 0, 0, 0, 0], np.int8),
        "zeros first": np.array([*[0] * 300, 5], np.uint8),
        "strided": grid[::2, ::-3, 1],
        "columns first": np.asfortranarray(grid),
        "other byte order": rng.integers(-300, 300, 500).astype(">i2"),
        "seldom symbols": np.where(rng.random(5000) < 0.001, 7, 0).astype(np.uint8),
        "noise": rng.integers(0, 256, 5000, dtype=np.uint8),
        "read only": np.frombuffer(bytes(range(100)), np.uint8),
        "geometric": np.minimum(rng.geometric(0.4, 4096), 255).astype(np.uint8),
    }


ODD = odd_arrays()


def assert_same(decoded, given_array):
    assert isinstance(decoded, np.ndarray)
    assert decoded.dtype == given_array.dtype
    assert decoded.dtype.byteorder == given_array.dtype.byteorder
    assert decoded.shape == given_array.shape
    np.testing.assert_array_equal(decoded, given_array)


@any_codec
@pytest.mark.parametrize("kind", ODD)
def test_odd_arrays_come_back(name, kind):
    codec = get_codec(name)
    kept = ODD[kind].copy()
    data = codec.encode(ODD[kind])
    assert_same(codec.decode(data), ODD[kind])
    np.testing.assert_array_equal(ODD[kind], kept)


@any_codec
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_array_of_8_or_16_bits_comes_back(name, data):
    dtype = data.draw(st.sampled_from(DTYPES))
    shape = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9)
    values = data.draw(arrays.arrays(dtype, shape))
    codec = get_codec(name)
    assert_same(codec.decode(codec.encode(values)), values)


@any_codec
@pytest.mark.parametrize("kind", ODD)
def test_every_bit_has_a_name(name, kind):
    codec = get_codec(name)
    data = codec.encode(ODD[kind])
    sizes = codec.sizes(data)
    assert tuple(sizes) == PARTS
    assert min(sizes.values()) >= 0
    assert sum(sizes.values()) == 8 * len(data)


@any_codec
def test_what_is_decoded_can_be_written_to(name):
    codec = get_codec(name)
    decoded = codec.decode(codec.encode(np.array([[1, 2], [3, 0]], np.int16)))
    decoded[0, 0] = 9
    assert decoded[0, 0] == 9


@any_codec
def test_bytes_in_bytes_out(name):
    codec = get_codec(name)
    for raw in (b"", b"a", b"abracadabra" * 50):
        assert codec.decode(codec.encode(raw)) == raw
        assert codec.decode(codec.encode(bytearray(raw))) == raw
        assert codec.decode(codec.encode(memoryview(raw))) == raw
    assert codec.decode(codec.encode(array.array("b", [1, -2]))) == b"\x01\xfe"


@any_codec
def test_streams_are_read_from_any_buffer(name):
    codec, values = get_codec(name), np.array([3, 0, 0, 1], np.int8)
    data = codec.encode(values)
    for stream in (bytearray(data), memoryview(data), np.frombuffer(data, np.uint8)):
        assert_same(codec.decode(stream), values)
        assert codec.sizes(stream) == codec.sizes(data)


@any_codec
def test_decoding_into_a_given_buffer(name):
    codec, values = get_codec(name), np.arange(12, dtype=">i2").reshape(3, 4)
    data = codec.encode(values)
    out = np.empty_like(values)
    assert codec.decode(data, out=out) is out
    np.testing.assert_array_equal(out, values)
    raw = bytearray(values.nbytes)
    codec.decode(data, out=raw)
    assert bytes(raw) == values.tobytes()
    with pytest.raises(ValueError, match="out takes 23 bytes, and 24 are decoded"):
        codec.decode(data, out=bytearray(23))
    with pytest.raises(ValueError, match="can be written"):
        codec.decode(data, out=bytes(24))


@any_codec
@pytest.mark.parametrize(
    ("values", "hint"),
    [
        (np.zeros(3, np.int32), "astype"),
        (np.zeros(3, np.float32), 'get_codec\\("float"\\)'),
        (np.zeros(3, bool), "view"),
        (np.array(["a"]), "astype"),
        (np.array([None]), "astype"),
    ],
)
def test_other_dtypes_are_refused_with_the_way_out(name, values, hint):
    with pytest.raises(ValueError, match=f"integers of 8 or 16 bits; got .*{hint}"):
        get_codec(name).encode(values)


@any_codec
def test_what_is_no_array_is_refused(name):
    with pytest.raises(ValueError, match=r"data is an array or bytes; got list: np\.asarray"):
        get_codec(name).encode([1, 2, 3])


@any_codec
def test_an_instance_with_other_parameters_decodes(name):
    other = {
        "huffman": {"max_len": 16, "streams": 1, "restart": 64},
        "rans": {"table_bits": 16},
        "runlength": {"gap_bits": 3},
        "zstd": {"level": 9},
    }.get(name, {})
    values = ODD["geometric"]
    assert_same(get_codec(name).decode(get_codec(name, **other).encode(values)), values)
    assert_same(
        codec_of(get_codec(name).encode(values)).decode(get_codec(name).encode(values)), values
    )


@any_codec
def test_equal_arrays_give_equal_streams(name):
    values = ODD["geometric"]
    assert get_codec(name).encode(values) == get_codec(name).encode(values.copy())


# --- damage -------------------------------------------------------------------------------------------


def resealed(data):
    """The stream with a checksum that fits again; None if its header does not end."""
    position = 6
    for _ in range(data[5] + 1):
        while position < len(data) and data[position] & 128:
            position += 1
        position += 1
    if position > len(data):
        return None
    head, tail = bytes(data[:position]), bytes(data[position + 4 :])
    return head + zlib.crc32(tail, zlib.crc32(head)).to_bytes(4, "little") + tail


@any_codec
@pytest.mark.parametrize("kind", ["geometric", "no axis", "other byte order", "empty"])
def test_every_truncation_is_found(name, kind):
    codec = get_codec(name)
    data = codec.encode(ODD[kind][:200] if ODD[kind].ndim else ODD[kind])
    for length in range(len(data)):
        with pytest.raises(CodecError):
            codec.decode(data[:length])


@any_codec
def test_every_flipped_bit_is_found(name):
    codec = get_codec(name)
    data = codec.encode(ODD["geometric"][:100])
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CodecError):
            codec.decode(damaged)
        with pytest.raises(CodecError):
            codec.sizes(damaged)


@any_codec
@pytest.mark.parametrize("slack", [b"\0", b"\xff", b"NC", bytes(100)])
def test_bytes_after_the_stream_are_found(name, slack):
    codec = get_codec(name)
    with pytest.raises(CodecError):
        codec.decode(codec.encode(ODD["geometric"]) + slack)


@any_codec
@pytest.mark.parametrize("stream", [b"", b"N", b"NC", b"PK\3\4", bytes(50), b"NC" + b"\xff" * 60])
def test_foreign_bytes_are_found(name, stream):
    with pytest.raises(CodecError):
        get_codec(name).decode(stream)
    with pytest.raises(CodecError):
        get_codec(name).sizes(stream)


@any_codec
@pytest.mark.parametrize("stream", [5, 10**15, None, "NC", 1.5])
def test_what_is_no_buffer_is_told_so(name, stream):
    with pytest.raises(CodecError, match="a stream is bytes; got"):
        get_codec(name).decode(stream)


@any_codec
def test_streams_of_another_codec_are_told_apart(name):
    other = "zstd" if name != "zstd" else "fixed"
    data = get_codec(other).encode(ODD["geometric"])
    with pytest.raises(CodecError, match="written by codec number"):
        get_codec(name).decode(data)


@any_codec
def test_a_header_cannot_ask_for_a_large_array(name):
    codec = get_codec(name)
    data = bytearray(codec.encode(np.arange(100, dtype=np.uint8)))
    assert data[5:7] == b"\x01\x64"
    for length in (2**28, 2**31, 2**40, 2**62):
        asked = bytes(data[:6]) + varint(length) + bytes(data[7:])
        with pytest.raises(CodecError):
            codec.decode(resealed(asked))


@any_codec
def test_damage_under_a_fitting_checksum_raises_or_keeps_the_declared_form(name):
    codec, rng = get_codec(name), np.random.default_rng(1)
    for kind in ("geometric", "other byte order", "seldom symbols"):
        data = codec.encode(ODD[kind][:300])
        for _ in range(300):
            damaged = bytearray(data)
            for _ in range(rng.integers(1, 4)):
                damaged[rng.integers(2, len(damaged))] = rng.integers(0, 256)
            sealed = resealed(damaged)
            if sealed is None:
                continue
            try:
                decoded = codec.decode(sealed)
            except CodecError:
                continue
            form = open_frame(sealed).form
            assert memoryview(decoded).nbytes == form.count * form.dtype.itemsize


# --- the envelope -------------------------------------------------------------------------------------


def test_the_envelope_is_written_as_its_table_says():
    data = get_codec("fixed").encode(np.array([[1, 2, 3]], dtype="<u2"))
    head = bytes([ord("N"), ord("C"), 1, 1, 3, 2, 1, 3, 0])
    assert data[:9] == head
    assert int.from_bytes(data[9:13], "little") == zlib.crc32(data[13:], zlib.crc32(head))


def test_a_row_of_zeros_takes_a_byte_for_65536_of_them():
    for name in INTEGER_CODECS:
        data = get_codec(name).encode(np.zeros(2**24, np.uint8))
        assert len(data) >= 2**24 / SYMBOLS_PER_BYTE


def test_more_axes_than_an_array_may_have_are_damage():
    data = get_codec("fixed").encode(np.zeros((1,) * MAX_AXES, np.uint8))
    asked = data[:5] + bytes([MAX_AXES + 1]) + b"\1" + data[6:]
    with pytest.raises(CodecError, match="33 axes"):
        get_codec("fixed").decode(resealed(asked))


def test_numbers_are_written_in_their_shortest_form_only():
    data = get_codec("fixed").encode(np.zeros(5, np.uint8))
    longer = data[:6] + b"\x85\x00" + data[7:]
    with pytest.raises(CodecError, match="more bytes than it needs"):
        get_codec("fixed").decode(longer)
    with pytest.raises(ValueError, match="value is from 0"):
        varint(-1)


# --- names and parameters -----------------------------------------------------------------------------


def test_unknown_names_and_parameters_are_told_what_exists():
    with pytest.raises(ValueError, match=r"name is one of fixed, huffman, rans, .*; got 'gzip'"):
        get_codec("gzip")
    with pytest.raises(ValueError, match="zstd has these parameters: level; got speed"):
        get_codec("zstd", speed=1)
    with pytest.raises(ValueError, match="level is from 1 to 22; got 23"):
        get_codec("zstd", level=23)


@pytest.mark.parametrize("name", CODECS)
def test_a_configuration_survives_json(name):
    codec = get_codec(name)
    config = json.loads(json.dumps(codec.get_config()))
    assert config["id"] == codec.codec_id == f"nncourse.{name}"
    assert type(codec).from_config(config) == codec
    assert eval(repr(codec), {type(codec).__name__: type(codec)}) == codec


# --- inside numcodecs and zarr ------------------------------------------------------------------------

NUMCODECS_ARRAYS = [
    np.arange(1000, dtype="u1"),
    np.arange(-500, 500, dtype="<i2").reshape(10, 100, order="F"),
    np.random.default_rng(0).normal(0, 20, 1000).astype("i1").reshape(10, 10, 10),
    np.random.default_rng(0).integers(0, 2**16, 1000).astype(">u2").reshape(100, 10, order="F"),
]


@any_codec
def test_the_helpers_of_numcodecs_own_tests_pass(name):
    pytest.importorskip("numcodecs")
    from numcodecs.tests import common

    codec = get_codec(name)
    for values in NUMCODECS_ARRAYS:
        common.check_encode_decode(values, codec)
        common.check_encode_decode_array(np.ascontiguousarray(values), codec)
    common.check_config(codec)


@any_codec
@pytest.mark.filterwarnings("ignore:.*not.*specification:UserWarning")
def test_a_zarr_array_is_compressed_with_it(name):
    zarr = pytest.importorskip("zarr")
    values = np.random.default_rng(0).geometric(0.5, (60, 50)).astype(np.int16)
    store = zarr.storage.MemoryStore()
    stored = zarr.create_array(
        store,
        shape=values.shape,
        dtype="i2",
        chunks=(20, 25),
        zarr_format=2,
        compressors=get_codec(name),
    )
    stored[:] = values
    np.testing.assert_array_equal(zarr.open_array(store, mode="r")[:], values)
