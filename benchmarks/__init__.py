"""Measured speed: a data generator, the same figures four ways, and a run that puts them side by side."""
