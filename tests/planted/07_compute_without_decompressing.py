"""Wrong answers to lab 07, each with the reason why it is wrong: (task, reason, source).

Every one is a mistake that a student makes or a shortcut that one tries; each must lose marks.
"""

_ROWS = """
def compress_rows(weight):
    kept = {kept}
    pointers = {pointers}
    return {values}, {columns}, pointers
"""


def _rows(
    *,
    kept="weight != 0",
    pointers="np.append(0, np.cumsum(kept.sum(axis=1)))",
    values="weight[kept]",
    columns="np.nonzero(kept)[1]",
):
    """Right rows with one thing changed."""
    return _ROWS.format(kept=kept, pointers=pointers, values=values, columns=columns)


_SUMS = """
def rows_product(values, columns, pointers, x):
    y = np.zeros({size}, np.float32)
    for row in range({rows}):
        start, stop = pointers[row], {stop}
        y[row] = {sum}
    return y
"""


def _sums(
    *,
    size="len(pointers) - 1",
    rows="len(y)",
    stop="pointers[row + 1]",
    sum="values[start:stop] @ x[columns[start:stop]]",
):
    """Right sums with one thing changed."""
    return _SUMS.format(size=size, rows=rows, stop=stop, sum=sum)


_GAPS = """
def relative_index(column, gap_bits):
    values, gaps, zeros = [], [], 0
    for weight in column:
        if weight == 0:
            zeros += 1
            continue
        fillers, gap = {split}
        values += [{filler}] * fillers + [weight]
        gaps += [{filler_gap}] * fillers + [gap]
        zeros = 0
    {rest}
    return {result}
"""


def _gaps(
    *,
    split="divmod(zeros, 2**gap_bits)",
    filler="0",
    filler_gap="2**gap_bits - 1",
    rest="",
    result="np.array(values, np.float32), np.array(gaps, np.int64)",
):
    """Right gaps with one thing changed."""
    return _GAPS.format(split=split, filler=filler, filler_gap=filler_gap, rest=rest, result=result)


_ENGINE = """
def engine_product(values, gaps, pointers, x, num_rows):
    y = np.zeros(num_rows, np.float32)
    elements = {elements}
    for element in range(elements):
        {begin}
        for column in {columns}:
            {anew}
            for entry in range(pointers[element, column], pointers[element, column + 1]):
                place += {move}
                row = {row}
                if row < num_rows:
                    y[row] {add} values[entry] * x[column]
                {after}
    return y
"""


def _engine(
    *,
    elements="len(pointers)",
    begin="",
    columns="np.flatnonzero(x)",
    anew="place = 0",
    move="gaps[entry]",
    row="place * elements + element",
    add="+=",
    after="place += 1",
):
    """A right product with one thing changed."""
    return _ENGINE.format(
        elements=elements,
        begin=begin,
        columns=columns,
        anew=anew,
        move=move,
        row=row,
        add=add,
        after=after,
    )


_RANK = """
def weight_at(bits, samples, every, values, num_columns, i, j):
    place = {place}
    sample = {sample}
    start = {start}
    stretch = np.unpackbits(bits[start // 8 : {end}], bitorder="{order}")
    if not stretch[place - start]:
        return {zero}
    return float(values[{base} + np.count_nonzero(stretch[: {count}])])
"""


def _rank(
    *,
    place="i * num_columns + j",
    sample="place // every",
    start="sample * every",
    end="place // 8 + 1",
    order="little",
    zero="0.0",
    base="samples[sample]",
    count="place - start",
):
    """A right weight with one thing changed."""
    return _RANK.format(
        place=place,
        sample=sample,
        start=start,
        end=end,
        order=order,
        zero=zero,
        base=base,
        count=count,
    )


_CHOICE = """
def choose_form(codes, budget_bytes):
    rows, columns = codes.shape
    kept = np.count_nonzero(codes)
    order = {order}
    sizes = {{
        ("rows", 8 if columns <= 256 else 16): kept * ({index} + 4) + {pointers},
        ("bitmask", 4096): codes.size + 4 * kept + codes.size // 128,
    }}
    for bits in range(2, 9):
        entries = kept / (1 - (1 - kept / codes.size) ** 2**bits)
        sizes["relative", bits] = entries * (bits + 4) + 16 * 16 * columns
    for block in ((4, 4), (8, 4)):
        grid = codes.reshape(rows // block[0], block[0], columns // block[1], block[1])
        found = grid.any(axis=(1, 3)).sum()
        sizes["blocks", block] = found * (4 * block[0] * block[1] + 8) + 16 * rows / block[0]
    {choice}
    return {result}
"""


