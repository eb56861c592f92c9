"""A small accelerator model: a layer is a matrix product, its time the slower of computing and fetching.

Four rooms stand behind these names: how a network becomes a list of matrix products (``gemm``,
``workloads``), how long an array takes for one (``systolic``), what cells of several widths do
(``cells``), and what a whole machine makes of it in cycles, bytes and picojoules (``machine``, ``energy``).
"""

from nncourse.accelerator.cells import FIXED, FUSIBLE, TWO_WIDTH, WEIGHT_SERIAL, Cell
from nncourse.accelerator.gemm import Gemm, gemms
from nncourse.accelerator.machine import EDGE, SERVER, Accelerator, Report
from nncourse.accelerator.systolic import SystolicArray

__all__ = [
    "EDGE",
    "FIXED",
    "FUSIBLE",
    "SERVER",
    "TWO_WIDTH",
    "WEIGHT_SERIAL",
    "Accelerator",
    "Cell",
    "Gemm",
    "Report",
    "SystolicArray",
    "gemms",
]
