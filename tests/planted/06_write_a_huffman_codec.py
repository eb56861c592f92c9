"""Wrong answers to lab 06, each with the reason why it is wrong: (task, reason, source).

Every one is a mistake that a student makes or a shortcut that one tries; each must lose marks.
"""

_JOINED = """
import heapq

def code_lengths(counts):
    lengths = np.zeros(len(counts), np.int64)
    waiting = [(int(counts[s]), int(s), [s]) for s in {symbols}]
    {alone}
    heapq.heapify(waiting)
    number = len(counts)
    while len(waiting) > 1:
        first, second = heapq.heappop(waiting), {second}
        for symbol in first[2] + second[2]:
            lengths[symbol] += 1
        heapq.heappush(waiting, ({sum}, number, first[2] + second[2]))
        number += 1
    return {result}
"""


def _joined(
    *,
    symbols="np.flatnonzero(counts)",
    alone="if len(waiting) == 1: lengths[waiting[0][1]] = 1",
    second="heapq.heappop(waiting)",
    sum="first[0] + second[0]",
    result="lengths",
):
    """Right lengths with one thing changed."""
    return _JOINED.format(symbols=symbols, alone=alone, second=second, sum=sum, result=result)


_NAMED = """
def canonical_codes(lengths):
    words = np.zeros(len(lengths), np.int64)
    word, before = {start}, 0
    for symbol in {order}:
        if {skip}:
            continue
        word {append}
        words[symbol] = word
        word, before = word + 1, int(lengths[symbol])
    return {result}
"""


def _named(
    *,
    start="0",
    order="np.argsort(lengths, kind='stable')",
    skip="lengths[symbol] == 0",
    append="<<= int(lengths[symbol]) - before",
    result="words",
):
    """Right words with one thing changed."""
    return _NAMED.format(start=start, order=order, skip=skip, append=append, result=result)


_WRITTEN = """
def encode(symbols, lengths, codes):
    text = "".join({word} for s in symbols)
    text = {padded}
    return {packed}
"""


def _written(
    *,
    word="f'{int(codes[s]):0{int(lengths[s])}b}'",
    padded="text + '0' * (-len(text) % 8)",
    packed="bytes(int(text[i:i + 8], 2) for i in range(0, len(text), 8))",
):
    """Right bytes with one thing changed."""
    return _WRITTEN.format(word=word, padded=padded, packed=packed)


_READ = """
def decode(data, lengths, count):
    words, word, before = {{}}, 0, 0
    for symbol in np.argsort(lengths, kind="stable"):
        if lengths[symbol]:
            word <<= int(lengths[symbol]) - before
            words[int(lengths[symbol]), word] = symbol
            word, before = word + 1, int(lengths[symbol])
    bits = {bits}
    symbols, word, length = [], 0, 0
    for bit in bits.tolist():
        if {enough}:
            break
        word, length = {grown}, length + 1
        if (length, word) in words:
            symbols.append(words[length, word])
            word = length = 0
        {foreign}
    {short}
    return {result}
"""


def _read(
    *,
    bits="np.unpackbits(np.frombuffer(data, np.uint8))",
    enough="len(symbols) == count",
    grown="2 * word + bit",
    foreign="elif length >= lengths.max(): raise ValueError('no word')",
    short="if len(symbols) < count: raise ValueError('too short')",
    result="np.array(symbols, np.int64)",
):
    """Right symbols with one thing changed."""
    return _READ.format(
        bits=bits, enough=enough, grown=grown, foreign=foreign, short=short, result=result
    )


_MERGED = """
def limited_lengths(counts, max_length):
    used = [int(s) for s in np.flatnonzero(counts)]
    {few}
    lengths = np.zeros(len(counts), np.int64)
    {alone}
    single = sorted((int(counts[s]), [s]) for s in used)
    row = single
    for _ in range({rounds}):
        pairs = [(a[0] + b[0], a[1] + b[1]) for a, b in zip(row[::2], row[1::2])]
        row = sorted({fresh} + pairs)
    for _, symbols in row[:{taken}]:
        for symbol in symbols:
            lengths[symbol] += 1
    return lengths
"""


