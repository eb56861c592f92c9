"""Quantizers: from real numbers to a few codes and back."""