def _choice(
    *,
    order="np.arange(rows)",
    index="(8 if columns <= 256 else 16)",
    pointers="16 * rows",
    choice="form, parameter = min(sizes, key=sizes.get)",
    result="form, parameter, order",
):
    """The smallest form by estimate, rows as they are, with one thing changed."""
    return _CHOICE.format(order=order, index=index, pointers=pointers, choice=choice, result=result)


PLANTED = [
    (
        "compress_rows",
        "no pointer behind the last row",
        _rows(pointers="np.append(0, np.cumsum(kept.sum(axis=1)))[:-1]"),
    ),
    (
        "compress_rows",
        "pointers of the rows that have entries",
        _rows(
            pointers="np.append(np.unique(np.nonzero(kept)[0], return_index=True)[1], kept.sum())"
        ),
    ),
    (
        "compress_rows",
        "pointers without the first",
        _rows(pointers="np.cumsum(kept.sum(axis=1))"),
    ),
    ("compress_rows", "counts instead of pointers", _rows(pointers="kept.sum(axis=1)")),
    ("compress_rows", "forgets the sign", _rows(kept="weight > 0")),
    ("compress_rows", "drops what is small", _rows(kept="np.abs(weight) > 1e-8")),
    ("compress_rows", "rows instead of columns", _rows(columns="np.nonzero(kept)[0]")),
    (
        "compress_rows",
        "columns in a byte",
        _rows(columns="np.nonzero(kept)[1].astype(np.uint8)"),
    ),
    (
        "compress_rows",
        "by columns",
        "def compress_rows(weight):\n"
        "    kept = weight.T != 0\n"
        "    pointers = np.append(0, np.cumsum(kept.sum(axis=1)))\n"
        "    return weight.T[kept], np.nonzero(kept)[1], pointers\n",
    ),
    (
        "rows_product",
        "reduceat, which gives an empty row the next entry",
        "def rows_product(values, columns, pointers, x):\n"
        "    products = np.append(values * x[columns], 0)\n"
        "    return np.add.reduceat(products, pointers[:-1])\n",
    ),
    (
        "rows_product",
        "puts the matrix together again",
        "def rows_product(values, columns, pointers, x):\n"
        "    dense = np.zeros((len(pointers) - 1, len(x)), np.float32)\n"
        "    rows = np.repeat(np.arange(len(dense)), np.diff(pointers))\n"
        "    dense[rows, columns] = values\n"
        "    return dense @ x\n",
    ),
    (
        "rows_product",
        "stops before the last row",
        _sums(rows="len(y) - 1"),
    ),
    ("rows_product", "leaves the last entry of a row out", _sums(stop="pointers[row + 1] - 1")),
    (
        "rows_product",
        "the first inputs instead of those of the columns",
        _sums(sum="values[start:stop] @ x[: stop - start]"),
    ),
    (
        "rows_product",
        "one output for each entry",
        "def rows_product(values, columns, pointers, x):\n    return values * x[columns]\n",
    ),
    (
        "rows_product",
        "differences of a running sum, which an infinite input would spoil",
        "def rows_product(values, columns, pointers, x):\n"
        "    sums = np.append(0, np.cumsum(np.bincount(columns, values, len(x)) * x))\n"
        "    return sums[pointers[1:]] - sums[pointers[:-1]]\n",
    ),
    (
        "rows_product",
        "the product with the transpose",
        "def rows_product(values, columns, pointers, x):\n"
        "    rows = np.repeat(np.arange(len(pointers) - 1), np.diff(pointers))\n"
        "    return np.bincount(columns, values * x[rows % len(x)], len(pointers) - 1)\n",
    ),
    (
        "relative_index",
        "a filler that covers its gap only",
        _gaps(split="divmod(zeros, 2**gap_bits - 1) if zeros >= 2**gap_bits else (0, zeros)"),
    ),
    (
        "relative_index",
        "a filler where a gap can just count",
        _gaps(
            split="(zeros // (2**gap_bits - 1), zeros % (2**gap_bits - 1))"
            " if zeros == 2**gap_bits - 1 else divmod(zeros, 2**gap_bits)"
        ),
    ),
    (
        "relative_index",
        "one filler at most",
        _gaps(split="(int(zeros >= 2**gap_bits), zeros - 2**gap_bits * (zeros >= 2**gap_bits))"),
    ),
    ("relative_index", "no fillers at all", _gaps(split="(0, zeros)")),
    ("relative_index", "gaps that wrap around", _gaps(split="(0, zeros % 2**gap_bits)")),
    (
        "relative_index",
        "the difference of places instead of the zeros between",
        _gaps(result="np.array(values, np.float32), np.array(gaps, np.int64) + 1"),
    ),
    (
        "relative_index",
        "fillers for the zeros at the end",
        _gaps(
            rest="values += [0] * (zeros >> gap_bits); "
            "gaps += [2**gap_bits - 1] * (zeros >> gap_bits)"
        ),
    ),
    ("relative_index", "a filler with gap 0", _gaps(filler_gap="0")),
    ("relative_index", "a filler with the next value", _gaps(filler="weight")),
    ("relative_index", "always four bits", _gaps(split="divmod(zeros, 16)", filler_gap="15")),
    (
        "relative_index",
        "values cut to whole numbers",
        _gaps(result="np.array(values, np.int64), np.array(gaps, np.int64)"),
    ),
    (
        "engine_product",
        "carries the place over to the next column",
        _engine(begin="place = 0", anew=""),
    ),
    ("engine_product", "forgets the place of an entry", _engine(after="")),
    ("engine_product", "counts an entry before it is used", _engine(move="gaps[entry] + 1")),
    (
        "engine_product",
        "deals rows in blocks",
        _engine(row="place + element * -(-num_rows // elements)"),
    ),
    ("engine_product", "one element only", _engine(elements="1")),
    ("engine_product", "rows of an element for rows of the matrix", _engine(row="place")),
    ("engine_product", "touches columns whose input is 0", _engine(columns="range(len(x))")),
    ("engine_product", "keeps the last column only", _engine(add="=")),
    (
        "engine_product",
        "skips fillers, and their places with them",
        _engine(
            move="gaps[entry] if values[entry] else -1",
        ),
    ),
    (
        "weight_at",
        "counts from the beginning",
        _rank(sample="0", base="0"),
    ),
    ("weight_at", "counts the bit itself", _rank(count="place - start + 1")),
    ("weight_at", "the highest bit first", _rank(order="big")),
    ("weight_at", "forgets the sample", _rank(base="0")),
    (
        "weight_at",
        "the sample behind",
        _rank(base="samples[min(sample + 1, len(samples) - 1)]"),
    ),
    (
        "weight_at",
        "always a sample every 64 bits",
        _rank(sample="place // 64", start="sample * 64"),
    ),
    ("weight_at", "the value at the rank, kept or not", _rank(zero="float(values[0])")),
    ("weight_at", "place by columns", _rank(place="j * num_columns + i")),
    (
        "weight_at",
        "the ones of the whole stretch",
        _rank(end="(start + every) // 8", count="place - start | 7"),
    ),
    (
        "weight_at",
        "counts in a byte, which holds no more than 255",
        _rank(base="samples[sample] - 256 * (np.count_nonzero(stretch[: place - start]) > 255)"),
    ),
    ("choose_form", "dense rows for everything", _choice(result="'rows', 16, order")),
    (
        "choose_form",
        "forgets the levels, the pointers and what else is in the file",
        _choice(
            order="np.argsort(-np.count_nonzero(codes, axis=1))",
            pointers="0",
            choice="form, parameter = ('rows', 8) if columns <= 256 else ('rows', 16)",
        ),
    ),
    ("choose_form", "the smallest, with rows as they are", _choice()),
    (
        "choose_form",
        "sorts the rows, so that the first element gets the longest of each sixteen",
        _choice(
            choice="form, parameter = min(sizes, key=sizes.get)\n"
            "    if form == 'relative':\n"
            "        order = np.argsort(-np.count_nonzero(codes, axis=1), kind='stable')",
        ),
    ),
    (
        "choose_form",
        "shuffles the rows and hopes",
        _choice(
            choice="form, parameter = min(sizes, key=sizes.get)\n"
            "    if form != 'blocks':\n"
            "        order = np.random.default_rng(0).permutation(rows)",
        ),
    ),
    ("choose_form", "an order that is none", _choice(order="np.zeros(rows, int)")),
    ("choose_form", "a mask for an order", _choice(result="form, parameter, codes.any(axis=1)")),
    ("choose_form", "a form that nobody knows", _choice(result="'huffman', 12, order")),
    ("choose_form", "no parameter", _choice(result="form, None, order")),
]
