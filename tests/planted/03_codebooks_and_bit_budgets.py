"""Wrong answers to lab 03, each with the reason why it is wrong: (task, reason, source).

Every one is a mistake that a student makes or a shortcut that one tries; each must lose marks.
"""

ROW_TABLES = (
    "def tables(weight, k):\n"
    "    levels = np.quantile(weight, (np.arange(k) + 0.5) / k, axis=1).T\n"
    "    for _ in range(10):\n"
    "        codes = np.abs(weight[:, :, None] - levels[:, None]).argmin(axis=2)\n"
    "        for level in range(k):\n"
    "            hits = (codes == level).sum(axis=1)\n"
    "            sums = (weight * (codes == level)).sum(axis=1)\n"
    "            levels[:, level] = np.where(hits > 0, sums / np.maximum(hits, 1), levels[:, level])\n"
    "    return levels, codes\n"
)
ONE_TABLE = (
    "def table(weight, k):\n"
    "    levels = np.quantile(weight, (np.arange(k) + 0.5) / k)\n"
    "    for _ in range(30):\n"
    "        codes = np.searchsorted((levels[1:] + levels[:-1]) / 2, weight)\n"
    "        hits = np.bincount(codes.ravel(), minlength=k)\n"
    "        sums = np.bincount(codes.ravel(), weights=weight.ravel(), minlength=k)\n"
    "        levels = np.where(hits > 0, sums / np.maximum(hits, 1), levels)\n"
    "    return levels.astype(np.float32), np.searchsorted((levels[1:] + levels[:-1]) / 2, weight)\n"
)

