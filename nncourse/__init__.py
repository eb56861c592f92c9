"""Neural-network compression, measured: number formats, quantizers, accelerator model, classroom."""

__version__ = "0.1.0"
