"""Coverage by SlipCover beside what else changes the code as it is imported.

SlipCover writes a call before every line into the code that is imported, and takes it out again
when it has been called; coverage.py by Python 3.11's tracing takes two to six times as long.
"""

import linecache
import sys
from itertools import count, takewhile
from types import CodeType
from typing import Any

from slipcover import Slipcover

__all__ = ["measure"]

_instrument = Slipcover.instrument


def _spare_kernels(self: Slipcover, code: Any, parent: CodeType | None = None) -> CodeType:
    """Numba compiles the code of its kernels, and knows no such calls."""
    if isinstance(code, CodeType) and _is_kernel(code):
        self.code2index[code] = []  # nothing to be taken out again
        return code
    return _instrument(self, code, parent)


def _is_kernel(code: CodeType) -> bool:
    """Whether numba is among the decorators, which are a function's first lines."""
    lines = (linecache.getline(code.co_filename, code.co_firstlineno + i) for i in count())
    decorators = takewhile(lambda line: line.lstrip().startswith(("@", "#")), lines)
    return any(line.lstrip().startswith("@numba.") for line in decorators)


def measure() -> None:
    """Prepares SlipCover, if it measures at all: before the package is imported."""
    if sys.version_info < (3, 12):  # later it watches the code and leaves it as it is
        Slipcover.instrument = _spare_kernels
    # Its finder asks the others for the code, jaxtyping's too, if it is the first.
    sys.meta_path.sort(key=lambda finder: type(finder).__name__ != "SlipcoverMetaPathFinder")
