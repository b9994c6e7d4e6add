"""RevGauge: revenue operations numbers that are explained, owned and judged."""

__version__ = "0.2.0"
