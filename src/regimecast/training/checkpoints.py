"""Checkpoints of one training: at any moment there is a whole one to go on from.

    training-00000300.ckpt   what Lightning saves: weights, optimizer, schedule, callbacks, progress
    training-00000300.json   its hash and size, how far it is, and what it is of; written after it

The content is a tree of tensors and plain values with keys and types of Lightning's and torch's own
choosing, so it is kept as torch's zip. Reading it allows nothing but tensors and plain containers
(``weights_only=True``), hence runs no code; a first one is read back as soon as it is written.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from regimecast.core.errors import SpecError
from regimecast.core.files import atomic_path, read_json, write_json
from regimecast.core.hashing import hash_file

__all__ = ["Checkpoints", "packages"]

_log = logging.getLogger(__name__)

DONE = "training-done.json"
"""Beside a model that is trained and saved: the end of its checkpoints."""
_NAME = "training-"
_FORMAT = 1
_PACKAGES = ("regimecast", "torch", "lightning", "neuralforecast", "numpy")
"""Those that training runs through: with others the rest of it would have other bits."""


@dataclass(frozen=True)
class Checkpoints:
    """Checkpoints of one training in its folder."""

    folder: Path
    origin: Mapping[str, Any]
    """What decides the training, as plain values by name. A checkpoint of another origin is not
    gone on from; only ``changes``, a list of ``{epoch: n, set: {...}}``, may differ from the epoch
    on that has not begun in it."""

    @contextmanager
    def writing(
        self, *, step: int, epochs: int, begun: int, logged: int | None = None
    ) -> Iterator[Path]:
        """A path to save the next one to; once that is whole, those before it are removed.

        Args:
            step: training steps made.
            epochs: epochs finished.
            begun: epochs begun.
            logged: how far the run's log has come, see `Tracker.place`.
        """
        earlier = self._found()
        path = self.folder / f"{_NAME}{step:08d}.ckpt"
        # Both wait for the disk, milliseconds beside an epoch: else a power cut could empty them.
        with atomic_path(path) as temporary:
            yield temporary
            content, size = hash_file(temporary), temporary.stat().st_size
        about = {
            "format": _FORMAT,
            "sha256": content,
            "size": size,
            "step": step,
            "epochs": epochs,
            "begun": begun,
            "logged": logged,
            "origin": dict(self.origin),
            "packages": packages(),
        }
        write_json(path.with_suffix(".json"), about)
        for other in earlier:
            if other.stem != path.stem:
                _remove(other)

    def newest(self) -> Path | None:
        """The latest whole checkpoint, if there is any; one that was cut short is removed.

        Raises:
            SpecError: its content is not what was written, or it is of another training.
        """
        self._remove_cut()
        found = self._found()
        if not found:
            return None
        about, path = found[-1], found[-1].with_suffix(".ckpt")
        again = f"To train from the beginning, delete {_NAME}* in {self.folder}"
        if len(found) > 1:
            again = f"To go on from the one before, delete {path.name} and {about.name}; {again}"
        try:
            known = read_json(about)
            if known["format"] == _FORMAT:
                content, origin, with_packages = known["sha256"], known["origin"], known["packages"]
                origin, begun = dict(origin), int(known["begun"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SpecError(f"{about} is damaged: {error!r}. {again}") from error
        if known["format"] != _FORMAT or with_packages != packages():
            raise SpecError(f"{path} was written by {_versions(known)}. {again}")
        if others := differences(origin, self.origin, begun):
            raise SpecError(f"{path} is of another training: {'; '.join(others)}. {again}")
        if not path.is_file():
            raise SpecError(f"{path} is missing. {again}")
        if hash_file(path) != content:
            raise SpecError(
                f"{path} is not the file that was written: its content has changed. {again}"
            )
        return path

    def logged(self) -> int | None:
        """How far the run's log had come at `newest`; None where that is not known."""
        found = self._found()
        value: int | None = read_json(found[-1]).get("logged") if found else None
        return value

    def remove(self) -> None:
        """Removes them all, and what a killed process has left of one."""
        for about in self._found():
            _remove(about)
        for pattern in (f"{_NAME}*.ckpt", f".{_NAME}*"):
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)

    def _remove_cut(self) -> None:
        """Removes those that lack their end: not all disks keep what they have said they hold."""
        for about in self._found():
            path = about.with_suffix(".ckpt")
            try:
                size = int(read_json(about)["size"])
            except (OSError, ValueError, KeyError, TypeError):
                continue  # for `newest` to tell
            if path.is_file() and path.stat().st_size < size:
                _log.warning(
                    "%s is cut short, as after a power cut (%d bytes of %d): it is removed, and "
                    "what it held is trained again",
                    path,
                    path.stat().st_size,
                    size,
                )
                _remove(about)

    def _found(self) -> list[Path]:
        """Those that are whole, by what is known of each; the latest last."""
        return sorted(self.folder.glob(f"{_NAME}[0-9]*.json"))


@cache
def packages() -> dict[str, str]:
    """Versions of the packages that training runs through."""
    known = {}
    for name in _PACKAGES:
        try:
            known[name] = version(name)
        except PackageNotFoundError:
            known[name] = "none"
    return known


def _remove(about: Path) -> None:
    """Removes a checkpoint; what is left when that is cut short does not count as one."""
    about.unlink(missing_ok=True)
    about.with_suffix(".ckpt").unlink(missing_ok=True)


def _versions(known: Mapping[str, Any]) -> str:
    theirs, mine = known.get("packages") or {}, packages()
    others = [f"{name} {theirs.get(name)} (here {mine[name]})" for name in mine]
    shown = [
        text for name, text in zip(mine, others, strict=True) if theirs.get(name) != mine[name]
    ]
    return ", ".join(shown) or f"another version of regimecast (format {known.get('format')})"


def differences(theirs: Mapping[str, Any], mine: Mapping[str, Any], begun: int) -> list[str]:
    """In what the origin of a training is not that of the one at hand.

    Args:
        theirs: see `Checkpoints`.
        mine: likewise.
        begun: epochs that it had begun.
    """
    names = [name for name in {**theirs, **mine} if name != "changes"]
    found = [
        f"{name} is {theirs.get(name)!r} there and {mine.get(name)!r} here"
        for name in names
        if theirs.get(name) != mine.get(name)
    ]
    made, wanted = (
        [change for change in origin.get("changes") or [] if change["epoch"] < begun]
        for origin in (theirs, mine)
    )
    if made != wanted:
        found.append(f"changes before epoch {begun} are {made!r} there and {wanted!r} here")
    return found
