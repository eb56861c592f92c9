"""Wrong answers to lab 01, each with the reason why it is wrong: (task, reason, source).

Every one is a mistake that a student makes or a shortcut that one tries; each must lose marks.
"""

PLANTED = [
    ("symmetric_scale", "a constant", "def symmetric_scale(x, bits):\n    return np.float32(1)\n"),
    (
        "symmetric_scale",
        "looks at positive values only",
        "def symmetric_scale(x, bits):\n"
        "    top = max(float(x.max()), 0.0)\n"
        "    return np.float32(top / (2 ** (bits - 1) - 1) if top else 1)\n",
    ),
    (
        "symmetric_scale",
        "divides by two's complement's 2**(bits-1)",
        "def symmetric_scale(x, bits):\n"
        "    top = np.abs(x).max()\n"
        "    return np.float32(top / 2 ** (bits - 1) if top else 1)\n",
    ),
    (
        "symmetric_scale",
        "gives 0 for zeros",
        "def symmetric_scale(x, bits):\n"
        "    return np.float32(np.abs(x).max() / (2 ** (bits - 1) - 1))\n",
    ),
    (
        "symmetric_scale",
        "one scale for each column",
        "def symmetric_scale(x, bits):\n"
        "    top = np.abs(x).max(axis=0)\n"
        "    return (np.where(top > 0, top, 1) / (2 ** (bits - 1) - 1)).astype(np.float32)\n",
    ),
    (
        "symmetric_scale",
        "knows 8 bits only",
        "def symmetric_scale(x, bits):\n    return np.float32(np.abs(x).max() / 127 or 1)\n",
    ),
    (
        "symmetric_scale",
        "float64 instead of float32",
        "def symmetric_scale(x, bits):\n"
        "    return float(np.abs(x).max()) / (2 ** (bits - 1) - 1) or 1.0\n",
    ),
    (
        "quantize",
        "cuts instead of rounding",
        "def quantize(x, scale, bits):\n"
        "    top = 2 ** (bits - 1) - 1\n"
        "    return np.clip((x / scale).astype(np.int32), -top, top)\n",
    ),
    (
        "quantize",
        "rounds halves up",
        "def quantize(x, scale, bits):\n"
        "    top = 2 ** (bits - 1) - 1\n"
        "    return np.clip(np.floor(x / scale + 0.5), -top, top).astype(np.int32)\n",
    ),
    (
        "quantize",
        "rounds halves away from zero",
        "def quantize(x, scale, bits):\n"
        "    top = 2 ** (bits - 1) - 1\n"
        "    away = np.sign(x) * np.floor(np.abs(x) / scale + 0.5)\n"
        "    return np.clip(away, -top, top).astype(np.int32)\n",
    ),
    (
        "quantize",
        "clips to two's complement",
        "def quantize(x, scale, bits):\n"
        "    top = 2 ** (bits - 1) - 1\n"
        "    return np.clip(np.rint(x / scale), -top - 1, top).astype(np.int32)\n",
    ),
    (
        "quantize",
        "does not clip",
        "def quantize(x, scale, bits):\n    return np.rint(x / scale).astype(np.int32)\n",
    ),
    (
        "quantize",
        "leaves codes in float",
        "def quantize(x, scale, bits):\n"
        "    top = 2 ** (bits - 1) - 1\n"
        "    return np.clip(np.rint(x / scale), -top, top)\n",
    ),
    (
        "quantize",
        "wraps at 16 bits",
        "def quantize(x, scale, bits):\n"
        "    top = 2 ** (bits - 1) - 1\n"
        "    return np.clip(np.rint(x / scale), -top, top).astype(np.int32).astype(np.int8)\n",
    ),
    (
        "quantize",
        "clips before it rounds, to half a code too far",
        "def quantize(x, scale, bits):\n"
        "    top = 2 ** (bits - 1)\n"
        "    return np.rint(np.clip(x / scale, -top, top)).astype(np.int32)\n",
    ),
    ("quantize", "zeros", "def quantize(x, scale, bits):\n    return np.zeros(x.shape, int)\n"),
    (
        "asymmetric_grid",
        "forgets that the range contains 0",
        "def asymmetric_grid(x, bits):\n"
        "    low, high = float(x.min()), float(x.max())\n"
        "    if low == high:\n"
        "        return np.float32(1), 0\n"
        "    scale = (high - low) / (2**bits - 1)\n"
        "    return np.float32(scale), round(-low / scale)\n",
    ),
    (
        "asymmetric_grid",
        "stretches the range upwards only",
        "def asymmetric_grid(x, bits):\n"
        "    low, high = min(float(x.min()), 0.0), float(x.max())\n"
        "    if low == high:\n"
        "        return np.float32(1), 0\n"
        "    scale = (high - low) / (2**bits - 1)\n"
        "    return np.float32(scale), round(-low / scale)\n",
    ),
    (
        "asymmetric_grid",
        "divides by the number of codes instead of the number of steps",
        "def asymmetric_grid(x, bits):\n"
        "    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)\n"
        "    scale = (high - low) / 2**bits or 1.0\n"
        "    return np.float32(scale), round(-low / scale)\n",
    ),
    (
        "asymmetric_grid",
        "zero point not rounded",
        "def asymmetric_grid(x, bits):\n"
        "    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)\n"
        "    scale = (high - low) / (2**bits - 1) or 1.0\n"
        "    return np.float32(scale), -low / scale\n",
    ),
    (
        "asymmetric_grid",
        "zero point of the wrong sign",
        "def asymmetric_grid(x, bits):\n"
        "    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)\n"
        "    scale = (high - low) / (2**bits - 1) or 1.0\n"
        "    return np.float32(scale), round(low / scale)\n",
    ),
    (
        "asymmetric_grid",
        "divides by zero for zeros",
        "def asymmetric_grid(x, bits):\n"
        "    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)\n"
        "    scale = (high - low) / (2**bits - 1)\n"
        "    return np.float32(scale), round(-low / scale)\n",
    ),
    (
        "quantize_rows",
        "one scale for all rows",
        "def quantize_rows(weight, bits):\n"
        "    top = 2 ** (bits - 1) - 1\n"
        "    scales = np.full(len(weight), np.abs(weight).max() / top, np.float32)\n"
        "    return np.rint(weight / scales[0]).astype(np.int32), scales\n",
    ),
    (
        "quantize_rows",
        "scales of the columns",
        "def quantize_rows(weight, bits):\n"
        "    top = 2 ** (bits - 1) - 1\n"
        "    scales = (np.abs(weight).max(axis=0) / top).astype(np.float32)\n"
        "    return np.rint(weight / scales).astype(np.int32), scales\n",
    ),
    (
        "quantize_rows",
        "NaN where a row is zero",
        "def quantize_rows(weight, bits):\n"
        "    top = 2 ** (bits - 1) - 1\n"
        "    rows = weight.reshape(len(weight), -1)\n"
        "    scales = (np.abs(rows).max(axis=1) / top).astype(np.float32)\n"
        "    return np.rint(rows / scales[:, None]).astype(np.int32).reshape(weight.shape), scales\n",
    ),
    (
        "quantize_rows",
        "matrices only",
        "def quantize_rows(weight, bits):\n"
        "    top = 2 ** (bits - 1) - 1\n"
        "    largest = np.abs(weight).max(axis=1)\n"
        "    scales = np.where(largest > 0, largest / top, 1).astype(np.float32)\n"
        "    return np.rint(weight / scales[:, None]).astype(np.int32), scales\n",
    ),
    (
        "quantize_rows",
        "cuts instead of rounding",
        "def quantize_rows(weight, bits):\n"
        "    top = 2 ** (bits - 1) - 1\n"
        "    rows = weight.reshape(len(weight), -1)\n"
        "    largest = np.abs(rows).max(axis=1)\n"
        "    scales = np.where(largest > 0, largest / top, 1).astype(np.float32)\n"
        "    return (rows / scales[:, None]).astype(np.int32).reshape(weight.shape), scales\n",
    ),
    (
        "quantize_rows",
        "codes without scales",
        "def quantize_rows(weight, bits):\n    return np.rint(weight).astype(np.int32)\n",
    ),
    (
        "quantize_rows",
        "codes wrap in a narrow type",
        "def quantize_rows(weight, bits):\n"
        "    top = 2 ** (bits - 1) - 1\n"
        "    rows = weight.reshape(len(weight), -1)\n"
        "    largest = np.abs(rows).max(axis=1)\n"
        "    scales = np.where(largest > 0, largest / top, 1).astype(np.float32)\n"
        "    codes = np.rint(rows / scales[:, None]).astype(np.int32).astype(np.int8)\n"
        "    return codes.reshape(weight.shape), scales\n",
    ),
    (
        "pack",
        "highest bit first",
        "def pack(codes, bits):\n"
        "    table = np.asarray(codes)[:, None] >> np.arange(bits)[::-1] & 1\n"
        "    return np.packbits(table.astype(np.uint8)).tobytes()\n",
    ),
    (
        "pack",
        "one byte for each code",
        "def pack(codes, bits):\n    return np.asarray(codes).astype(np.uint8).tobytes()\n",
    ),
    (
        "pack",
        "4 bits only",
        "def pack(codes, bits):\n"
        "    codes = np.append(codes, [0] * (len(codes) % 2)).astype(np.uint8)\n"
        "    return (codes[0::2] | codes[1::2] << 4).tobytes()\n",
    ),
    (
        "pack",
        "shifts in 8 bits",
        "def pack(codes, bits):\n"
        "    table = np.asarray(codes).astype(np.uint8)[:, None] >> np.arange(bits, dtype=np.uint8)\n"
        "    return np.packbits(table & 1, bitorder='little').tobytes()\n",
    ),
    (
        "pack",
        "drops the last, half-filled byte",
        "def pack(codes, bits):\n"
        "    number = sum(int(code) << i * bits for i, code in enumerate(codes))\n"
        "    return number.to_bytes(len(codes) * bits // 8 + 1, 'little')[: len(codes) * bits // 8]\n",
    ),
    (
        "pack",
        "one byte too many when the bits fill bytes",
        "def pack(codes, bits):\n"
        "    number = sum(int(code) << i * bits for i, code in enumerate(codes))\n"
        "    return number.to_bytes(len(codes) * bits // 8 + 1, 'little')\n",
    ),
    (
        "pack",
        "fills the last byte with ones",
        "def pack(codes, bits):\n"
        "    number = sum(int(code) << i * bits for i, code in enumerate(codes))\n"
        "    size = -(-len(codes) * bits // 8)\n"
        "    number |= (1 << 8 * size) - (1 << len(codes) * bits)\n"
        "    return number.to_bytes(size, 'little')\n",
    ),
    (
        "unpack",
        "highest bit first",
        "def unpack(data, bits, count):\n"
        "    stream = np.unpackbits(np.frombuffer(data, np.uint8))[: count * bits]\n"
        "    return stream.reshape(count, bits).astype(int) @ (1 << np.arange(bits)[::-1])\n",
    ),
    (
        "unpack",
        "keeps the filling as codes",
        "def unpack(data, bits, count):\n"
        "    stream = np.unpackbits(np.frombuffer(data, np.uint8), bitorder='little')\n"
        "    size = len(stream) // bits\n"
        "    return stream[: size * bits].reshape(size, bits).astype(int) @ (1 << np.arange(bits))\n",
    ),
    (
        "unpack",
        "sums in 8 bits",
        "def unpack(data, bits, count):\n"
        "    stream = np.unpackbits(np.frombuffer(data, np.uint8), bitorder='little')\n"
        "    table = stream[: count * bits].reshape(count, bits)\n"
        "    return (table @ (1 << np.arange(bits))).astype(np.uint8)\n",
    ),
    (
        "unpack",
        "4 bits only",
        "def unpack(data, bits, count):\n"
        "    data = np.frombuffer(data, np.uint8)\n"
        "    return np.stack([data & 15, data >> 4], axis=1).ravel()[:count]\n",
    ),
    (
        "unpack",
        "zeros",
        "def unpack(data, bits, count):\n    return np.zeros(count, int)\n",
    ),
    (
        "unpack",
        "reads the bytes as codes",
        "def unpack(data, bits, count):\n    return np.frombuffer(data, np.uint8)[:count]\n",
    ),
    (
        "unpack",
        "floats",
        "def unpack(data, bits, count):\n"
        "    stream = np.unpackbits(np.frombuffer(data, np.uint8), bitorder='little')\n"
        "    return stream[: count * bits].reshape(count, bits) @ 2.0 ** np.arange(bits)\n",
    ),
    (
        "best_scale",
        "the min-max scale",
        "def best_scale(x, bits):\n"
        "    return np.float32(np.abs(x).max() / (2 ** (bits - 1) - 1) or 1)\n",
    ),
    (
        "best_scale",
        "three standard deviations, whatever the values",
        "def best_scale(x, bits):\n"
        "    return np.float32(3 * x.std() / (2 ** (bits - 1) - 1) or 1)\n",
    ),
    (
        "best_scale",
        "half of the min-max scale",
        "def best_scale(x, bits):\n"
        "    return np.float32(np.abs(x).max() / (2 ** (bits - 1) - 1) / 2 or 1)\n",
    ),
    (
        "best_scale",
        "the 99th percentile",
        "def best_scale(x, bits):\n"
        "    return np.float32(np.percentile(np.abs(x), 99) / (2 ** (bits - 1) - 1) or 1)\n",
    ),
    (
        "best_scale",
        "ten tries",
        "def best_scale(x, bits):\n"
        "    top = 2 ** (bits - 1) - 1\n"
        "    scales = np.linspace(0.1, 1, 10) * (np.abs(x).max() / top or 1)\n"
        "    codes = [np.clip(np.rint(x / s), -top, top) * s for s in scales]\n"
        "    return np.float32(scales[np.argmin([np.mean((c - x) ** 2) for c in codes])])\n",
    ),
    (
        "best_scale",
        "forgets to clip when it measures",
        "def best_scale(x, bits):\n"
        "    scales = np.geomspace(0.02, 1, 200) * (np.abs(x).max() / (2 ** (bits - 1) - 1) or 1)\n"
        "    errors = [np.mean((np.rint(x / s) * s - x) ** 2) for s in scales]\n"
        "    return np.float32(scales[np.argmin(errors)])\n",
    ),
    ("best_scale", "a constant", "def best_scale(x, bits):\n    return np.float32(0.1)\n"),
]
