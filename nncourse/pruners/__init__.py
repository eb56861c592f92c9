"""Pruners: which weights a network can do without, and in which shape they are dropped."""
