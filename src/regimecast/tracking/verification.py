"""Whether a rerun put out the same as the run, and if not, where that begins and why."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from regimecast.tracking.differences import StageDifference, stage_differences, surroundings

__all__ = ["Verification", "causes", "verify"]

_NAMED = 6
"""Files or packages that are named; of more, their number."""
_PROCESSOR = frozenset({"processor", "instructions", "blas", "platform"})
_ON_PROCESSORS = (
    "on another processor, bars, samples and splits are equal to the bit; sums of floating-point "
    "numbers are made in another order, so that features, scalers and all that is trained may "
    "differ in the last bits, and training makes more of them"
)
_ON_GPUS = (
    "with another GPU, or with none, only what comes before training is equal to the bit; trained "
    "weights never are"
)
_NONE = (
    "nothing that the manifests record is another: code, packages, hardware and threads are the "
    "same. On a GPU, trainer.deterministic=true refuses what gives other bits each time; on a CPU "
    "it should not happen, so please report it"
)


@dataclass(frozen=True)
class Verification:
    """Stages side by side, and what explains them."""

    stages: tuple[StageDifference, ...]
    causes: tuple[str, ...]
    """Why the first stage differs; empty where none does."""
    beside: tuple[str, ...]
    """What else was not the same around the two, though it did not show, or later."""

    @property
    def first(self) -> StageDifference | None:
        """The first stage of the run that the rerun has not repeated."""
        return next((s for s in self.stages if not s.equal and s.before is not None), None)

    @property
    def identical(self) -> bool:
        """Whether it has repeated them all."""
        return self.first is None and any(stage.before for stage in self.stages)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "identical": self.identical,
            "first": self.first and self.first.stage,
            "parts": list(self.first.parts) if self.first else [],
            "causes": list(self.causes),
            "beside": list(self.beside),
            "stages": [{**asdict(stage), "equal": stage.equal} for stage in self.stages],
        }


def verify(
    before: Mapping[str, Any], after: Mapping[str, Any], *, data: Sequence[str] = ()
) -> Verification:
    """A run's manifest and its rerun's, compared.

    Args:
        before: of the run.
        after: of the rerun.
        data: in what the source's bars differ, in words; empty where they do not.
    """
    stages = tuple(stage_differences(before, after))
    around = causes(before, after)
    first = Verification(stages, (), ()).first
    if first is None:
        return Verification(stages, (), (*data, *around))
    if first.stage == "raw":
        return Verification(stages, tuple(data) or ("the source gives other bars",), tuple(around))
    return Verification(stages, tuple(around) or (_NONE,), tuple(data))


def causes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What was not the same around two runs, in sentences, the likeliest cause first."""
    found, said = surroundings(before, after), []
    if files := [difference.name for difference in found["code"]]:
        more = f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
        said.append(f"other code: {', '.join(files[:_NAMED])}{more}")
    packages = found["packages"]
    said += [f"another version: {difference}" for difference in packages[:_NAMED]]
    if len(packages) > _NAMED:
        said.append(f"other versions of {len(packages) - _NAMED} more packages")
    said += [f"other threads: {difference}" for difference in found["threads"]]
    hardware = found["hardware"]
    said += [f"other hardware: {difference}" for difference in hardware]
    if any(difference.name in {"gpu", "cuda"} for difference in hardware):
        said.append(_ON_GPUS)
    elif any(difference.name in _PROCESSOR for difference in hardware):
        said.append(_ON_PROCESSORS)
    return said
