"""How many jobs run at a time, and what each of them gets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from regimecast.sweep.settings import SearchSettings

__all__ = ["Slots"]


@dataclass(frozen=True)
class Slots:
    """Shares of what the nodes have."""

    jobs: int
    """At a time."""
    cpu: int
    """Cores of each job."""
    gpu: float
    """GPUs of each job."""

    @classmethod
    def of(
        cls, nodes: Sequence[Mapping[str, float]], settings: SearchSettings, *, on_cpu: bool
    ) -> "Slots":
        """A GPU for each job, or else a core, where the settings do not say; all cores are used.

        Args:
            nodes: resources of each.
            settings: of the search.
            on_cpu: whether jobs would not use a GPU.
        """
        gpus = any(node.get("GPU", 0) for node in nodes)
        gpu = float((gpus and not on_cpu) if settings.gpu is None else settings.gpu)

        def fitting(cpu: int) -> int:
            """Jobs of that many cores that the nodes hold."""
            return sum(
                min(int(node.get("CPU", 0)) // cpu, _packed(node.get("GPU", 0.0), gpu))
                for node in nodes
            )

        jobs = settings.jobs or max(1, fitting(settings.cpu or 1))
        most = max((int(node.get("CPU", 0)) for node in nodes), default=1)
        wide = (cpu for cpu in range(most, 0, -1) if fitting(cpu) >= jobs)
        return cls(jobs, settings.cpu or next(wide, 1), gpu)

    @property
    def demand(self) -> dict[str, float]:
        """What one job takes of a node."""
        return {"CPU": float(self.cpu), **({"GPU": self.gpu} if self.gpu else {})}


def _packed(gpus: float, share: float) -> int:
    """Jobs that a node's GPUs hold; a fraction is one of a single GPU."""
    if not share:
        return 10**9
    return int(gpus) * int(1 / share + 1e-9) if share < 1 else int(gpus // share)
