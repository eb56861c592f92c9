"""Wrong answers to lab 02, each with the reason why it is wrong: (task, reason, source).

Every one is a mistake that a student makes or a shortcut that one tries; each must lose marks.
"""

_STORED = """
def fine_tune(weights, biases, images, classes, bits):
    limit = 2 ** (bits - 1) - 1
    stored = []
    for weight, bias in zip(weights, biases):
        step = {step}
        codes = {codes}
        stored.append(({kept}, np.float32(step), bias))
    return stored
"""
_TYPICAL = "2 * np.abs(weight).mean() / np.sqrt(limit)"
_CODES = "np.clip(np.rint(weight / step), -limit, limit).astype(np.int8)"


def _stored(*, step=_TYPICAL, codes=_CODES, kept="codes"):
    """A network that is rounded and not trained, with one thing changed."""
    return _STORED.format(step=step, codes=codes, kept=kept)


PLANTED = [
    (
        "fake_quantize",
        "gives codes instead of values",
        "def fake_quantize(x, step, bits):\n"
        "    top = 2 ** (bits - 1) - 1\n"
        "    return np.clip(np.rint(x / step), -top, top).astype(np.float32)\n",
    ),
    (
        "fake_quantize",
        "does not clip",
        "def fake_quantize(x, step, bits):\n    return np.rint(x / step) * step\n",
    ),
    (
        "fake_quantize",
        "clips to two's complement",
        "def fake_quantize(x, step, bits):\n"
        "    top = 2 ** (bits - 1) - 1\n"
        "    return np.clip(np.rint(x / step), -top - 1, top) * step\n",
    ),
    (
        "fake_quantize",
        "rounds halves up",
        "def fake_quantize(x, step, bits):\n"
        "    top = 2 ** (bits - 1) - 1\n"
        "    return np.clip(np.floor(x / step + np.float32(0.5)), -top, top) * step\n",
    ),
    (
        "fake_quantize",
        "cuts instead of rounding",
        "def fake_quantize(x, step, bits):\n"
        "    top = 2 ** (bits - 1) - 1\n"
        "    return np.clip(np.trunc(x / step), -top, top) * step\n",
    ),
    (
        "fake_quantize",
        "clips the value at the number of codes",
        "def fake_quantize(x, step, bits):\n"
        "    return np.clip(np.rint(x / step), -(2**bits), 2**bits) * step\n",
    ),
    (
        "fake_quantize",
        "float64 instead of float32",
        "def fake_quantize(x, step, bits):\n"
        "    top = 2 ** (bits - 1) - 1\n"
        "    return np.clip(np.rint(x / step), -top, top) * float(step) * np.ones(1)\n",
    ),
    (
        "fake_quantize",
        "leaves the values alone",
        "def fake_quantize(x, step, bits):\n    return x\n",
    ),
    (
        "input_gradient",
        "compares after rounding",
        "def input_gradient(x, step, bits, upstream):\n"
        "    return upstream * (np.abs(np.rint(x / step)) <= 2 ** (bits - 1) - 1)\n",
    ),
    (
        "input_gradient",
        "stops at the edges",
        "def input_gradient(x, step, bits, upstream):\n"
        "    return upstream * (np.abs(x / step) < 2 ** (bits - 1) - 1)\n",
    ),
    (
        "input_gradient",
        "stops above only",
        "def input_gradient(x, step, bits, upstream):\n"
        "    return upstream * (x / step <= 2 ** (bits - 1) - 1)\n",
    ),
    (
        "input_gradient",
        "passes everything",
        "def input_gradient(x, step, bits, upstream):\n    return upstream.copy()\n",
    ),
    (
        "input_gradient",
        "the true slope of a staircase",
        "def input_gradient(x, step, bits, upstream):\n    return np.zeros_like(upstream)\n",
    ),
    (
        "input_gradient",
        "forgets the upstream gradient",
        "def input_gradient(x, step, bits, upstream):\n"
        "    return (np.abs(x / step) <= 2 ** (bits - 1) - 1).astype(np.float32)\n",
    ),
    (
        "input_gradient",
        "forgets the step",
        "def input_gradient(x, step, bits, upstream):\n"
        "    return upstream * (np.abs(x) <= 2 ** (bits - 1) - 1)\n",
    ),
    (
        "input_gradient",
        "divides by the step",
        "def input_gradient(x, step, bits, upstream):\n"
        "    return upstream * (np.abs(x / step) <= 2 ** (bits - 1) - 1) / step\n",
    ),
    (
        "step_gradient",
        "forgets the gradient scale",
        "def step_gradient(x, step, bits, upstream):\n"
        "    q, v = 2 ** (bits - 1) - 1, x / step\n"
        "    codes = np.clip(np.rint(v), -q, q)\n"
        "    return np.float32(np.sum(upstream * np.where(np.abs(v) <= q, codes - v, codes)))\n",
    ),
    (
        "step_gradient",
        "scales by the number of values only",
        "def step_gradient(x, step, bits, upstream):\n"
        "    q, v = 2 ** (bits - 1) - 1, x / step\n"
        "    slopes = np.where(np.abs(v) <= q, np.rint(v) - v, np.sign(v) * q)\n"
        "    return np.float32(np.sum(upstream * slopes) / np.sqrt(x.size))\n",
    ),
    (
        "step_gradient",
        "scales without the root",
        "def step_gradient(x, step, bits, upstream):\n"
        "    q, v = 2 ** (bits - 1) - 1, x / step\n"
        "    slopes = np.where(np.abs(v) <= q, np.rint(v) - v, np.sign(v) * q)\n"
        "    return np.float32(np.sum(upstream * slopes) / (x.size * q))\n",
    ),
    (
        "step_gradient",
        "takes the mean instead of the sum",
        "def step_gradient(x, step, bits, upstream):\n"
        "    q, v = 2 ** (bits - 1) - 1, x / step\n"
        "    slopes = np.where(np.abs(v) <= q, np.rint(v) - v, np.sign(v) * q)\n"
        "    return np.float32(np.mean(upstream * slopes) / np.sqrt(x.size * q))\n",
    ),
    (
        "step_gradient",
        "turns the sign of the rounding error",
        "def step_gradient(x, step, bits, upstream):\n"
        "    q, v = 2 ** (bits - 1) - 1, x / step\n"
        "    slopes = np.where(np.abs(v) <= q, v - np.rint(v), np.sign(v) * q)\n"
        "    return np.float32(np.sum(upstream * slopes) / np.sqrt(x.size * q))\n",
    ),
    (
        "step_gradient",
        "subtracts the ratio outside too",
        "def step_gradient(x, step, bits, upstream):\n"
        "    q, v = 2 ** (bits - 1) - 1, x / step\n"
        "    slopes = np.clip(np.rint(v), -q, q) - v\n"
        "    return np.float32(np.sum(upstream * slopes) / np.sqrt(x.size * q))\n",
    ),
    (
        "step_gradient",
        "gives the edges to the outer cases",
        "def step_gradient(x, step, bits, upstream):\n"
        "    q, v = 2 ** (bits - 1) - 1, x / step\n"
        "    slopes = np.where(np.abs(v) < q, np.rint(v) - v, np.sign(v) * q)\n"
        "    return np.float32(np.sum(upstream * slopes) / np.sqrt(x.size * q))\n",
    ),
    (
        "step_gradient",
        "the code alone, without the rounding error",
        "def step_gradient(x, step, bits, upstream):\n"
        "    q = 2 ** (bits - 1) - 1\n"
        "    codes = np.clip(np.rint(x / step), -q, q)\n"
        "    return np.float32(np.sum(upstream * codes) / np.sqrt(x.size * q))\n",
    ),
    (
        "step_gradient",
        "counts the outer values of one side only",
        "def step_gradient(x, step, bits, upstream):\n"
        "    q, v = 2 ** (bits - 1) - 1, x / step\n"
        "    slopes = np.where(np.abs(v) <= q, np.rint(v) - v, np.float32(q))\n"
        "    return np.float32(np.sum(upstream * slopes) / np.sqrt(x.size * q))\n",
    ),
    (
        "initial_step",
        "forgets the factor 2",
        "def initial_step(x, bits):\n"
        "    step = np.mean(np.abs(x)) / np.sqrt(2 ** (bits - 1) - 1)\n"
        "    return np.float32(step or 1)\n",
    ),
    (
        "initial_step",
        "divides without the root",
        "def initial_step(x, bits):\n"
        "    return np.float32(2 * np.mean(np.abs(x)) / (2 ** (bits - 1) - 1) or 1)\n",
    ),
    (
        "initial_step",
        "forgets the sizes",
        "def initial_step(x, bits):\n"
        "    return np.float32(2 * np.mean(x) / np.sqrt(2 ** (bits - 1) - 1) or 1)\n",
    ),
    (
        "initial_step",
        "gives 0 for zeros",
        "def initial_step(x, bits):\n"
        "    return np.float32(2 * np.mean(np.abs(x)) / np.sqrt(2 ** (bits - 1) - 1))\n",
    ),
    (
        "initial_step",
        "the step of the largest value",
        "def initial_step(x, bits):\n"
        "    return np.float32(np.max(np.abs(x)) / (2 ** (bits - 1) - 1) or 1)\n",
    ),
    (
        "initial_step",
        "takes the number of codes for the largest",
        "def initial_step(x, bits):\n"
        "    return np.float32(2 * np.mean(np.abs(x)) / np.sqrt(2 ** (bits - 1)) or 1)\n",
    ),
    (
        "initial_step",
        "one step for each row",
        "def initial_step(x, bits):\n"
        "    return 2 * np.abs(x).mean(axis=0) / np.sqrt(np.float32(2 ** (bits - 1) - 1))\n",
    ),
    (
        "binarize",
        "gives 0 the code 0",
        "def binarize(weight, per_output):\n"
        "    size = np.abs(weight).reshape(len(weight), -1)\n"
        "    return np.sign(weight).astype(np.int8), size.mean(axis=1 if per_output else None)\n",
    ),
    (
        "binarize",
        "gives 0 the code -1",
        "def binarize(weight, per_output):\n"
        "    size = np.abs(weight).reshape(len(weight), -1)\n"
        "    return np.where(weight > 0, 1, -1), size.mean(axis=1 if per_output else None)\n",
    ),
    (
        "binarize",
        "one scale in both cases",
        "def binarize(weight, per_output):\n"
        "    return np.where(weight >= 0, 1, -1), np.abs(weight).mean()\n",
    ),
    (
        "binarize",
        "a scale for each input",
        "def binarize(weight, per_output):\n"
        "    size = np.abs(weight)\n"
        "    return np.where(weight >= 0, 1, -1), size.mean(axis=0 if per_output else None)\n",
    ),
    (
        "binarize",
        "the largest size instead of the mean",
        "def binarize(weight, per_output):\n"
        "    size = np.abs(weight).reshape(len(weight), -1)\n"
        "    return np.where(weight >= 0, 1, -1), size.max(axis=1 if per_output else None)\n",
    ),
    (
        "binarize",
        "takes the mean before the size",
        "def binarize(weight, per_output):\n"
        "    rows = weight.reshape(len(weight), -1)\n"
        "    return np.where(weight >= 0, 1, -1), np.abs(rows.mean(axis=1 if per_output else None))\n",
    ),
    (
        "binarize",
        "values instead of codes",
        "def binarize(weight, per_output):\n"
        "    size = np.abs(weight).reshape(len(weight), -1)\n"
        "    scale = size.mean(axis=1 if per_output else None)\n"
        "    shape = (-1,) + (1,) * (weight.ndim - 1) if per_output else ()\n"
        "    return np.where(weight >= 0, 1, -1) * scale.reshape(shape), scale\n",
    ),
    (
        "binarize",
        "codes in float",
        "def binarize(weight, per_output):\n"
        "    size = np.abs(weight).reshape(len(weight), -1)\n"
        "    return np.where(weight >= 0, 1.0, -1.0), size.mean(axis=1 if per_output else None)\n",
    ),
    (
        "ternarize",
        "scales by the mean size of all weights",
        "def ternarize(weight, factor):\n"
        "    size = np.abs(weight)\n"
        "    return (np.sign(weight) * (size > factor * size.mean())).astype(int), size.mean()\n",
    ),
    (
        "ternarize",
        "knows the factor 0.7 only",
        "def ternarize(weight, factor):\n"
        "    size = np.abs(weight)\n"
        "    kept = size > 0.7 * size.mean()\n"
        "    scale = size[kept].mean() if kept.any() else np.float32(1)\n"
        "    return (np.sign(weight) * kept).astype(int), scale\n",
    ),
    (
        "ternarize",
        "takes the threshold from the largest weight",
        "def ternarize(weight, factor):\n"
        "    size = np.abs(weight)\n"
        "    kept = size > factor * size.max()\n"
        "    scale = size[kept].mean() if kept.any() else np.float32(1)\n"
        "    return (np.sign(weight) * kept).astype(int), scale\n",
    ),
    (
        "ternarize",
        "gives NaN for zeros",
        "def ternarize(weight, factor):\n"
        "    size = np.abs(weight)\n"
        "    kept = size > factor * size.mean()\n"
        "    return (np.sign(weight) * kept).astype(int), np.float32(size.sum() / 0 if not kept.any()"
        " else size[kept].mean())\n",
    ),
    (
        "ternarize",
        "keeps zeros by a threshold that counts",
        "def ternarize(weight, factor):\n"
        "    size = np.abs(weight)\n"
        "    kept = size >= factor * size.mean()\n"
        "    return np.where(kept, np.where(weight >= 0, 1, -1), 0), size[kept].mean()\n",
    ),
    (
        "ternarize",
        "forgets the sign",
        "def ternarize(weight, factor):\n"
        "    size = np.abs(weight)\n"
        "    kept = size > factor * size.mean()\n"
        "    return kept.astype(int), size[kept].mean() if kept.any() else np.float32(1)\n",
    ),
    (
        "ternarize",
        "the mean of signed weights",
        "def ternarize(weight, factor):\n"
        "    size = np.abs(weight)\n"
        "    kept = size > factor * size.mean()\n"
        "    scale = abs(weight[kept].mean()) if kept.any() else np.float32(1)\n"
        "    return (np.sign(weight) * kept).astype(int), scale\n",
    ),
    (
        "ternarize",
        "no zeros at all",
        "def ternarize(weight, factor):\n"
        "    return np.where(weight >= 0, 1, -1), np.abs(weight).mean()\n",
    ),
    ("fine_tune", "rounds and never trains", _stored()),
    (
        "fine_tune",
        "reaches the largest weight at 2 bits",
        _stored(step="np.abs(weight).max() / limit"),
    ),
    (
        "fine_tune",
        "stores 8-bit codes whatever the width",
        _stored(step="np.abs(weight).max() / 127", codes="np.rint(weight / step).astype(np.int16)"),
    ),
    (
        "fine_tune",
        "uses two's complement's extra code",
        _stored(codes="np.clip(np.rint(weight / step), -limit - 1, limit).astype(np.int8)"),
    ),
    ("fine_tune", "leaves codes in float", _stored(kept="codes.astype(np.float32)")),
    ("fine_tune", "gives the weights themselves", _stored(kept="weight")),
    ("fine_tune", "flattens the codes", _stored(kept="codes.ravel()")),
    (
        "fine_tune",
        "takes the sign at every width",
        _stored(codes="np.sign(weight).astype(np.int8)"),
    ),
    (
        "fine_tune",
        "a step for each output",
        _stored().replace("np.float32(step)", "np.full(len(weight), step, np.float32)"),
    ),
]
