"""The machine a benchmark ran on, without what would tell whose it is."""

import os
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from regimecast.core.cores import usable_cores

__all__ = ["Machine"]

_PACKAGES = ("numpy", "numba", "pandas", "pyarrow", "torch", "TA-Lib")


@dataclass(frozen=True)
class Machine:
    """Processor, memory, system and versions; no names of hosts and no paths."""

    processor: str
    cores: int
    memory_gib: float
    """0 where the system does not say."""
    system: str
    python: str
    packages: dict[str, str]

    @classmethod
    def this(cls, *packages: str) -> "Machine":
        """This machine.

        Args:
            packages: whose versions count, beside those that all benchmarks use.
        """
        found = {}
        for name in (*_PACKAGES, *packages):
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                continue
        return cls(
            processor=_processor(),
            cores=usable_cores(),
            memory_gib=_memory_gib(),
            system=f"{platform.system()} {platform.machine()}",
            python=platform.python_version(),
            packages=found,
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for json."""
        return asdict(self)

    def __str__(self) -> str:
        memory = f", {self.memory_gib:.0f} GiB" if self.memory_gib else ""
        packages = ", ".join(f"{name} {number}" for name, number in self.packages.items())
        return (
            f"{self.cores} cores of {self.processor}{memory}, {self.system}; "
            f"Python {self.python}, {packages}"
        )


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        for line in facts.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_gib() -> float:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return 0.0
