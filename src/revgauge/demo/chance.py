"""Chance that gives the same answers on every machine and every Python.

Only `random()` of the Mersenne twister is used, because its sequence is promised to stay as it is, and only arithmetic
that IEEE 754 rounds in one way (no logarithms or exponentials, whose last digit depends on the C library).
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """A stream of chance of its own: what one part of the company draws does not disturb the others."""

    def __init__(self, seed: int, name: str) -> None:
        """The stream `name` of the seed."""
        digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
        self._next = random.Random(int.from_bytes(digest, "big")).random

    def share(self) -> float:
        """A number from 0 up to, but not including, 1."""
        return self._next()

    def happens(self, probability: float) -> bool:
        """Whether something of that probability happens this time."""
        return self._next() < probability

    def whole(self, low: int, high: int) -> int:
        """A whole number from low to high, both included, all equally likely."""
        return low + int(self._next() * (high - low + 1))

    def pick(self, things: Sequence[T]) -> T:
        """One of the things, all equally likely."""
        return things[int(self._next() * len(things))]

    def weighted(self, weights: Mapping[T, float]) -> T:
        """One of the keys, each as likely as its weight."""
        left = self._next() * sum(weights.values())
        for thing, weight in weights.items():
            left -= weight
            if left < 0:
                return thing
        return next(reversed(list(weights)))

    def between(self, low: float, mode: float, high: float) -> float:
        """A number from low to high, most often near the mode."""
        share = self._next()
        turn = (mode - low) / (high - low)
        if share < turn:
            return low + math.sqrt(share * (high - low) * (mode - low))
        return high - math.sqrt((1 - share) * (high - low) * (high - mode))

    def about(self, typical: float) -> float:
        """A waiting time or a size around the typical one: most are near it, a few are much longer."""
        factor = self.between(0.35, 0.9, 1.55)
        return typical * (factor * self.between(1.0, 1.3, 2.6) if self.happens(0.15) else factor)
