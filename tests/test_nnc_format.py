"""The written format of .nnc files: a reader that knows the appendix and not our code finds the same values.

Below is that reader: the standard library, one function for each paragraph of the appendix, no speed. It
imports nothing of the course; the tests under it do.
"""

import functools
import math
import struct
import zlib

import numpy as np
import pytest
import zstandard

from nncourse.codecs import adaptive_kernels, get_codec
from nncourse.container import ContainerError, Layout, Plain, Quantized, open_container, write
from nncourse.quantizers.affine import choose_qparams
from nncourse.quantizers.codebook import Codebook

# Letters of struct, in the order of the table of types; struct has none for bfloat16.
TYPES = ("d", "f", "e", "bf16", "b", "h", "i", "q", "B", "H", "I", "Q", "?")
ITEMS = {1: "B", 2: "b", 3: "<H", 4: "<h", 5: ">H", 6: ">h"}
ITEMS |= {16: "<e", 17: "<f", 18: "<d", 20: ">e", 21: ">f", 22: ">d"}


class Cursor:
    """A place in a row of bytes."""

    def __init__(self, data):
        self.data, self.place = data, 0

    def take(self, count):
        assert self.place + count <= len(self.data)
        self.place += count
        return self.data[self.place - count : self.place]

    def byte(self):
        return self.take(1)[0]

    def varint(self):
        value, shift = 0, 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def packed(self, width, count):
        """Numbers side by side, least significant bit first."""
        raw = self.take((width * count + 7) // 8)
        number = int.from_bytes(raw, "little")
        assert number >> (width * count) == 0
        return [number >> (width * i) & ((1 << width) - 1) for i in range(count)]

    def rest(self):
        return self.take(len(self.data) - self.place)

    def end(self):
        assert self.place == len(self.data)


# --- streams ------------------------------------------------------------------------------------------


def read_stream(data):
    """Number of the type, shape and items of one stream; items of floats are bit patterns."""
    cursor = Cursor(data)
    assert cursor.take(3) == b"NC\x01"
    codec, kind, num_axes = cursor.byte(), cursor.byte(), cursor.byte()
    shape = [cursor.varint() for _ in range(num_axes)]
    num_spare = cursor.varint()
    head = cursor.place
    (checksum,) = struct.unpack("<I", cursor.take(4))
    rest = cursor.rest()
    assert zlib.crc32(data[:head] + rest) == checksum
    body, spare = rest[: len(rest) - num_spare], rest[len(rest) - num_spare :]
    assert not any(spare)
    count = math.prod(shape)
    letter = ITEMS.get(kind, "B")
    width = 8 * struct.calcsize(letter)
    read = adaptive(shape) if codec == 4 else BODIES[codec]
    symbols = read(Cursor(body), count, width, kind in (2, 4, 6))
    if kind in (2, 4, 6):
        symbols = [symbol - (symbol >> (width - 1) << width) for symbol in symbols]
    assert len(symbols) == count
    return kind, shape, symbols


def fixed(body, count, width, is_signed):
    bits = body.byte()
    least = int.from_bytes(body.take(2), "little", signed=is_signed)
    codes = body.packed(bits, count)
    body.end()
    return [(least + code) % 2**width for code in codes]


def runlength(body, count, width, is_signed):
    gap_bits, num_entries = body.byte(), body.varint()
    gaps = body.packed(gap_bits, num_entries)
    values = fixed(Cursor(body.rest()), num_entries, width, is_signed)
    return spread(values, gaps, count)


def spread(values, gaps, count):
    """Each value behind as many zeros as its gap says."""
    symbols, place = [0] * count, -1
    for value, gap in zip(values, gaps, strict=True):
        place += gap + 1
        symbols[place] = value
    return symbols


def zstd(body, count, width, is_signed):
    raw = zstandard.ZstdDecompressor().decompress(body.rest())
    return list(struct.unpack(f"<{count}{'BH'[width // 8 - 1]}", raw))


def row_of_lengths(body):
    """Symbol and length, of a table of lengths."""
    head = body.byte()
    if head >> 6 == 0:
        first, count = body.varint(), body.varint() + 1
        used = range(first, first + count)
    else:
        used, symbol = [], -1
        for _ in range(body.varint()):
            symbol += body.varint() + 1
            used.append(symbol)
    lengths = body.packed(head & 63, len(used))
    return [(symbol, length) for symbol, length in zip(used, lengths, strict=True) if length]


def huffman(body, count, width, is_signed):
    if not count:
        return []
    lengths = row_of_lengths(body)
    if len(lengths) == 1:
        body.end()
        return [lengths[0][0]] * count
    words, code, longest = {}, 0, max(length for _, length in lengths)
    for length in range(1, longest + 1):
        for symbol, own in lengths:
            if own == length:
                words[length, code] = symbol
                code += 1
        code *= 2
    segment, num_bits = body.varint(), body.varint()
    num_segments = -(-count // segment)
    wholes = [0, *wide_numbers(body, (num_segments - 1) // 16)]
    distances = wide_numbers(body, num_segments - len(wholes))
    begins = []
    for i in range(num_segments):
        begins.append(wholes[i // 16] + (distances[i - i // 16 - 1] if i % 16 else 0))
    bits = body.packed(1, num_bits)
    body.end()
    symbols, place = [], 0
    for i in range(count):
        if i % segment == 0:
            assert begins[i // segment] == place
        length, code = 0, 0
        while (length, code) not in words:
            code, length, place = 2 * code + bits[place], length + 1, place + 1
        symbols.append(words[length, code])
    assert place == num_bits
    return symbols


def wide_numbers(body, count):
    width, values = body.byte(), [0] * count
    for shift in range(0, width, 16):
        for i, part in enumerate(body.packed(min(16, width - shift), count)):
            values[i] |= part << shift
    return values


def rans(body, count, width, is_signed):
    if not count:
        return []
    total_bits, lengths = body.byte(), row_of_lengths(body)
    low = body.packed(1, sum(length - 1 for _, length in lengths))
    owners, place = [], 0
    for symbol, length in lengths:
        digits = low[place : place + length - 1]
        place += length - 1
        frequency = (1 << (length - 1)) + sum(bit << i for i, bit in enumerate(digits))
        owners += [(symbol, frequency, i) for i in range(frequency)]
    assert len(owners) == 1 << total_bits
    if len(lengths) == 1:
        body.end()
        return [lengths[0][0]] * count
    numbers = list(struct.unpack("<4Q", body.take(32)))
    symbols = []
    for i in range(count):
        symbol, frequency, distance = owners[numbers[i % 4] % len(owners)]
        number = frequency * (numbers[i % 4] >> total_bits) + distance
        if number < 2**31:
            number = number << 32 | struct.unpack("<I", body.take(4))[0]
        numbers[i % 4] = number
        symbols.append(symbol)
    body.end()
    assert numbers == [2**31] * 4
    return symbols


def floats(body, count, width, is_signed):
    planes = []
    for _ in range(width // 8):
        codec, length = body.byte(), body.varint()
        plane = body.take(length)
        read = adaptive([count]) if codec == 4 else BODIES.get(codec)
        planes.append(read(Cursor(plane), count, 8, False) if codec else list(plane))
    body.end()
    turned = [int.from_bytes(bytes(item), "big") for item in zip(*planes, strict=True)]
    return [(item >> 1) | (item & 1) << (width - 1) for item in turned]


def adaptive(shape):
    """The reader of an adaptive body of this shape."""

    def read(body, count, width, is_signed):
        if not count:
            return []
        columns = math.prod(shape[1:]) if len(shape) > 1 else count
        largest = body.byte()
        mixer = Mixer(body.rest())
        values = adaptive_values(mixer, count, columns, math.prod(shape[2:]), largest, is_signed)
        mixer.end()
        return [value % 2**width for value in values]

    return read


def adaptive_values(mixer, count, columns, kernel, largest, is_signed):
    values, last, column_means = [], 0, {}

    def at(row, column):
        inside = row >= 0 and 0 <= column < columns
        return values[row * columns + column] if inside else 0

    for index in range(count):
        i, j = divmod(index, columns)
        if j == 0:
            row_mean = None
        left, up, up_up = at(i, j - 1), at(i - 1, j), at(i - 2, j)
        corners = (at(i - 1, j - 1) != 0) + (at(i - 1, j + 1) != 0)
        before = [at(i, j - k) != 0 for k in range(1, 9)]
        flat = (left != 0) + 2 * (up != 0)
        line, row = j % 4096, i % 4096
        channel = j // kernel % 4096 if kernel > 1 else 0
        near = flat + 4 * before[1] + 8 * (up_up != 0) + 16 * corners
        crowd = 4 * sum(before) + (up != 0) + corners
        value = 0
        if not mixer.ask("zero", (0, near, line, crowd, row, channel), flat):
            sign = 1
            if is_signed:
                above = sign_of(up) + 1
                around = 3 * (sign_of(left) + 1) + above
                contexts = (0, around, above, sign_of(last) + 1, row, 0)
                sign = -1 if mixer.ask("negative", contexts, 4) else 1
            contexts = (
                0,
                class_of(8 * (abs(left) + abs(up))),
                abs(last).bit_length() + 18 * (last < 0),
                0 if row_mean is None else class_of(row_mean) + 1,
                class_of(column_means.get(line, 0)),
                0,
            )
            value = last = sign * (magnitude(mixer, largest, contexts) + 1)
        size, mean = 16 * abs(value), column_means.get(line, 0)
        row_mean = size if row_mean is None else row_mean + (size - row_mean >> 3)
        column_means[line] = mean + (size - mean >> 2)
        values.append(value)
    return values


def magnitude(mixer, largest, contexts):
    node, num_bits = 1, largest if largest <= 8 else 5
    for depth in range(num_bits):
        node = 2 * node + mixer.ask(node, contexts, 5 + depth)
    number = node - (1 << num_bits)
    if largest <= 8:
        return number
    length = min(number, largest)
    if length < 2:
        return length
    number = 1
    for depth in range(length - 1):
        if depth < 3:
            bit = mixer.ask(32 + 8 * length + number % 8, contexts, 10 + depth)
        else:
            bit = mixer.answer(32768)
        number = 2 * number + bit
    return number


def sign_of(value):
    return (value > 0) - (value < 0)


def class_of(number):
    length = number.bit_length()
    return number if number < 2 else min(2 * length - 2 + (number >> (length - 2) & 1), 42)


class Mixer:
    """Models, weights and the arithmetic coder behind them."""

    def __init__(self, stream):
        self.stream, self.taken, self.number, self.range = stream, 0, 0, 2**32 - 1
        self.models = [{} for _ in range(6)]
        self.weights = [[65536, *[10000] * 5] for _ in range(13)]
        for _ in range(4):
            self.take_byte()

    def take_byte(self):
        byte = self.stream[self.taken] if self.taken < len(self.stream) else 0
        self.number, self.taken = (self.number << 8 | byte) % 2**32, self.taken + 1

    def end(self):
        behind = self.taken - len(self.stream)
        assert behind == 4 or (0 <= behind < 4 and self.stream[-1])

    def answer(self, probability):
        share = (self.range >> 16) * probability
        is_yes = self.number < share
        if is_yes:
            self.range = share
        else:
            self.number, self.range = self.number - share, self.range - share
        while self.range < 2**24:
            self.range <<= 8
            self.take_byte()
        return int(is_yes)

    def ask(self, question, contexts, place):
        keys = [(question, context) for context in contexts]
        states = [
            model.setdefault(key, [32768, 0]) for model, key in zip(self.models, keys, strict=True)
        ]
        for state in states[1:]:
            if state[1] == 0:
                state[:] = states[0][0], 3
        odds = [stretch(state[0] >> 4) for state in states]
        inputs = [odds[0], *(one - odds[0] for one in odds[1:])]
        weights = self.weights[place]
        mixed = squash(sum(w * x for w, x in zip(weights, inputs, strict=True)) >> 16)
        answer = self.answer(mixed)
        goal = 65536 * answer
        for k, (state, x) in enumerate(zip(states, inputs, strict=True)):
            weights[k] += x * (goal - mixed) + 32768 >> 16
            moved = state[0] + ((goal - state[0]) * (65536 // (state[1] + 2)) >> 16)
            state[:] = min(max(moved, 16), 65520), min(state[1] + 1, 127 if k else 1021)
        return answer


@functools.cache
def stretch(probability):
    if probability == 0:
        return -2047
    return min(max(round(256 * math.log(probability / (4096 - probability))), -2047), 2047)


@functools.cache
def squash(odds):
    odds = min(max(odds, -2047), 2047)
    return min(max(round(65536 / (1 + math.exp(-odds / 256))), 24), 65512)


BODIES = {1: fixed, 2: huffman, 3: rans, 5: runlength, 6: zstd, 7: floats}


# --- the file -----------------------------------------------------------------------------------------


def read_file(data):
    """Shape and values of each tensor, by name."""
    cursor = Cursor(data)
    assert cursor.take(5) == b"NNC\x1a\x01"
    length, count = cursor.varint(), cursor.varint()
    directory = Cursor(cursor.take(length))
    head = cursor.place
    assert cursor.take(4) == struct.pack("<I", zlib.crc32(data[:head]))
    records = [read_record(directory) for _ in range(count)]
    directory.end()
    tensors = {}
    for record in records:
        streams = {role: cursor.take(size) for role, size in record["lengths"].items()}
        assert record["name"] not in tensors
        tensors[record["name"]] = record["shape"], values_of(record, streams)
    cursor.end()
    return tensors


def read_record(directory):
    record = {"name": directory.take(directory.varint()).decode("utf-8")}
    kind, record["type"], num_axes = directory.byte(), directory.byte(), directory.byte()
    record["kind"] = ("plain", "grid", "codebook")[kind]
    record["shape"] = [directory.varint() for _ in range(num_axes)]
    roles = ["values"]
    if kind:
        record["form"] = directory.byte()
        if record["form"] == 2:
            record["gap bits"] = directory.byte()
        roles = ["codes", "positions"] if record["form"] in (2, 3) else ["codes"]
    if kind == 1:
        record["qmin"] = int.from_bytes(directory.take(3), "little", signed=True)
        record["qmax"] = int.from_bytes(directory.take(3), "little", signed=True)
        record["axis"], record["group"] = directory.varint() - 1, directory.varint()
        roles += ["scale"] if record["qmin"] else ["scale", "zero point"]
    if kind == 2:
        letter, num_levels = "fe"[directory.byte()], directory.varint()
        size = struct.calcsize(letter)
        record["levels"] = struct.unpack(
            f"<{num_levels}{letter}", directory.take(size * num_levels)
        )
    record["lengths"] = {role: directory.varint() for role in roles}
    return record


def values_of(record, streams):
    count = math.prod(record["shape"])
    if record["kind"] == "plain":
        return plain_values(TYPES[record["type"]], streams["values"])
    kept, codes = codes_of(record, streams, count)
    if record["kind"] == "codebook":
        meanings = [record["levels"][code] for code in codes]
    else:
        meanings = grid_values(record, streams, codes)
    return [value if keep else 0.0 for value, keep in zip(meanings, kept, strict=True)]


def plain_values(letter, stream):
    kind, _, items = read_stream(stream)
    if kind == 0:  # bytes, least significant first
        size = 2 if letter == "bf16" else struct.calcsize(letter)
        raw = bytes(items)
        patterns = [int.from_bytes(raw[i : i + size], "little") for i in range(0, len(raw), size)]
    else:
        patterns = items
    if letter == "bf16":
        return [as_number("f", pattern << 16) for pattern in patterns]
    if letter in "efd" or kind == 0:
        return [as_number(letter, pattern) for pattern in patterns]
    return patterns


def as_number(letter, pattern):
    size = struct.calcsize("<" + letter)
    return struct.unpack("<" + letter, pattern.to_bytes(size, "little"))[0]


def codes_of(record, streams, count):
    """Which places are kept, and a code for every place."""
    codes = read_stream(streams["codes"])[2]
    if record["form"] == 0:
        return [True] * count, codes
    if record["form"] == 3:
        packed = Cursor(bytes(read_stream(streams["positions"])[2]))
        kept, remaining = packed.packed(1, count), iter(codes)
        return kept, [next(remaining) if keep else 0 for keep in kept]
    if record["form"] == 2:
        codes = spread(codes, read_stream(streams["positions"])[2], count)
    return [code > 0 for code in codes], [max(code - 1, 0) for code in codes]


def grid_values(record, streams, codes):
    scales = [as_number("f", pattern) for pattern in read_stream(streams["scale"])[2]]
    zeros = read_stream(streams["zero point"])[2] if record["qmin"] == 0 else [0] * len(scales)
    shape, axis, group = record["shape"], record["axis"], record["group"]
    values = []
    for i, code in enumerate(codes):
        owner = 0
        if group:  # groups of the last axis, never across a row
            row, column = divmod(i, shape[-1])
            owner = row * (shape[-1] // group) + column // group
        elif axis >= 0:
            owner = i // math.prod(shape[axis + 1 :]) % shape[axis]
        exact = scales[owner] * (record["qmin"] + code - zeros[owner])
        values.append(struct.unpack("<f", struct.pack("<f", exact))[0])
    return values


# --- both readers -------------------------------------------------------------------------------------

RNG = np.random.default_rng(5)
WEIGHT = RNG.normal(0, 0.05, (12, 40)).astype(np.float32)
MASK = np.abs(WEIGHT) > 0.06
BOOK = Codebook(np.unique(RNG.normal(0, 0.1, 15).astype(np.float32)))
CODECS = ["fixed", "huffman", "rans", "adaptive", "runlength", "zstd"]


def assert_both_read_the_same(data):
    ours, theirs = open_container(data).tensors(), read_file(data)
    assert list(ours) == list(theirs)
    for name, values in ours.items():
        shape, found = theirs[name]
        assert tuple(shape) == values.shape
        expected = np.array(found, dtype=values.dtype).reshape(shape)
        # Bits, so that -0.0 and the payload of a NaN count.
        assert expected.tobytes() == values.astype(values.dtype.newbyteorder("=")).tobytes(), name


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("positions", ["symbols", "relative", "bitmap"])
@pytest.mark.parametrize("masked", [False, True])
def test_codes_of_a_codebook_are_read_alike(codec, positions, masked):
    layout = Layout(codec=get_codec(codec), positions=positions, gap_bits=3)
    tensor = Quantized.of(WEIGHT, BOOK, mask=MASK if masked else None, layout=layout)
    assert_both_read_the_same(write({"weight": tensor}))


@pytest.mark.parametrize("scheme", ["symmetric", "asymmetric"])
@pytest.mark.parametrize("options", [{}, {"axis": 0}, {"axis": 1}, {"group_size": 8}])
@pytest.mark.parametrize("bits", [3, 8, 12])
def test_grids_are_read_alike(scheme, options, bits):
    values = WEIGHT.reshape(4, 3, 40)
    grid = choose_qparams(values, bits=bits, scheme=scheme, **options)
    layout = Layout(codec=get_codec("huffman"))
    assert_both_read_the_same(write({"weight": Quantized.of(values, grid, layout=layout)}))


@pytest.mark.parametrize("codec", [None, "zstd"])
def test_plain_tensors_of_every_type_are_read_alike(codec):
    codec = codec and get_codec(codec)
    halves = WEIGHT.astype(np.float16)
    tensors = {
        "fp64": WEIGHT.astype(np.float64),
        "fp32": np.array([[0.0, -0.0], [np.inf, 1e-45]], np.float32),
        "many": WEIGHT,
        "fp16": halves,
        **{
            f"{kind}{bits}": np.array([0, 1, 2 ** (bits - 1) - 1]).astype(f"{kind}{bits // 8}")
            for kind in "iu"
            for bits in (8, 16, 32, 64)
        },
        "bool": np.array([True, False, True]),
        "none": np.zeros((0, 3), np.float32),
        "one": np.array(7, np.int64),
    }
    stored = {name: Plain(values=values, codec=codec) for name, values in tensors.items()}
    patterns = halves.view(np.uint16) & 0x7F7F
    stored["bf16"] = Plain(values=patterns, dtype="bf16", codec=codec)
    assert_both_read_the_same(write(stored))


@pytest.mark.parametrize(
    "codec", [get_codec("huffman", restart=9), get_codec("huffman", streams=1)]
)
def test_segments_of_huffman_streams_are_read_alike(codec):
    codes = np.minimum(RNG.geometric(0.4, 700), 250).astype(np.uint8)
    book = Codebook(np.arange(256, dtype=np.float32))
    assert_both_read_the_same(
        write({"x": Quantized(codes=codes, grid=book, layout=Layout(codec=codec))})
    )


@pytest.mark.parametrize("dtype", ["u1", "i1", "<u2", "<i2", ">i2"])
@pytest.mark.parametrize("shape", [(240,), (12, 20), (4, 6, 10), (4, 3, 5, 4)])
def test_adaptive_streams_of_every_type_and_shape_are_read_alike(dtype, shape):
    spread = 40 if np.dtype(dtype).itemsize == 1 else 3000
    items = np.rint(RNG.laplace(0, spread / 4, 240)).clip(-spread, spread) * (RNG.random(240) < 0.4)
    items = items if "i" in dtype else np.abs(items)
    array = items.astype(dtype).reshape(shape)
    _, found_shape, found = read_stream(get_codec("adaptive").encode(array))
    assert tuple(found_shape) == shape
    assert found == array.ravel().tolist()


def test_the_tables_of_the_adaptive_codec_are_the_rounded_formulas():
    stretched, squashed, _ = adaptive_kernels.tables()
    assert [stretch(probability) for probability in range(4096)] == stretched.tolist()
    assert [squash(odds) for odds in range(-2047, 2048)] == squashed.tolist()


@pytest.mark.parametrize("inner", ["huffman", "rans", "adaptive", "zstd", "fixed"])
def test_planes_of_floats_are_read_alike(inner):
    stored = Plain(values=WEIGHT, codec=get_codec("float", inner=inner))
    assert_both_read_the_same(write({"x": stored}))


@pytest.mark.parametrize("codec", CODECS)
def test_codes_that_are_all_equal_are_read_alike(codec):
    tensor = Quantized(
        codes=np.full((3, 5), 2, np.uint8), grid=BOOK, layout=Layout(codec=get_codec(codec))
    )
    assert_both_read_the_same(write({"x": tensor}))


def test_the_other_reader_finds_damage_too():
    data = write({"x": Plain(values=WEIGHT)})
    damaged = data[:-1] + bytes([data[-1] ^ 1])
    with pytest.raises(AssertionError):
        read_file(damaged)
    with pytest.raises(ContainerError):
        open_container(damaged).tensors()