def _merged(
    *,
    few="if len(used) > 2**max_length: raise ValueError('too many symbols')",
    alone="if len(used) == 1: return (counts > 0).astype(np.int64)",
    rounds="max_length - 1",
    fresh="single",
    taken="2 * len(used) - 2",
):
    """Right limited lengths with one thing changed."""
    return _MERGED.format(few=few, alone=alone, rounds=rounds, fresh=fresh, taken=taken)


_RANGE = """
def read_range(data, offsets, every, lengths, start, stop):
    words, word, before = {{}}, 0, 0
    for symbol in np.argsort(lengths, kind="stable"):
        if lengths[symbol]:
            word <<= int(lengths[symbol]) - before
            words[int(lengths[symbol]), word] = symbol
            word, before = word + 1, int(lengths[symbol])
    note = {note}
    bits = np.unpackbits(np.frombuffer(data, np.uint8)){from_bit}.tolist()
    symbols, word, length = [], 0, 0
    for bit in bits:
        if len(symbols) == {enough}:
            break
        word, length = 2 * word + bit, length + 1
        if (length, word) in words:
            symbols.append(words[length, word])
            word = length = 0
    return np.array({result}, np.int64)
"""


def _range(
    *,
    note="start // every",
    from_bit="[offsets[note] if start < stop else 0:]",
    enough="stop - note * every",
    result="symbols[start - note * every:stop - note * every]",
):
    """A right range with one thing changed."""
    return _RANGE.format(note=note, from_bit=from_bit, enough=enough, result=result)


_STRINGS = """
def make_dictionary(symbols):
    strings = {strings}
    token_of, tokens = {{}}, []
    for string in strings:
        tokens.append(token_of.setdefault(tuple(string), len(token_of)))
    return np.array(tokens, np.int64), [list(string) for string in token_of]
"""


def _strings(strings):
    """A dictionary of the strings that an expression cuts the symbols into."""
    return _STRINGS.format(strings=strings)


_RUNS = """
def make_dictionary(symbols):
    token_of, tokens, run = {{}}, [], 0
    def add(string):
        tokens.append(token_of.setdefault(string, len(token_of)))
    for symbol in symbols.tolist():
        if symbol:
            {value}
            run = 0
        else:
            run += 1
            if run == {longest}:
                add((0,) * run)
                run = 0
    if run:
        {rest}
    return np.array(tokens, np.int64), [list(string) for string in token_of]
"""


def _runs(*, longest=7, value="add((0,) * run + (symbol,))", rest="add((0,) * run)"):
    """Runs of zeros that end in a value, with one thing changed."""
    return _RUNS.format(longest=longest, value=value, rest=rest)


