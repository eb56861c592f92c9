"""A small accelerator model: a layer is a matrix product, its time the slower of computing and fetching.

Three rooms stand behind these names: how a network becomes a list of matrix products (``gemm``,
``workloads``), how long an array takes for one (``systolic``), and what a whole machine makes of it in
cycles, bytes and picojoules (``machine``, ``energy``).
"""

from nncourse.accelerator.gemm import Gemm, gemms
from nncourse.accelerator.machine import EDGE, SERVER, Accelerator, Report
from nncourse.accelerator.systolic import SystolicArray

__all__ = ["EDGE", "SERVER", "Accelerator", "Gemm", "Report", "SystolicArray", "gemms"]
