"""Wrong answers to lab 04, each with the reason why it is wrong: (task, reason, source).

Every one is a mistake that a student makes or a shortcut that one tries; each must lose marks.
"""

_RANKED = """
def magnitude_mask(weight, sparsity):
    sizes = {sizes}
    mask = np.ones(weight.size, dtype=bool)
    mask[{order}[:{count}]] = False
    return mask.reshape(weight.shape)
"""


def _ranked(
    *,
    sizes="np.abs(weight).ravel()",
    order="weight.size - 1 - np.argsort(sizes[::-1], kind='stable')",
    count="round(sparsity * weight.size)",
):
    """A right mask with one thing changed."""
    return _RANKED.format(sizes=sizes, order=order, count=count)


_GROUPED = """
def n_m_mask(weight, n, m):
    groups = {groups}
    order = np.argsort({score}, axis=-1, kind="stable")
    mask = np.zeros(groups.shape, dtype=bool)
    np.put_along_axis(mask, order[..., :{kept}], True, axis=-1)
    return mask.reshape(weight.shape)
"""


def _grouped(*, groups="weight.reshape(-1, m)", score="-np.abs(groups)", kept="n"):
    """A right n:m mask with one thing changed."""
    return _GROUPED.format(groups=groups, score=score, kept=kept)


_READ = """
def least_densities(accuracies, densities, floor):
    order = {order}
    found = []
    for row in accuracies:
        least = {start}
        for column in order:
            if row[column] {compare} floor:
                {stop}
            least = densities[column]
        found.append(least)
    return np.array(found)
"""


def _read(*, order="np.argsort(-densities)", start="1.0", compare="<", stop="break", source=_READ):
    """A right reading with one thing changed."""
    return source.format(order=order, start=start, compare=compare, stop=stop)


_STEP = """
def masked_step(weight, gradient, velocity, mask, rate, momentum, decay):
    velocity = {velocity}
    weight = {weight}
    return weight, velocity
"""


def _step(
    *,
    velocity="(momentum * velocity + gradient + decay * weight) * mask",
    weight="(weight - rate * velocity) * mask",
):
    """A right step with one thing changed."""
    return _STEP.format(velocity=velocity, weight=weight)


_CUT = """
def prune_and_repair(weights, biases, features, classes, num_kept):
    sizes = np.concatenate([np.abs(weight).ravel() for weight in weights])
    mask = np.zeros(sizes.size, dtype=bool)
    mask[np.argsort(-sizes, kind="stable")[:{count}]] = True
    masks = [mask[: weights[0].size], mask[weights[0].size :]]
    cut = [weight * keep.reshape(weight.shape) for weight, keep in zip(weights, masks)]
    return {result}
"""


def _cut(*, count="num_kept", result="cut, biases"):
    """One ranking of both layers by magnitude, no repair, and one thing changed."""
    return _CUT.format(count=count, result=result)


_TWO_FIFTHS = """
def masks_of(weights, num_kept):
    masks = []
    for weight, count in zip(weights, (num_kept - 2000, 2000)):
        mask = np.zeros(weight.size, dtype=bool)
        mask[np.argsort(-np.abs(weight).ravel(), kind="stable")[:count]] = True
        masks.append(mask.reshape(weight.shape))
    return masks
"""

_DESCENT = """
def prune_and_repair(weights, biases, features, classes, num_kept):
    masks = masks_of(weights, num_kept)
    into, out = [weight * mask for weight, mask in zip(weights, masks)]
    into_bias, out_bias = [bias.copy() for bias in biases]
    rng = np.random.default_rng(0)
    for _ in range({num_steps}):
        chosen = rng.integers(len(features), size=100)
        hidden = np.maximum(features[chosen] @ into.T + into_bias, 0)
        scores = hidden @ out.T + out_bias
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        error = odds / odds.sum(axis=1, keepdims=True)
        error[np.arange(100), classes[chosen]] -= 1
        behind = (error @ out) * (hidden > 0)
        into -= {rate} * (behind.T @ features[chosen]) {kept}
        out -= {rate} * (error.T @ hidden) {kept_out}
        into_bias -= {rate} * behind.sum(axis=0)
        out_bias -= {rate} * error.sum(axis=0)
    return [into, out], [into_bias, out_bias]
"""


def _descent(*, num_steps=20, rate=1e-4, kept="* masks[0]", kept_out="* masks[1]"):
    """A good mask and a short plain gradient descent, and one thing changed."""
    return _TWO_FIFTHS + _DESCENT.format(
        num_steps=num_steps, rate=rate, kept=kept, kept_out=kept_out
    )


