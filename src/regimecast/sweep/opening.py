"""The search of a study, begun, or found again under its name."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.study import StudyDirection
from sqlalchemy.exc import SQLAlchemyError

from regimecast.core.config import dotted_keys
from regimecast.core.errors import ConfigError
from regimecast.sweep.database import database
from regimecast.sweep.settings import SearchSettings
from regimecast.sweep.space import Space
from regimecast.sweep.study import Search

__all__ = ["DATABASE", "open_search"]

DATABASE = "search.db"
"""In a study's folder, where no other storage is named."""

_PLACE = "folder"
_SPACE, _OBJECTIVES, _BASE = "space", "objectives", "config"
_BARS, _CODE = "bars", "code"
"""Attributes of a study that the same name must agree in."""
_OTHER = {_BARS: "on other bars", _CODE: "by other code of regimecast"}
"""What cannot be shown in words."""


def open_search(
    storage: str | None,
    folder: Path,
    *,
    space: Space,
    settings: SearchSettings,
    base: Mapping[str, Any],
    bars: Sequence[str],
    code: str,
) -> Search:
    """The search of a study, begun or gone on with.

    Args:
        storage: Optuna's; None for a file in the folder.
        folder: of the study, whose name the search has.
        space: what is searched.
        settings: how.
        base: config that all trials share, plain values.
        bars: content hashes of the bars of all trials.
        code: hash of the package's code.

    Raises:
        ConfigError: the storage cannot be used, or has a search of this name over something else.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = storage or f"sqlite:///{folder / DATABASE}"
    about = {
        _SPACE: space.describe(),
        _OBJECTIVES: dict(settings.objectives),
        _BASE: json.loads(json.dumps(base, default=str)),
        _BARS: list(bars),
        _CODE: code,
    }
    try:
        study = _found(url, folder, settings)
        before, place = study.user_attrs, str(folder.resolve())
        if storage is not None:  # others may keep searches in it
            if before.get(_PLACE, place) != place:
                raise ConfigError(
                    f"sweep.storage has the search {str(folder)!r} of {before[_PLACE]}; go on with "
                    "it there, or name another study"
                )
            about = {_PLACE: place, **about}
        if before and not study.get_trials(deepcopy=False):  # it was refused before it did anything
            optuna.delete_study(study_name=str(folder), storage=database(url))
            study, before = _found(url, folder, settings), {}
    except (SQLAlchemyError, optuna.exceptions.OptunaError) as error:
        raise ConfigError(f"sweep.storage cannot be used: {_first_line(error)}") from error
    for key, value in about.items():
        if key not in before:
            study.set_user_attr(key, value)
        elif before[key] != value and (what := _OTHER.get(key)):
            raise ConfigError(
                f"study={folder.name!r} was begun {what}: its trials do not compare with new ones. "
                "Name another study, or go back to what it was begun with"
            )
        elif before[key] != value:
            raise ConfigError(
                f"study={folder.name!r} exists with another {key}: "
                f"{_difference(before[key], value)}. Name another study, or give what it was "
                "begun with"
            )
    return Search(study, space, settings)


def _found(url: str, folder: Path, settings: SearchSettings) -> optuna.Study:
    """The storage's study of this name, made if it is not there."""
    return optuna.create_study(
        storage=database(url),
        study_name=str(folder),
        directions=[
            StudyDirection.MINIMIZE if d == "min" else StudyDirection.MAXIMIZE
            for d in settings.objectives.values()
        ],
        load_if_exists=True,
    )


def _difference(before: Any, now: Any) -> str:
    """What is not the same, in few words."""
    if isinstance(before, list):
        gone = [one for one in before if one not in now]
        new = [one for one in now if one not in before]
        shown = [
            f"{word} {one}" for word, ones in (("had", gone), ("has", new)) for one in ones[:2]
        ]
        return "; ".join(shown) or "another order"
    keys = dict.fromkeys([*dotted_keys(before), *dotted_keys(now)])
    changed = []
    for key in keys:
        old, new = _at(before, key), _at(now, key)
        if old != new and not (isinstance(old, Mapping) and isinstance(new, Mapping)):
            changed.append(f"{key} was {old!r} and is {new!r}")
    return "; ".join(changed[:3]) + ("; ..." if len(changed) > 3 else "")


def _at(values: Any, key: str) -> Any:
    if isinstance(values, Mapping) and key in values:  # objectives have slashes, not dots
        return values[key]
    for part in key.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
