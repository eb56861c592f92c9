"""Wrong answers to lab 05, each with the reason why it is wrong: (task, reason, source).

Every one is a mistake that a student makes or a shortcut that one tries; each must lose marks.
"""

_WORK = """
def lane_work(mask, lanes, group):
    outputs, inputs = mask.shape
    tiles, groups = -(-outputs // lanes), -(-inputs // group)
    padded = np.{fill}((tiles * lanes, groups * group), dtype=bool)
    padded[:outputs, :inputs] = mask
    counts = padded.reshape{parts}
    return counts{order}.reshape{shape}
"""


def _work(
    *,
    fill="zeros",
    parts="(tiles, lanes, groups, group).sum(axis=3)",
    order=".transpose(0, 2, 1)",
    shape="(tiles * groups, lanes)",
):
    """A right count with one thing changed."""
    return _WORK.format(fill=fill, parts=parts, order=order, shape=shape)


_SLOWEST = """
import math

def expected_slowest(lanes, group, density):
    total, at_most = 0.0, 0.0
    for k in range({trials}):
        at_most {grows} math.comb(group, k) * density**k * (1 - density) ** (group - k)
        total += {chance}
    return total
"""


def _slowest(*, trials="group", grows="+=", chance="1 - min(at_most, 1.0) ** lanes"):
    """A right sum with one thing changed."""
    return _SLOWEST.format(trials=trials, grows=grows, chance=chance)


_QUEUE = """
def queue_cycles(work, depth):
    finished = np.zeros(work.shape[1], dtype=np.int64)
    left_queue = []
    for number, item in enumerate(work):
        entered = {entered} if number >= {held} else 0
        {finish}
        left_queue.append({leaves})
    return {result}
"""


def _queue(
    *,
    entered="left_queue[number - depth]",
    held="depth",
    finish="finished = np.maximum(finished, entered) + item",
    leaves="int(finished.max())",
    result="left_queue[-1]",
):
    """A right queue with one thing changed."""
    return _QUEUE.format(entered=entered, held=held, finish=finish, leaves=leaves, result=result)


_LADDER = """
def counterfactuals(mask, lanes, width, group):
    outputs, inputs = mask.shape
    tiles, groups = -(-outputs // lanes), -(-inputs // {span})
    padded = np.zeros((tiles * lanes, groups * {span}), dtype=bool)
    padded[:outputs, :inputs] = mask
    work = padded.reshape(tiles, lanes, groups, -1, {vector}){skipped}.sum(axis=3)
    lock_step = {lock_step}
    no_barriers = {no_barriers}
    even = {even}
    single = {single}
    return {dense} / np.array([lock_step, no_barriers, even, single])
"""


def _ladder(
    *,
    span="(width * group)",
    vector="width",
    skipped=".any(axis=4)",
    lock_step="work.max(axis=1).sum()",
    no_barriers="work.sum(axis=(0, 2)).max()",
    even="work.sum() / lanes",
    single="mask.sum() / (lanes * width)",
    dense="tiles * -(-inputs // width)",
):
    """Right speed-ups with one thing changed."""
    return _LADDER.format(
        span=span,
        vector=vector,
        skipped=skipped,
        lock_step=lock_step,
        no_barriers=no_barriers,
        even=even,
        single=single,
        dense=dense,
    )


_SHAPED = """
def recovering_mask(weight, lanes, group):
    sizes = {sizes}
    rank = np.argsort(np.argsort(-sizes, axis=1, kind="stable"), axis=1, kind="stable")
    score = np.where(rank < {cap}, sizes, -1.0).ravel()
    mask = np.zeros(weight.size, dtype=bool)
    mask[np.argsort(-score, kind="stable")[:{count}]] = True
    return mask.reshape(weight.shape)
"""


def _shaped(
    *, sizes="np.abs(weight).reshape(-1, group)", cap="group // 4", count="round(0.2 * weight.size)"
):
    """One cap for all groups, with one thing changed; by itself it misses the last level."""
    return _SHAPED.format(sizes=sizes, cap=cap, count=count)


