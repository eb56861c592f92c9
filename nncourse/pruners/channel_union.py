"""Channels that turn out to be one and the same, and those that cannot be cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Channels = NDArray[np.int64]


@dataclass(frozen=True)
class Sides:
    """The channels along the axes of one layer's tensors.

    out     channel of each output
    inputs  channel of each input; None where inputs and outputs are the same (norms, depthwise)
    """

    out: Channels
    inputs: Channels | None


@dataclass(frozen=True)
class Trace:
    """What following the calls found: equal numbers are one channel.

    sides  of every layer that has channels, by name, in the order of the calls
    fixed  why a channel cannot be cut, for those that cannot
    """

    sides: dict[str, Sides]
    fixed: dict[int, str]


class ChannelUnion:
    """Channels by number, united step by step: a forest whose roots stand for their trees.

    >>> union = ChannelUnion()
    >>> first, second = union.new(2), union.new(2)
    >>> union.unite(first, second)
    >>> [union.root(int(channel)) for channel in second]
    [0, 1]
    """

    def __init__(self) -> None:
        self.parents: list[int] = []
        self.reasons: dict[int, str] = {}

    def new(self, count: int) -> Channels:
        """``count`` channels that nothing ties yet."""
        start = len(self.parents)
        self.parents.extend(range(start, start + count))
        return np.arange(start, start + count)

    def fix(self, channels: Channels, reason: str) -> None:
        """These channels cannot be cut; the first reason given stays."""
        for channel in channels:
            self.reasons.setdefault(self.root(int(channel)), reason)

    def root(self, channel: int) -> int:
        """The number that stands for all channels that are one with ``channel``."""
        while self.parents[channel] != channel:
            self.parents[channel] = self.parents[self.parents[channel]]
            channel = self.parents[channel]
        return channel

    def unite(self, first: Channels, second: Channels) -> None:
        """Make each channel of ``first`` one with its partner."""
        for one, other in zip(first, second, strict=True):
            low, high = sorted((self.root(int(one)), self.root(int(other))))
            self.parents[high] = low
            if high in self.reasons:
                self.reasons.setdefault(low, self.reasons[high])

    def all_fixed(self, channels: Channels, reason: str) -> bool:
        """Whether ``reason`` is why each of these channels cannot be cut."""
        return all(self.reasons.get(self.root(int(channel))) == reason for channel in channels)

    def trace(self, sides: dict[str, Sides]) -> Trace:
        """``sides`` with one number for each channel."""
        found = np.array([self.root(channel) for channel in range(len(self.parents))], np.int64)
        renamed = {
            name: Sides(found[side.out], None if side.inputs is None else found[side.inputs])
            for name, side in sides.items()
        }
        fixed = {self.root(channel): reason for channel, reason in self.reasons.items()}
        return Trace(renamed, fixed)
