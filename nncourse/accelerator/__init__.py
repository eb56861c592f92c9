"""A small accelerator model: a layer is a matrix product, its time the slower of computing and fetching.

Four rooms stand behind these names: how a network becomes a list of matrix products (``gemm``,
``workloads``), how long an array takes for one and what its cells gain from narrow operands
(``systolic``, ``lanes``, ``cells``), what becomes of zeros (``sparsity``, ``queues``, ``engine``), and what
a whole machine makes of it in cycles, bytes and picojoules (``machine``, ``report``, ``energy``).
"""

from nncourse.accelerator.cells import (
    ACTIVATION_SERIAL,
    FIXED,
    FUSIBLE,
    FUSIBLE_IN_GRID,
    TWO_WIDTH,
    TWO_WIDTH_IN_GRID,
    WEIGHT_SERIAL,
    Cell,
)
from nncourse.accelerator.decoder import Decoder
from nncourse.accelerator.gemm import Gemm, gemms
from nncourse.accelerator.lanes import Lanes
from nncourse.accelerator.machine import EDGE, SERVER, Accelerator
from nncourse.accelerator.report import Report
from nncourse.accelerator.sparsity import (
    NM,
    Blocks,
    Channels,
    DenseHardware,
    Gating,
    Skipping,
    Sparsity,
)
from nncourse.accelerator.systolic import SystolicArray

__all__ = [
    "ACTIVATION_SERIAL",
    "EDGE",
    "FIXED",
    "FUSIBLE",
    "FUSIBLE_IN_GRID",
    "NM",
    "SERVER",
    "TWO_WIDTH",
    "TWO_WIDTH_IN_GRID",
    "WEIGHT_SERIAL",
    "Accelerator",
    "Blocks",
    "Cell",
    "Channels",
    "Decoder",
    "DenseHardware",
    "Gating",
    "Gemm",
    "Lanes",
    "Report",
    "Skipping",
    "Sparsity",
    "SystolicArray",
    "gemms",
]