_THRIFTY = """
def thrifty_masks(weights, biases, images, classes, floor):
    inputs = images
    scores = []
    for weight, bias in zip(weights, biases):
        scores.append({score})
        inputs = np.maximum(inputs @ weight.T + bias, 0)
    for density in {densities}:
        masks = {masks}
        values = images
        for number, (weight, bias, mask) in enumerate(zip(weights, biases, masks)):
            values = values @ (weight * mask).T + bias
            values = values if number == 2 else np.maximum(values, 0)
        if np.mean(values.argmax(axis=1) == classes) >= floor + {margin}:
            break
    return {result}
"""


def _thrifty(
    *,
    score="np.abs(weight)",
    densities="np.arange(0.04, 1, 0.04)",
    masks="[score >= np.quantile(score, 1 - density) for score in scores]",
    margin="0.01",
    result="masks",
):
    """The same share of every layer by magnitude, with one thing changed; it earns a little."""
    return _THRIFTY.format(
        score=score, densities=densities, masks=masks, margin=margin, result=result
    )


_NORM = "np.abs(weight) * np.sqrt(np.mean(inputs**2, axis=0))"
_ONE_RANKING = (
    "[score >= np.quantile(np.concatenate([part.ravel() for part in scores]), 1 - density)"
    " for score in scores]"
)

