"""The clock of one way. It needs nothing but Python, because it runs in every environment."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any


def timed(ask: Callable[[], Any], times: int, **notes: str) -> Any:
    """Ask once and then so many times again, print the seconds of each and of all cores, and return the last answer."""
    began = time.perf_counter()
    answer = ask()
    first, again = time.perf_counter() - began, []
    busy = time.process_time()
    for _ in range(times):
        began = time.perf_counter()
        answer = ask()
        again.append(time.perf_counter() - began)
    print(json.dumps({"first": first, "again": again, "again_cpu": (time.process_time() - busy) / times, **notes}))
    return answer