PLANTED = [
    (
        "magnitude_mask",
        "a threshold at the quantile, which keeps or drops all equal weights",
        "def magnitude_mask(weight, sparsity):\n"
        "    sizes = np.abs(weight)\n"
        "    return sizes > np.quantile(sizes, sparsity)\n",
    ),
    (
        "magnitude_mask",
        "a threshold at the first weight that goes",
        "def magnitude_mask(weight, sparsity):\n"
        "    sizes = np.abs(weight)\n"
        "    num_dropped = round(sparsity * weight.size)\n"
        "    if num_dropped == 0:\n"
        "        return np.ones(weight.shape, dtype=bool)\n"
        "    return sizes > np.sort(sizes.ravel())[num_dropped - 1]\n",
    ),
    (
        "magnitude_mask",
        "keeps the later of equal weights",
        _ranked(order="np.argsort(sizes, kind='stable')"),
    ),
    ("magnitude_mask", "an unstable sort", _ranked(order="np.argsort(-sizes)[::-1]")),
    ("magnitude_mask", "cuts the count", _ranked(count="int(sparsity * weight.size)")),
    (
        "magnitude_mask",
        "rounds the count up",
        _ranked(count="int(np.ceil(sparsity * weight.size))"),
    ),
    (
        "magnitude_mask",
        "rounds a half up",
        _ranked(count="int(sparsity * weight.size + 0.5)"),
    ),
    ("magnitude_mask", "forgets the sign", _ranked(sizes="weight.ravel()")),
    (
        "magnitude_mask",
        "takes the sparsity for the density",
        _ranked(count="round((1 - sparsity) * weight.size)"),
    ),
    (
        "magnitude_mask",
        "True where a weight is dropped",
        _ranked().replace("mask.reshape", "~mask.reshape"),
    ),
    (
        "magnitude_mask",
        "the last ones by a negative index, everything at sparsity 1",
        "def magnitude_mask(weight, sparsity):\n"
        "    num_kept = weight.size - round(sparsity * weight.size)\n"
        "    mask = np.zeros(weight.size, dtype=bool)\n"
        "    order = np.argsort(-np.abs(weight).ravel(), kind='stable')[::-1]\n"
        "    mask[order[-num_kept:]] = True\n"
        "    return mask.reshape(weight.shape)\n",
    ),
    (
        "magnitude_mask",
        "ranks each row by itself",
        "def magnitude_mask(weight, sparsity):\n"
        "    rows = np.abs(weight).reshape(len(weight) if weight.ndim > 1 else 1, -1)\n"
        "    order = np.argsort(-rows, axis=1, kind='stable')\n"
        "    mask = np.zeros(rows.shape, dtype=bool)\n"
        "    num_kept = rows.shape[1] - round(sparsity * rows.shape[1])\n"
        "    np.put_along_axis(mask, order[:, :num_kept], True, axis=1)\n"
        "    return mask.reshape(weight.shape)\n",
    ),
    (
        "magnitude_mask",
        "the pruned weights instead of a mask",
        _ranked().replace("mask.reshape(weight.shape)", "weight * mask.reshape(weight.shape)"),
    ),
    (
        "magnitude_mask",
        "a mask of numbers",
        _ranked().replace("mask.reshape(weight.shape)", "mask.reshape(weight.shape) * 1.0"),
    ),
    (
        "n_m_mask",
        "a threshold, which keeps too many equal weights",
        "def n_m_mask(weight, n, m):\n"
        "    groups = np.abs(weight).reshape(-1, m)\n"
        "    least = np.sort(groups, axis=1)[:, m - n]\n"
        "    return (groups >= least[:, None]).reshape(weight.shape)\n",
    ),
    (
        "n_m_mask",
        "keeps the later of equal weights",
        _grouped()
        .replace("order[..., :n]", "order[..., ::-1][..., :n]")
        .replace("-np.abs", "np.abs"),
    ),
    ("n_m_mask", "drops n instead of keeping them", _grouped(kept="m - n")),
    ("n_m_mask", "always 2 of 4", _grouped(groups="weight.reshape(-1, 4)", kept="2")),
    ("n_m_mask", "forgets the sign", _grouped(score="-groups")),
    ("n_m_mask", "keeps the smallest", _grouped(score="np.abs(groups)")),
    (
        "n_m_mask",
        "groups across the outputs",
        "def n_m_mask(weight, n, m):\n"
        "    columns = weight.reshape(len(weight), -1).T\n"
        "    if columns.size % m:\n"
        "        return np.ones(weight.shape, dtype=bool)\n"
        "    groups = columns.reshape(-1, m)\n"
        "    order = np.argsort(-np.abs(groups), axis=1, kind='stable')\n"
        "    mask = np.zeros(groups.shape, dtype=bool)\n"
        "    np.put_along_axis(mask, order[:, :n], True, axis=1)\n"
        "    return mask.reshape(columns.shape).T.reshape(weight.shape)\n",
    ),
    (
        "n_m_mask",
        "the same share of the whole tensor",
        "def n_m_mask(weight, n, m):\n"
        "    order = np.argsort(-np.abs(weight).ravel(), kind='stable')\n"
        "    mask = np.zeros(weight.size, dtype=bool)\n"
        "    mask[order[: weight.size * n // m]] = True\n"
        "    return mask.reshape(weight.shape)\n",
    ),
    (
        "n_m_mask",
        "the channels of a convolution at one place",
        "def n_m_mask(weight, n, m):\n"
        "    moved = np.moveaxis(weight, 1, -1)\n"
        "    groups = moved.reshape(-1, m)\n"
        "    order = np.argsort(-np.abs(groups), axis=1, kind='stable')\n"
        "    mask = np.zeros(groups.shape, dtype=bool)\n"
        "    np.put_along_axis(mask, order[:, :n], True, axis=1)\n"
        "    return np.moveaxis(mask.reshape(moved.shape), -1, 1)\n",
    ),
    (
        "n_m_mask",
        "every second weight",
        "def n_m_mask(weight, n, m):\n"
        "    return (np.arange(weight.size) % m < n).reshape(weight.shape)\n",
    ),
    ("n_m_mask", "flattens the mask", _grouped().replace("mask.reshape(weight.shape)", "mask")),
    ("least_densities", "trusts a lucky value below a bad one", _read(stop="continue")),
    ("least_densities", "above the floor, not at it", _read(compare="<=")),
    (
        "least_densities",
        "takes the table as sorted",
        _read(order="range(len(densities) - 1, -1, -1)"),
    ),
    ("least_densities", "starts from the least density", _read(order="np.argsort(densities)")),
    (
        "least_densities",
        "0 for a layer that bears nothing",
        _read(start="0.0"),
    ),
    (
        "least_densities",
        "the first density below the floor",
        _read().replace(
            "                break\n            least = densities[column]\n",
            "                least = densities[column]\n                break\n",
        ),
    ),
    (
        "least_densities",
        "one density that suits all layers",
        "def least_densities(accuracies, densities, floor):\n"
        "    least = 1.0\n"
        "    for column in np.argsort(-densities):\n"
        "        if accuracies[:, column].min() < floor:\n"
        "            break\n"
        "        least = densities[column]\n"
        "    return np.full(len(accuracies), least)\n",
    ),
    (
        "least_densities",
        "columns instead of densities",
        _read().replace("least = densities[column]", "least = float(column)"),
    ),
    (
        "least_densities",
        "sparsities instead of densities",
        _read().replace("least = densities[column]", "least = 1 - densities[column]"),
    ),
    (
        "cubic_schedule",
        "counts the rounds from 0",
        "def cubic_schedule(initial, final, rounds):\n"
        "    return [final + (initial - final) * (1 - i / rounds) ** 3 for i in range(rounds)]\n",
    ),
    (
        "cubic_schedule",
        "one sparsity too many",
        "def cubic_schedule(initial, final, rounds):\n"
        "    return [final + (initial - final) * (1 - i / rounds) ** 3 for i in range(rounds + 1)]\n",
    ),
    (
        "cubic_schedule",
        "begins slowly instead of ending slowly",
        "def cubic_schedule(initial, final, rounds):\n"
        "    done = np.arange(1, rounds + 1) / rounds\n"
        "    return initial + (final - initial) * done**3\n",
    ),
    (
        "cubic_schedule",
        "the square",
        "def cubic_schedule(initial, final, rounds):\n"
        "    done = np.arange(1, rounds + 1) / rounds\n"
        "    return final + (initial - final) * (1 - done) ** 2\n",
    ),
    (
        "cubic_schedule",
        "equal steps",
        "def cubic_schedule(initial, final, rounds):\n"
        "    return np.linspace(initial, final, rounds + 1)[1:]\n",
    ),
    (
        "cubic_schedule",
        "the same share of what is left in each round",
        "def cubic_schedule(initial, final, rounds):\n"
        "    kept = (1 - final) / (1 - initial)\n"
        "    return [1 - (1 - initial) * kept ** (i / rounds) for i in range(1, rounds + 1)]\n",
    ),
    (
        "cubic_schedule",
        "forgets where it starts",
        "def cubic_schedule(initial, final, rounds):\n"
        "    return [final * (1 - (1 - i / rounds) ** 3) for i in range(1, rounds + 1)]\n",
    ),
    (
        "cubic_schedule",
        "densities",
        "def cubic_schedule(initial, final, rounds):\n"
        "    done = np.arange(1, rounds + 1) / rounds\n"
        "    return 1 - (final + (initial - final) * (1 - done) ** 3)\n",
    ),
    (
        "cubic_schedule",
        "divides by one round less",
        "def cubic_schedule(initial, final, rounds):\n"
        "    done = np.arange(rounds) / max(rounds - 1, 1)\n"
        "    return final + (initial - final) * (1 - done) ** 3\n",
    ),
    (
        "masked_step",
        "masks the gradient only",
        _step(
            velocity="momentum * velocity + gradient * mask + decay * weight",
            weight="weight - rate * velocity",
        ),
    ),
    (
        "masked_step",
        "masks before the step instead of behind it",
        _step(
            velocity="momentum * velocity + gradient + decay * weight * mask",
            weight="weight * mask - rate * velocity",
        ),
    ),
    (
        "masked_step",
        "masks the update and not the weight",
        _step(weight="weight - rate * velocity * mask"),
    ),
    (
        "masked_step",
        "leaves the velocity of dropped weights running",
        _step(velocity="momentum * velocity + gradient + decay * weight"),
    ),
    (
        "masked_step",
        "takes the zeros for the mask",
        _step().replace("velocity = (", "mask = mask & (weight != 0)\n    velocity = ("),
    ),
    ("masked_step", "forgets the momentum", _step(velocity="(gradient + decay * weight) * mask")),
    (
        "masked_step",
        "decay beside the velocity",
        _step(
            velocity="(momentum * velocity + gradient) * mask",
            weight="(weight - rate * velocity - rate * decay * weight) * mask",
        ),
    ),
    (
        "masked_step",
        "the rate inside the velocity",
        _step(
            velocity="(momentum * velocity + rate * (gradient + decay * weight)) * mask",
            weight="(weight - velocity) * mask",
        ),
    ),
    (
        "masked_step",
        "averages the gradient",
        _step(
            velocity="(momentum * velocity + (1 - momentum) * (gradient + decay * weight)) * mask"
        ),
    ),
    ("masked_step", "uphill", _step(weight="(weight + rate * velocity) * mask")),
    (
        "masked_step",
        "float64",
        _step().replace("return weight, velocity", "return weight.astype(float), velocity"),
    ),
    (
        "masked_step",
        "forgets to give the velocity back",
        _step().replace("return weight, velocity", "return weight"),
    ),
    ("prune_and_repair", "one ranking by magnitude and no repair", _cut()),
    ("prune_and_repair", "the dense layers", _cut(result="weights, biases")),
    (
        "prune_and_repair",
        "one weight too many",
        _cut(count="num_kept + 1"),
    ),
    (
        "prune_and_repair",
        "keeps what should go",
        _cut(result="[weight - kept for weight, kept in zip(weights, cut)], biases"),
    ),
    (
        "prune_and_repair",
        "masks instead of weights",
        _cut(result="[keep.reshape(weight.shape) for weight, keep in zip(weights, masks)], biases"),
    ),
    ("prune_and_repair", "forgets the biases", _cut(result="cut")),
    (
        "prune_and_repair",
        "the outputs side by side",
        _cut(result="[weight.T for weight in cut], biases"),
    ),
    (
        "prune_and_repair",
        "NaN instead of zeros, which no comparison finds",
        _cut(result="[np.where(weight == 0, np.nan, weight) for weight in cut], biases"),
    ),
    (
        "prune_and_repair",
        "weights that overflow",
        _cut(result="[weight.astype(np.float64) * 1e200 for weight in cut], biases"),
    ),
    (
        "prune_and_repair",
        "nothing but biases",
        _cut(result="[0 * weight for weight in weights], biases"),
    ),
    (
        "prune_and_repair",
        "the same share of both layers and no repair",
        "def prune_and_repair(weights, biases, features, classes, num_kept):\n"
        "    share = num_kept / sum(weight.size for weight in weights)\n"
        "    cut = []\n"
        "    for weight in weights:\n"
        "        order = np.argsort(-np.abs(weight).ravel(), kind='stable')\n"
        "        mask = np.zeros(weight.size, dtype=bool)\n"
        "        mask[order[: int(share * weight.size)]] = True\n"
        "        cut.append(weight * mask.reshape(weight.shape))\n"
        "    return cut, biases\n",
    ),
    (
        "prune_and_repair",
        "a share for each layer, and no repair",
        _TWO_FIFTHS + "def prune_and_repair(weights, biases, features, classes, num_kept):\n"
        "    masks = masks_of(weights, num_kept)\n"
        "    return [weight * mask for weight, mask in zip(weights, masks)], biases\n",
    ),
    (
        "prune_and_repair",
        "repairs without the mask, so that every weight comes back",
        _descent(kept="", kept_out=""),
    ),
    ("prune_and_repair", "stops too soon", _descent()),
    ("prune_and_repair", "a rate that is too large", _descent(rate=0.05)),
]