PLANTED = [
    ("lane_work", "lanes before groups", _work(order="")),
    (
        "lane_work",
        "a table of lanes and groups, not transposed",
        _work(order="", shape="(tiles * lanes, groups)"),
    ),
    (
        "lane_work",
        "deals the outputs to the lanes in blocks",
        _work(parts="(lanes, tiles, groups, group).sum(axis=3)", order=".transpose(1, 2, 0)"),
    ),
    ("lane_work", "group by group, and the tiles inside", _work(order=".transpose(2, 0, 1)")),
    ("lane_work", "fills up with kept weights", _work(fill="ones")),
    ("lane_work", "an item is a tile", _work(order=".sum(axis=2)", shape="(tiles, lanes)")),
    (
        "lane_work",
        "counts the dropped weights",
        _work(parts="(tiles, lanes, groups, group)")
        .replace("counts = padded", "counts = (~padded)")
        .replace("return counts", "return counts.sum(axis=3)"),
    ),
    (
        "lane_work",
        "every group-th input instead of neighbors",
        _work(parts="(tiles, lanes, group, groups).sum(axis=2)"),
    ),
    (
        "lane_work",
        "whole tiles and whole groups only",
        "def lane_work(mask, lanes, group):\n"
        "    tiles, groups = mask.shape[0] // lanes, mask.shape[1] // group\n"
        "    whole = mask[: tiles * lanes, : groups * group]\n"
        "    counts = whole.reshape(tiles, lanes, groups, group).sum(axis=3)\n"
        "    return counts.transpose(0, 2, 1).reshape(tiles * groups, lanes)\n",
    ),
    (
        "barrier_cycles",
        "the busiest lane, which never waits",
        "def barrier_cycles(work, places):\n    return int(work.sum(axis=0).max()) * places\n",
    ),
    (
        "barrier_cycles",
        "the maximum along the items",
        "def barrier_cycles(work, places):\n    return int(work.max(axis=0).sum()) * places\n",
    ),
    (
        "barrier_cycles",
        "the mean lane",
        "def barrier_cycles(work, places):\n    return int(work.mean(axis=1).sum()) * places\n",
    ),
    (
        "barrier_cycles",
        "the sum of all work",
        "def barrier_cycles(work, places):\n    return int(work.sum()) * places\n",
    ),
    (
        "barrier_cycles",
        "one place only",
        "def barrier_cycles(work, places):\n    return int(work.max(axis=1).sum())\n",
    ),
    (
        "barrier_cycles",
        "a cycle for an item without work",
        "def barrier_cycles(work, places):\n"
        "    return int(np.maximum(work.max(axis=1), 1).sum()) * places\n",
    ),
    (
        "barrier_cycles",
        "a cycle for every barrier",
        "def barrier_cycles(work, places):\n"
        "    return int((work.max(axis=1) + 1).sum() - 1) * places\n",
    ),
    (
        "expected_slowest",
        "the largest of the means",
        "def expected_slowest(lanes, group, density):\n    return group * density\n",
    ),
    (
        "expected_slowest",
        "the fastest lane",
        _slowest(chance="(1 - min(at_most, 1.0)) ** lanes"),
    ),
    ("expected_slowest", "the chance of k for that of at most k", _slowest(grows="=")),
    ("expected_slowest", "begins with one kept weight", _slowest(trials="1, group")),
    (
        "expected_slowest",
        "the sum of all lanes",
        _slowest(chance="lanes * (1 - min(at_most, 1.0))"),
    ),
    (
        "expected_slowest",
        "the rule of the square root",
        "def expected_slowest(lanes, group, density):\n"
        "    spread = np.sqrt(2 * group * density * (1 - density) * np.log(lanes))\n"
        "    return group * density + spread\n",
    ),
    (
        "expected_slowest",
        "a simulation",
        "def expected_slowest(lanes, group, density):\n"
        "    rng = np.random.default_rng(0)\n"
        "    return rng.binomial(group, density, (2000, lanes)).max(axis=1).mean()\n",
    ),
    (
        "expected_slowest",
        "factorials as floats, which overflow",
        _slowest().replace(
            "math.comb(group, k)",
            "math.gamma(group + 1.0) / math.gamma(k + 1.0) / math.gamma(group - k + 1.0)",
        ),
    ),
    (
        "queue_cycles",
        "a barrier after every item",
        "def queue_cycles(work, depth):\n    return int(work.max(axis=1).sum())\n",
    ),
    (
        "queue_cycles",
        "a barrier after every depth items",
        "def queue_cycles(work, depth):\n"
        "    starts = np.arange(0, len(work), depth)\n"
        "    return int(np.add.reduceat(work, starts, axis=0).max(axis=1).sum())\n",
    ),
    (
        "queue_cycles",
        "no queue ever full",
        "def queue_cycles(work, depth):\n    return int(work.sum(axis=0).max())\n",
    ),
    (
        "queue_cycles",
        "does not count the item in work",
        _queue(entered="left_queue[number - depth - 1]", held="depth + 1"),
    ),
    (
        "queue_cycles",
        "frees a place when the item begins",
        _queue(leaves="int((finished - item).max())", result="int(finished.max())"),
    ),
    (
        "queue_cycles",
        "each lane has only its own queue to look at",
        _queue(leaves="finished", result="int(left_queue[-1].max())"),
    ),
    (
        "queue_cycles",
        "frees a place when the fastest lane has finished",
        _queue(leaves="int(finished.min())", result="int(finished.max())"),
    ),
    (
        "queue_cycles",
        "a lane without work need not wait",
        _queue(
            finish="finished = np.where(item > 0, np.maximum(finished, entered) + item, finished)",
            leaves="int(finished.max()) if item.any() else 0",
            result="max(left_queue)",
        ),
    ),
    (
        "queue_cycles",
        "adds the time of entering to that of the lane",
        _queue(finish="finished = finished + entered + item"),
    ),
    (
        "counterfactuals",
        "counts a group in inputs",
        _ladder(
            span="(-(-group // width) * width)",
        ),
    ),
    ("counterfactuals", "counts weights for vectors", _ladder(skipped=".sum(axis=4)")),
    ("counterfactuals", "skips a vector when any weight is gone", _ladder(skipped=".all(axis=4)")),
    (
        "counterfactuals",
        "the busiest output for the busiest lane",
        _ladder(no_barriers="work.sum(axis=2).max()"),
    ),
    (
        "counterfactuals",
        "waits at the end of each tile",
        _ladder(no_barriers="work.sum(axis=2).max(axis=1).sum()"),
    ),
    (
        "counterfactuals",
        "even lanes inside every item, with a barrier still",
        _ladder(even="np.ceil(work.mean(axis=1)).sum()"),
    ),
    ("counterfactuals", "a lane multiplies one weight", _ladder(single="mask.sum() / lanes")),
    (
        "counterfactuals",
        "the promise of the density",
        _ladder(single="mask.mean() * tiles * -(-inputs // width)"),
    ),
    (
        "counterfactuals",
        "compares with full lanes",
        _ladder(dense="outputs * inputs / (lanes * width)"),
    ),
    (
        "counterfactuals",
        "cycles instead of speed-ups",
        _ladder().replace("tiles * -(-inputs // width) / np", "1 * np"),
    ),
    (
        "counterfactuals",
        "the share of the time that is left",
        _ladder().replace("return tiles", "return 1 / (tiles").replace("single])", "single]))"),
    ),
    ("recovering_mask", "the largest weights, wherever they are", _shaped(cap="group")),
    (
        "recovering_mask",
        "a fifth of each output",
        _shaped(
            sizes="np.abs(weight)",
            cap="weight.shape[1] // 5 + 1",
        ),
    ),
    ("recovering_mask", "a cap, and no count", _shaped(count="int((score > 0).sum())")),
    ("recovering_mask", "one cap for all groups", _shaped()),
    (
        "recovering_mask",
        "a fifth of each group, cut down",
        _shaped(cap="group // 5", count="int((score > 0).sum())"),
    ),
    (
        "recovering_mask",
        "every fifth weight",
        "def recovering_mask(weight, lanes, group):\n"
        "    mask = np.zeros(weight.size, dtype=bool)\n"
        "    mask[: 5 * round(0.2 * weight.size) : 5] = True\n"
        "    return mask.reshape(weight.shape)\n",
    ),
    ("recovering_mask", "forgets the sign", _shaped(sizes="weight.reshape(-1, group)")),
    (
        "recovering_mask",
        "groups along the outputs",
        "def recovering_mask(weight, lanes, group):\n"
        "    sizes = np.abs(weight).reshape(-1, lanes, weight.shape[1])\n"
        "    order = np.argsort(-sizes, axis=1, kind='stable')\n"
        "    rank = np.argsort(order, axis=1, kind='stable')\n"
        "    score = np.where(rank < max(lanes // 4, 1), sizes, -1.0).ravel()\n"
        "    mask = np.zeros(weight.size, dtype=bool)\n"
        "    mask[np.argsort(-score, kind='stable')[: round(0.2 * weight.size)]] = True\n"
        "    return mask.reshape(weight.shape)\n",
    ),
    ("thrifty_masks", "everything stays", _thrifty(result="[weight != 0 for weight in weights]")),
    ("thrifty_masks", "the same share of every layer by magnitude", _thrifty()),
    ("thrifty_masks", "one ranking by magnitude", _thrifty(masks=_ONE_RANKING)),
    (
        "thrifty_masks",
        "the inputs counted, the same share of every layer",
        _thrifty(score=_NORM),
    ),
    (
        "thrifty_masks",
        "the inputs counted, and one coarse search",
        _thrifty(score=_NORM, masks=_ONE_RANKING),
    ),
    (
        "thrifty_masks",
        "a fifth of every layer, whatever the accuracy",
        _thrifty(densities="[0.2]"),
    ),
    (
        "thrifty_masks",
        "stops at the first density and looks at no image",
        _thrifty(score=_NORM, masks=_ONE_RANKING, margin="-1"),
    ),
    (
        "thrifty_masks",
        "masks of numbers",
        _thrifty(result="[mask * 1.0 for mask in masks]"),
    ),
    (
        "thrifty_masks",
        "the pruned weights",
        _thrifty(result="[w * m for w, m in zip(weights, masks)]"),
    ),
    (
        "thrifty_masks",
        "True where a weight is dropped",
        _thrifty(result="[~mask for mask in masks]"),
    ),
    (
        "thrifty_masks",
        "prunes the first layer only",
        _thrifty(
            masks="[scores[0] >= np.quantile(scores[0], 1 - density),"
            " scores[1] >= 0, scores[2] >= 0]"
        ),
    ),
]