PLANTED = [
    (
        "assign",
        "the higher level on ties",
        "def assign(x, levels):\n"
        "    return np.searchsorted((levels[1:] + levels[:-1]) / 2, x, side='right')\n",
    ),
    (
        "assign",
        "the level below",
        "def assign(x, levels):\n"
        "    return np.clip(np.searchsorted(levels, x) - 1, 0, len(levels) - 1)\n",
    ),
    (
        "assign",
        "an even grid between the first and the last level",
        "def assign(x, levels):\n"
        "    step = (levels[-1] - levels[0]) / max(len(levels) - 1, 1) or 1.0\n"
        "    return np.clip(np.rint((x - levels[0]) / step), 0, len(levels) - 1).astype(int)\n",
    ),
    (
        "assign",
        "codes in one byte",
        "def assign(x, levels):\n"
        "    return np.abs(x[..., None] - levels).argmin(axis=-1).astype(np.uint8)\n",
    ),
    (
        "assign",
        "one axis only",
        "def assign(x, levels):\n    return np.abs(x.reshape(-1, 1) - levels).argmin(axis=1)\n",
    ),
    (
        "assign",
        "levels instead of codes",
        "def assign(x, levels):\n"
        "    return levels[np.abs(x[..., None] - levels).argmin(axis=-1)]\n",
    ),
    (
        "assign",
        "codes left in float",
        "def assign(x, levels):\n"
        "    return np.abs(x[..., None] - levels).argmin(axis=-1).astype(np.float32)\n",
    ),
    (
        "assign",
        "runs past the last level",
        "def assign(x, levels):\n"
        "    edges = np.append((levels[1:] + levels[:-1]) / 2, levels[-1])\n"
        "    return np.searchsorted(edges, x)\n",
    ),
    (
        "assign",
        "nearest by size, whatever the sign",
        "def assign(x, levels):\n"
        "    return np.abs(np.abs(x)[..., None] - np.abs(levels)).argmin(axis=-1)\n",
    ),
    ("assign", "zeros", "def assign(x, levels):\n    return np.zeros(x.shape, int)\n"),
    (
        "kmeans",
        "one step",
        "def kmeans(x, levels):\n"
        "    codes = np.abs(np.ravel(x)[:, None] - levels).argmin(axis=1)\n"
        "    return np.array([np.ravel(x)[codes == k].mean() if (codes == k).any() else level\n"
        "                     for k, level in enumerate(levels)])\n",
    ),
    (
        "kmeans",
        "ten steps",
        "def kmeans(x, levels):\n"
        "    x = np.ravel(x)\n"
        "    for _ in range(10):\n"
        "        codes = np.abs(x[:, None] - levels).argmin(axis=1)\n"
        "        levels = np.array([x[codes == k].mean() if (codes == k).any() else level\n"
        "                           for k, level in enumerate(levels)])\n"
        "    return levels\n",
    ),
    (
        "kmeans",
        "NaN for a level without values",
        "def kmeans(x, levels):\n"
        "    x = np.ravel(x)\n"
        "    for _ in range(500):\n"
        "        codes = np.abs(x[:, None] - levels).argmin(axis=1)\n"
        "        hits = np.bincount(codes, minlength=len(levels))\n"
        "        levels = np.bincount(codes, weights=x, minlength=len(levels)) / hits\n"
        "    return levels\n",
    ),
    (
        "kmeans",
        "0 for a level without values",
        "def kmeans(x, levels):\n"
        "    x = np.ravel(x)\n"
        "    for _ in range(500):\n"
        "        codes = np.abs(x[:, None] - levels).argmin(axis=1)\n"
        "        hits = np.bincount(codes, minlength=len(levels))\n"
        "        sums = np.bincount(codes, weights=x, minlength=len(levels))\n"
        "        levels = sums / np.maximum(hits, 1)\n"
        "    return np.sort(levels)\n",
    ),
    (
        "kmeans",
        "drops a level without values",
        "def kmeans(x, levels):\n"
        "    x = np.ravel(x)\n"
        "    for _ in range(500):\n"
        "        codes = np.abs(x[:, None] - levels).argmin(axis=1)\n"
        "        levels = np.array([x[codes == k].mean() for k in np.unique(codes)])\n"
        "    return levels\n",
    ),
    (
        "kmeans",
        "the higher level on ties",
        "def kmeans(x, levels):\n"
        "    x = np.ravel(x)\n"
        "    for _ in range(500):\n"
        "        codes = np.searchsorted((levels[1:] + levels[:-1]) / 2, x, side='right')\n"
        "        hits = np.bincount(codes, minlength=len(levels))\n"
        "        sums = np.bincount(codes, weights=x, minlength=len(levels))\n"
        "        levels = np.where(hits > 0, sums / np.maximum(hits, 1), levels)\n"
        "    return levels\n",
    ),
    (
        "kmeans",
        "a start of its own",
        "def kmeans(x, levels):\n"
        "    x, k = np.ravel(x), len(levels)\n"
        "    levels = np.quantile(x, (np.arange(k) + 0.5) / k)\n"
        "    for _ in range(500):\n"
        "        codes = np.abs(x[:, None] - levels).argmin(axis=1)\n"
        "        hits = np.bincount(codes, minlength=k)\n"
        "        sums = np.bincount(codes, weights=x, minlength=k)\n"
        "        levels = np.where(hits > 0, sums / np.maximum(hits, 1), levels)\n"
        "    return levels\n",
    ),
    (
        "kmeans",
        "medians instead of means",
        "def kmeans(x, levels):\n"
        "    x = np.ravel(x)\n"
        "    for _ in range(500):\n"
        "        codes = np.abs(x[:, None] - levels).argmin(axis=1)\n"
        "        levels = np.array([np.median(x[codes == k]) if (codes == k).any() else level\n"
        "                           for k, level in enumerate(levels)])\n"
        "    return levels\n",
    ),
    (
        "kmeans",
        "stops when the error falls by less than 1%",
        "def kmeans(x, levels):\n"
        "    x, before = np.ravel(x), np.inf\n"
        "    while True:\n"
        "        codes = np.abs(x[:, None] - levels).argmin(axis=1)\n"
        "        error = np.mean((x - levels[codes]) ** 2)\n"
        "        if error >= 0.99 * before:\n"
        "            return levels\n"
        "        before = error\n"
        "        levels = np.array([x[codes == k].mean() if (codes == k).any() else level\n"
        "                           for k, level in enumerate(levels)])\n",
    ),
    (
        "kmeans",
        "one axis only",
        "def kmeans(x, levels):\n"
        "    for _ in range(500):\n"
        "        codes = np.abs(x[:, None] - levels).argmin(axis=1)\n"
        "        hits = np.bincount(codes, minlength=len(levels))\n"
        "        sums = np.bincount(codes, weights=x, minlength=len(levels))\n"
        "        levels = np.where(hits > 0, sums / np.maximum(hits, 1), levels)\n"
        "    return levels\n",
    ),
    ("kmeans", "the start", "def kmeans(x, levels):\n    return levels.copy()\n"),
    (
        "stored_bits",
        "forgets the table",
        "def stored_bits(num_weights, num_levels, level_bits):\n"
        "    return num_weights * (num_levels - 1).bit_length()\n",
    ),
    (
        "stored_bits",
        "fractions of a bit",
        "def stored_bits(num_weights, num_levels, level_bits):\n"
        "    return num_weights * np.log2(num_levels) + num_levels * level_bits\n",
    ),
    (
        "stored_bits",
        "rounds down",
        "def stored_bits(num_weights, num_levels, level_bits):\n"
        "    return num_weights * int(np.log2(num_levels)) + num_levels * level_bits\n",
    ),
    (
        "stored_bits",
        "one bit too many at a power of two",
        "def stored_bits(num_weights, num_levels, level_bits):\n"
        "    return num_weights * num_levels.bit_length() + num_levels * level_bits\n",
    ),
    (
        "stored_bits",
        "at least one bit for each weight",
        "def stored_bits(num_weights, num_levels, level_bits):\n"
        "    return num_weights * max((num_levels - 1).bit_length(), 1) + num_levels * level_bits\n",
    ),
    (
        "stored_bits",
        "bytes instead of bits",
        "def stored_bits(num_weights, num_levels, level_bits):\n"
        "    return (num_weights * (num_levels - 1).bit_length() + num_levels * level_bits + 7) // 8\n",
    ),
    (
        "stored_bits",
        "counts in float32",
        "def stored_bits(num_weights, num_levels, level_bits):\n"
        "    index = np.float32(num_weights) * np.ceil(np.log2(np.float32(num_levels)))\n"
        "    return int(index + np.float32(num_levels * level_bits))\n",
    ),
    (
        "stored_bits",
        "a float",
        "def stored_bits(num_weights, num_levels, level_bits):\n"
        "    return float(num_weights * (num_levels - 1).bit_length() + num_levels * level_bits)\n",
    ),
    (
        "break_even",
        "the count at which both take the same",
        "def break_even(num_levels, level_bits, uniform_bits, scale_bits):\n"
        "    saved = uniform_bits - (num_levels - 1).bit_length()\n"
        "    extra = num_levels * level_bits - scale_bits\n"
        "    if saved <= 0:\n"
        "        return 1 if extra < saved else 0\n"
        "    return max(-(-extra // saved), 1)\n",
    ),
    (
        "break_even",
        "a fraction of a weight",
        "def break_even(num_levels, level_bits, uniform_bits, scale_bits):\n"
        "    saved = uniform_bits - (num_levels - 1).bit_length()\n"
        "    extra = num_levels * level_bits - scale_bits\n"
        "    return max(extra / saved, 1) if saved > 0 else 0\n",
    ),
    (
        "break_even",
        "forgets the scale of the grid",
        "def break_even(num_levels, level_bits, uniform_bits, scale_bits):\n"
        "    saved = uniform_bits - (num_levels - 1).bit_length()\n"
        "    return num_levels * level_bits // saved + 1 if saved > 0 else 0\n",
    ),
    (
        "break_even",
        "a negative count where the codebook never wins",
        "def break_even(num_levels, level_bits, uniform_bits, scale_bits):\n"
        "    saved = uniform_bits - (num_levels - 1).bit_length()\n"
        "    extra = num_levels * level_bits - scale_bits\n"
        "    return max(extra // saved + 1, 1) if saved > 0 else extra // (saved or -1)\n",
    ),
    (
        "break_even",
        "indices of a fraction of a bit",
        "def break_even(num_levels, level_bits, uniform_bits, scale_bits):\n"
        "    saved = uniform_bits - np.log2(num_levels)\n"
        "    extra = num_levels * level_bits - scale_bits\n"
        "    return max(int(extra // saved) + 1, 1) if saved > 0 else 0\n",
    ),
    (
        "break_even",
        "0 or less where the table is smaller than the scale",
        "def break_even(num_levels, level_bits, uniform_bits, scale_bits):\n"
        "    saved = uniform_bits - (num_levels - 1).bit_length()\n"
        "    extra = num_levels * level_bits - scale_bits\n"
        "    return extra // saved + 1 if saved > 0 else 0\n",
    ),
    (
        "break_even",
        "looks at powers of two only",
        "def break_even(num_levels, level_bits, uniform_bits, scale_bits):\n"
        "    index = (num_levels - 1).bit_length()\n"
        "    for count in 2 ** np.arange(20):\n"
        "        if count * index + num_levels * level_bits < count * uniform_bits + scale_bits:\n"
        "            return int(count)\n"
        "    return 0\n",
    ),
    (
        "table_price",
        "one table for all lanes",
        "def table_price(num_lanes, num_levels, level_bits, bit, wide, narrow):\n"
        "    total = np.array([num_levels, num_lanes]) * level_bits * bit + num_lanes * wide\n"
        "    return total, total / (num_lanes * narrow)\n",
    ),
    (
        "table_price",
        "reads the whole table",
        "def table_price(num_lanes, num_levels, level_bits, bit, wide, narrow):\n"
        "    total = num_lanes * (num_levels * level_bits * bit + wide)\n"
        "    return total, total / (num_lanes * narrow)\n",
    ),
    (
        "table_price",
        "forgets that a multiplier follows",
        "def table_price(num_lanes, num_levels, level_bits, bit, wide, narrow):\n"
        "    total = num_lanes * np.array([num_levels, 1]) * level_bits * bit\n"
        "    return total, total / (num_lanes * narrow)\n",
    ),
    (
        "table_price",
        "a narrow multiplier behind the table",
        "def table_price(num_lanes, num_levels, level_bits, bit, wide, narrow):\n"
        "    total = num_lanes * (np.array([num_levels, 1]) * level_bits * bit + narrow)\n"
        "    return total, total / (num_lanes * narrow)\n",
    ),
    (
        "table_price",
        "a table of codes instead of levels",
        "def table_price(num_lanes, num_levels, level_bits, bit, wide, narrow):\n"
        "    code_bits = (num_levels - 1).bit_length()\n"
        "    total = num_lanes * (np.array([num_levels, 1]) * code_bits * bit + wide)\n"
        "    return total, total / (num_lanes * narrow)\n",
    ),
    (
        "table_price",
        "compares with one multiplier",
        "def table_price(num_lanes, num_levels, level_bits, bit, wide, narrow):\n"
        "    total = num_lanes * (np.array([num_levels, 1]) * level_bits * bit + wide)\n"
        "    return total, total / narrow\n",
    ),
    (
        "table_price",
        "the ratio upside down",
        "def table_price(num_lanes, num_levels, level_bits, bit, wide, narrow):\n"
        "    total = num_lanes * (np.array([num_levels, 1]) * level_bits * bit + wide)\n"
        "    return total, num_lanes * narrow / total\n",
    ),
    (
        "table_price",
        "one lane only",
        "def table_price(num_lanes, num_levels, level_bits, bit, wide, narrow):\n"
        "    lane = np.array([num_levels, 1]) * level_bits * bit + wide\n"
        "    return lane, lane / narrow\n",
    ),
    (
        "allocate",
        "greedy, the most gain for each byte first",
        "def allocate(losses, sizes, budget):\n"
        "    layers = np.arange(len(losses))\n"
        "    chosen = sizes.argmin(axis=1)\n"
        "    while True:\n"
        "        left = budget - sizes[layers, chosen].sum()\n"
        "        gain = losses[layers, chosen][:, None] - losses\n"
        "        cost = sizes - sizes[layers, chosen][:, None]\n"
        "        rate = np.where((gain > 0) & (cost <= left), gain / np.maximum(cost, 1), 0)\n"
        "        if rate.max() <= 0:\n"
        "            return chosen\n"
        "        layer, choice = np.unravel_index(rate.argmax(), rate.shape)\n"
        "        chosen[layer] = choice\n",
    ),
    (
        "allocate",
        "greedy, one step wider at a time",
        "def allocate(losses, sizes, budget):\n"
        "    layers = np.arange(len(losses))\n"
        "    chosen = np.zeros(len(losses), int)\n"
        "    while True:\n"
        "        left = budget - sizes[layers, chosen].sum()\n"
        "        rates = {}\n"
        "        for i in layers[chosen + 1 < losses.shape[1]]:\n"
        "            now, then = chosen[i], chosen[i] + 1\n"
        "            if sizes[i, then] - sizes[i, now] <= left:\n"
        "                gain = losses[i, now] - losses[i, then]\n"
        "                rates[i] = gain / (sizes[i, then] - sizes[i, now])\n"
        "        if not rates:\n"
        "            return chosen\n"
        "        chosen[max(rates, key=rates.get)] += 1\n",
    ),
    (
        "allocate",
        "one width for all layers",
        "def allocate(losses, sizes, budget):\n"
        "    fits = sizes.sum(axis=0) <= budget\n"
        "    total = np.where(fits, losses.sum(axis=0), np.inf)\n"
        "    return np.full(len(losses), total.argmin())\n",
    ),
    (
        "allocate",
        "the least loss, whatever it takes",
        "def allocate(losses, sizes, budget):\n    return losses.argmin(axis=1)\n",
    ),
    (
        "allocate",
        "the smallest of everything",
        "def allocate(losses, sizes, budget):\n    return sizes.argmin(axis=1)\n",
    ),
    (
        "allocate",
        "tries everything, in the time it has",
        "from itertools import islice, product\n"
        "def allocate(losses, sizes, budget):\n"
        "    layers, best, found = np.arange(len(losses)), np.inf, sizes.argmin(axis=1)\n"
        "    for choice in islice(product(range(losses.shape[1]), repeat=len(losses)), 20000):\n"
        "        choice = np.array(choice)\n"
        "        loss = losses[layers, choice].sum()\n"
        "        if loss < best and sizes[layers, choice].sum() <= budget:\n"
        "            best, found = loss, choice\n"
        "    return found\n",
    ),
    (
        "allocate",
        "a budget for each layer",
        "def allocate(losses, sizes, budget):\n"
        "    fits = sizes <= budget / len(sizes)\n"
        "    return np.where(fits, losses, np.inf).argmin(axis=1)\n",
    ),
    (
        "allocate",
        "spends less than the budget",
        "def allocate(losses, sizes, budget):\n"
        "    fronts = [(0, 0.0, [])]\n"
        "    for loss, size in zip(losses, sizes):\n"
        "        grown = sorted((s + int(b), l + a, c + [k]) for s, l, c in fronts\n"
        "                       for k, (a, b) in enumerate(zip(loss, size)) if s + b < budget)\n"
        "        fronts, best = [], np.inf\n"
        "        for s, l, c in grown:\n"
        "            if l < best:\n"
        "                fronts, best = fronts + [(s, l, c)], l\n"
        "    return np.array(fronts[-1][2]) if fronts else sizes.argmin(axis=1)\n",
    ),
    (
        "allocate",
        "takes for granted that the widest loses least",
        "def allocate(losses, sizes, budget):\n"
        "    if sizes[:, -1].sum() <= budget:\n"
        "        return np.full(len(sizes), sizes.shape[1] - 1)\n"
        "    fronts = {0: (0.0, [])}\n"
        "    for loss, size in zip(losses, sizes):\n"
        "        grown = {}\n"
        "        for used, (lost, picks) in fronts.items():\n"
        "            for pick in range(len(loss)):\n"
        "                if pick and loss[pick] >= loss[pick - 1]:\n"
        "                    break\n"
        "                total = used + int(size[pick])\n"
        "                new = (lost + loss[pick], picks + [pick])\n"
        "                if total <= budget and new < grown.get(total, (np.inf, [])):\n"
        "                    grown[total] = new\n"
        "        fronts = grown\n"
        "    return np.array(min(fronts.values())[1] if fronts else sizes.argmin(axis=1))\n",
    ),
    (
        "allocate",
        "returns the loss instead of the choices",
        "def allocate(losses, sizes, budget):\n    return losses.min(axis=1)\n",
    ),
    (
        "compress",
        "the weights themselves",
        "def compress(weights, biases, images):\n"
        "    return [(np.unique(w), np.searchsorted(np.unique(w), w), b)\n"
        "            for w, b in zip(weights, biases)]\n",
    ),
    (
        "compress",
        "8 bits, biases in float32",
        ONE_TABLE + "def compress(weights, biases, images):\n"
        "    return [(*table(w, 256), b) for w, b in zip(weights, biases)]\n",
    ),
    (
        "compress",
        "4 bits by k-means and no further",
        ONE_TABLE + "def compress(weights, biases, images):\n"
        "    return [(*table(w, 16), b) for w, b in zip(weights, biases)]\n",
    ),
    (
        "compress",
        "3 bits by k-means and no further",
        ONE_TABLE + "def compress(weights, biases, images):\n"
        "    return [(*table(w, 8), b) for w, b in zip(weights, biases)]\n",
    ),
    (
        "compress",
        "2 bits by k-means, below the floor",
        ONE_TABLE + "def compress(weights, biases, images):\n"
        "    return [(*table(w, 4), b) for w, b in zip(weights, biases)]\n",
    ),
    (
        "compress",
        "2 bits with a table for each row, a little below the floor",
        ROW_TABLES + "def compress(weights, biases, images):\n"
        "    return [(tables(w, 4)[0].astype(np.float16), tables(w, 4)[1], b)\n"
        "            for w, b in zip(weights, biases)]\n",
    ),
    (
        "compress",
        "2 bits on a min-max grid",
        "def compress(weights, biases, images):\n"
        "    grids = [np.linspace(w.min(), w.max(), 4, dtype=np.float32) for w in weights]\n"
        "    return [(g, np.abs(w[..., None] - g).argmin(axis=-1), b)\n"
        "            for g, w, b in zip(grids, weights, biases)]\n",
    ),
    (
        "compress",
        "3 levels, counted as 1.58 bits",
        ONE_TABLE + "def compress(weights, biases, images):\n"
        "    return [(*table(w, 3), b) for w, b in zip(weights, biases)]\n",
    ),
    (
        "compress",
        "five levels where a table promises four",
        ONE_TABLE + "def compress(weights, biases, images):\n"
        "    layers = [(*table(w, 5), b) for w, b in zip(weights, biases)]\n"
        "    return [(levels[:4], codes, b) for levels, codes, b in layers]\n",
    ),
    (
        "compress",
        "weights instead of codes",
        "def compress(weights, biases, images):\n"
        "    return [(np.zeros(1, np.float16), w, b) for w, b in zip(weights, biases)]\n",
    ),
    (
        "compress",
        "only the first layer",
        ONE_TABLE + "def compress(weights, biases, images):\n"
        "    return [(*table(weights[0], 4), biases[0])]\n",
    ),
    (
        "compress",
        "levels that overflow",
        "def compress(weights, biases, images):\n"
        "    return [(np.array([-1e300, 1e300]), (w > 0).astype(int), b)\n"
        "            for w, b in zip(weights, biases)]\n",
    ),
    (
        "compress",
        "everything zero, and biases that like the digit 1",
        "def compress(weights, biases, images):\n"
        "    return [(np.zeros(1, np.float16), np.zeros(w.shape, int), np.eye(len(b))[1])\n"
        "            for w, b in zip(weights, biases)]\n",
    ),
]