PLANTED = [
    (
        "code_lengths",
        "the rounded-up information of each symbol, as Shannon's own code has it",
        "def code_lengths(counts):\n"
        "    lengths = np.zeros(len(counts), np.int64)\n"
        "    used = counts > 0\n"
        "    lengths[used] = np.maximum(np.ceil(-np.log2(counts[used] / counts.sum())), 1)\n"
        "    return lengths\n",
    ),
    (
        "code_lengths",
        "the same length for all",
        "def code_lengths(counts):\n"
        "    used = counts > 0\n"
        "    return np.where(used, max(1, int(used.sum() - 1).bit_length()), 0)\n",
    ),
    (
        "code_lengths",
        "unary: one bit more for each rarer symbol",
        "def code_lengths(counts):\n"
        "    lengths = np.zeros(len(counts), np.int64)\n"
        "    used = [s for s in np.argsort(-counts, kind='stable') if counts[s]]\n"
        "    for rank, symbol in enumerate(used):\n"
        "        lengths[symbol] = max(1, min(rank + 1, len(used) - 1))\n"
        "    return lengths\n",
    ),
    ("code_lengths", "joins symbols that never occur, too", _joined(symbols="range(len(counts))")),
    ("code_lengths", "no bit for a symbol that is alone", _joined(alone="pass")),
    (
        "code_lengths",
        "the sum counts as the larger of the two",
        _joined(sum="max(first[0], second[0])"),
    ),
    (
        "code_lengths",
        "joins the rarest with the most frequent",
        _joined(second="waiting.pop(waiting.index(max(waiting))); heapq.heapify(waiting)"),
    ),
    (
        "code_lengths",
        "the depth decides which sum is next",
        _joined(sum="first[0] + second[0] if False else number"),
    ),
    ("code_lengths", "lengths as bytes, as floats", _joined(result="lengths.astype(float)")),
    ("code_lengths", "words of at most 16 bits", _joined(result="np.minimum(lengths, 16)")),
    ("canonical_codes", "symbols in their own order", _named(order="range(len(lengths))")),
    (
        "canonical_codes",
        "counts down from the last word",
        _named(order="np.argsort(-lengths, kind='stable')", append="<<= 0"),
    ),
    (
        "canonical_codes",
        "equal lengths in any order, the last first",
        _named(order="np.lexsort((-np.arange(len(lengths)), lengths))"),
    ),
    ("canonical_codes", "symbols without a word eat one", _named(skip="False")),
    (
        "canonical_codes",
        "one zero appended however many lengths are skipped",
        _named(append="<<= int(lengths[symbol] > before) if before else int(lengths[symbol])"),
    ),
    ("canonical_codes", "begins at one", _named(start="1")),
    ("canonical_codes", "32 bits for a word", _named(result="words.astype(np.int32)")),
    (
        "canonical_codes",
        "words from the last symbol on, as in a tree",
        _named(result="np.where(lengths > 0, 2**lengths - 1 - words, 0)"),
    ),
    (
        "encode",
        "lowest bit of a word first",
        _written(word="f'{int(codes[s]):0{int(lengths[s])}b}'[::-1]"),
    ),
    (
        "encode",
        "lowest bit of a byte first",
        _written(packed="bytes(int(text[i:i + 8][::-1], 2) for i in range(0, len(text), 8))"),
    ),
    ("encode", "no leading zeros of a word", _written(word="f'{int(codes[s]):b}'")),
    (
        "encode",
        "the last byte filled up with ones",
        _written(padded="text + '1' * (-len(text) % 8)"),
    ),
    (
        "encode",
        "the last bits at the low end of their byte",
        _written(
            padded="text[:len(text) // 8 * 8] + (text[len(text) // 8 * 8:].zfill(8) if len(text) % 8 else '')"
        ),
    ),
    ("encode", "always another byte", _written(padded="text + '0' * (8 - len(text) % 8)")),
    (
        "encode",
        "an array of bytes instead of bytes",
        _written(
            packed="np.array([int(text[i:i + 8], 2) for i in range(0, len(text), 8)], np.uint8)"
        ),
    ),
    (
        "encode",
        "words cut to a byte",
        _written(word="f'{int(codes[s]) & 255:0{min(8, int(lengths[s]))}b}'"),
    ),
    ("decode", "reads the spare bits as symbols", _read(enough="False")),
    (
        "decode",
        "lowest bit of a byte first",
        _read(bits="np.unpackbits(np.frombuffer(data, np.uint8), bitorder='little')"),
    ),
    ("decode", "gives what it has when the bits end", _read(short="pass")),
    (
        "decode",
        "fills up with zeros when the bits end",
        _read(short="symbols += [0] * (count - len(symbols))"),
    ),
    (
        "decode",
        "bits that are no word are skipped",
        _read(foreign="elif length >= lengths.max(): word = length = 0"),
    ),
    (
        "decode",
        "words of at most 8 bits",
        _read(foreign="elif length >= min(8, lengths.max()): raise ValueError('no word')"),
    ),
    ("decode", "the first bit of a word is its lowest", _read(grown="word + (bit << length)")),
    ("decode", "symbols as a list", _read(result="[int(symbol) for symbol in symbols]")),
    (
        "limited_lengths",
        "long words cut off, so that there are too many",
        "import heapq\n"
        + _joined(result="lengths").replace("def code_lengths(counts)", "def free(counts)")
        + "def limited_lengths(counts, max_length):\n    return np.minimum(free(counts), max_length)\n",
    ),
    (
        "limited_lengths",
        "the fixed length, which keeps any limit",
        "def limited_lengths(counts, max_length):\n    used = counts > 0\n    if used.sum() > 2**max_length:\n        raise ValueError('too many symbols')\n    return np.where(used, max(1, int(used.sum() - 1).bit_length()), 0)\n",
    ),
    (
        "limited_lengths",
        "the free code, whatever the limit",
        _joined().replace("def code_lengths(counts)", "def limited_lengths(counts, max_length)"),
    ),
    ("limited_lengths", "a round too many", _merged(rounds="max_length")),
    ("limited_lengths", "a round too few", _merged(rounds="max(max_length - 2, 0)")),
    ("limited_lengths", "says nothing when the words are too few", _merged(few="pass")),
    ("limited_lengths", "no bit for a symbol that is alone", _merged(alone="pass")),
    (
        "limited_lengths",
        "counts halved until the free code keeps the limit",
        _joined().replace("def code_lengths(counts)", "def free(counts)")
        + "def limited_lengths(counts, max_length):\n    if (counts > 0).sum() > 2**max_length:\n        raise ValueError('too many symbols')\n    while free(counts).max() > max_length:\n        counts = np.where(counts > 0, counts // 2 + 1, 0)\n    return free(counts)\n",
    ),
    ("read_range", "decodes from the first bit and cuts", _range(note="0")),
    ("read_range", "starts at the note behind start", _range(note="-(-start // every)")),
    (
        "read_range",
        "offsets taken for bytes",
        _range(from_bit="[8 * (offsets[note] // 8) if start < stop else 0:]"),
    ),
    (
        "read_range",
        "the symbol at stop, too",
        _range(
            enough="stop + 1 - note * every",
            result="symbols[start - note * every:stop + 1 - note * every]",
        ),
    ),
    (
        "read_range",
        "from the note on instead of from start",
        _range(enough="stop - note * every", result="symbols[:stop - start]"),
    ),
    (
        "read_range",
        "ends with the block",
        _range(enough="min(stop, (note + 1) * every) - note * every"),
    ),
    ("read_range", "the block as a whole", _range(result="symbols")),
    (
        "read_range",
        "the block's note looked up even where nothing is asked for, from the last one",
        _range(note="min(start // every, len(offsets) - 2)"),
    ),
    (
        "make_dictionary",
        "single symbols: no word is below one bit",
        _strings("[[s] for s in symbols.tolist()]"),
    ),
    (
        "make_dictionary",
        "the whole stream as one entry",
        "def make_dictionary(symbols):\n    return np.zeros(1, np.int64), [symbols.tolist()]\n",
    ),
    (
        "make_dictionary",
        "no stream at all",
        "def make_dictionary(symbols):\n    return np.zeros(0, np.int64), []\n",
    ),
    (
        "make_dictionary",
        "entries of 64 symbols, which never come twice",
        _strings("[symbols[i:i + 64].tolist() for i in range(0, len(symbols), 64)]"),
    ),
    (
        "make_dictionary",
        "blocks of two",
        _strings("[symbols[i:i + 2].tolist() for i in range(0, len(symbols), 2)]"),
    ),
    (
        "make_dictionary",
        "blocks of four",
        _strings("[symbols[i:i + 4].tolist() for i in range(0, len(symbols), 4)]"),
    ),
    (
        "make_dictionary",
        "runs and values apart",
        _runs(value="(add((0,) * run) if run else None, add((symbol,)))", longest=16),
    ),
    ("make_dictionary", "runs that end in a value, however long", _runs(longest=40)),
    ("make_dictionary", "the zeros after the last value forgotten", _runs(rest="pass", longest=50)),
    ("make_dictionary", "runs of at most three", _runs(longest=3)),
]
