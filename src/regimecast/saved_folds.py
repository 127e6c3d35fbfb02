"""Models of a run on disk: marked when they are done, and read back.

checkpoints/fold=0/            the fold's model, its scalers, its scores on validation data
checkpoints/fold=0/member=1/   a further one, where calibration has an ensemble
.../training-done.json         written last: that model is trained, and its files are these
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regimecast.core.errors import DataError, SpecError
from regimecast.core.files import read_json, write_json
from regimecast.core.hashing import hash_file
from regimecast.data.datamodule import FinancialDataModule
from regimecast.evaluation.conformal.base import Forecaster, Member
from regimecast.models.base import BaseTimeSeriesModel, load_model
from regimecast.stored_run import whole
from regimecast.training.checkpoints import DONE, Checkpoints, differences

__all__ = ["check_file", "mark_done", "member_folder", "read_done", "read_fold", "read_members"]


def mark_done(folder: Path, origin: Mapping[str, Any], *, epochs: int = 0, **entries: Any) -> None:
    """Marks a model as done, whose training then needs no checkpoint any more.

    Args:
        folder: where it is saved.
        origin: what decides it, see `Checkpoints`.
        epochs: that it was trained for.
        entries: plain values to be found with the mark.
    """
    files = {path.name: hash_file(path) for path in sorted(folder.iterdir()) if _stays(path)}
    about = {"origin": dict(origin), "epochs": epochs, "files": files, **entries}
    write_json(folder / DONE, about)
    Checkpoints(folder, origin).remove()


def read_done(folder: Path, origin: Mapping[str, Any]) -> dict[str, Any] | None:
    """Content of the mark, or None: the model is not done.

    Raises:
        DataError: the mark is damaged.
        SpecError: the model is of another origin, or one of its files has changed since.
    """
    if not (folder / DONE).is_file():
        return None
    with whole(folder / DONE):
        mark: dict[str, Any] = read_json(folder / DONE)
        others = differences(mark["origin"], origin, int(mark["epochs"]))
        files = dict(mark["files"])
    if others:
        raise SpecError(
            f"the model in {folder} is of another training: {'; '.join(others)}. To train it "
            f"again, delete {DONE} there"
        )
    for name, content in files.items():
        check_file(folder / name, content)
    Checkpoints(folder, origin).remove()
    return mark


def read_fold(folder: Path, data: FinancialDataModule) -> BaseTimeSeriesModel:
    """The saved model of a fold.

    Raises:
        DataError: the fold's training bars are not those that it was trained on.
        SpecError: the folder holds no model of such data.
    """
    model = load_model(folder, spec=data.spec)
    # A different scaler means different training bars.
    with whole(folder / "preprocessing.json"):
        state = read_json(folder / "preprocessing.json")
    if state != data.state():
        raise DataError(
            f"{folder}: the training bars are not those of the run (scaler or regimes differ)"
        )
    return model


def read_members(folder: Path) -> Member:
    """Reads the further models of a fold that calibration trained."""

    def read(number: int, data: FinancialDataModule) -> Forecaster:
        return load_model(member_folder(folder, number), spec=data.spec).predict

    return read


def member_folder(folder: Path, number: int) -> Path:
    """Where a further model of a fold is."""
    return folder / f"member={number}"


def check_file(path: Path, content: str) -> None:
    """Nothing, if the file has this SHA-256.

    Raises:
        SpecError: it forecasts something else, whatever the data and the hardware.
    """
    if not path.is_file():
        raise SpecError(f"{path} is missing; the run wrote it, so its models cannot be judged")
    if hash_file(path) != content:
        raise SpecError(f"{path} is not the file that the run wrote: its content has changed since")


def _stays(path: Path) -> bool:
    return path.is_file() and not path.name.startswith((".", "training-"))
