"""The database that keeps a search's trials: whether it can be used, before anything is asked."""

import socket
from typing import Any

from optuna.exceptions import OptunaError
from optuna.storages import RDBStorage
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from regimecast.core.errors import ConfigError

__all__ = ["database"]

_CONNECT_SECONDS = 5.0
_PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306}
_DRIVERS = {"postgresql": "postgresql+pg8000://… and pip install pg8000"}
"""One that is free to use with anything."""


def database(url: str) -> RDBStorage:
    """Optuna's storage of a database.

    Args:
        url: as SQLAlchemy has it: ``sqlite:///FILE``, ``postgresql+pg8000://USER:WORD@HOST/NAME``.

    Raises:
        ConfigError: it is no such url, its driver is not installed, or nobody answers there. No
            password is shown.
    """
    try:
        parsed = make_url(url)
    except (SQLAlchemyError, ValueError) as error:
        raise ConfigError(
            f"sweep.storage={url!r} is no url of a database; allowed: "
            "sqlite:///FILE, postgresql+pg8000://USER:PASSWORD@HOST/NAME, or null for a file in "
            "the study's folder"
        ) from error
    shown = parsed.render_as_string(hide_password=True)
    try:
        parsed.get_dialect().import_dbapi()
        _check_answer(parsed)
        # A server may begin anew while jobs run for hours.
        options: dict[str, Any] = {"pool_pre_ping": True} if parsed.host else {}
        return RDBStorage(url, engine_kwargs=options)
    except ImportError as error:
        known = _DRIVERS.get(parsed.get_backend_name())
        raise ConfigError(
            f"sweep.storage={shown!r}: its driver is not installed ({error})"
            + (f"; for instance {known}" if known else "")
        ) from error
    except (SQLAlchemyError, OptunaError, OSError, ValueError, RuntimeError) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise ConfigError(f"sweep.storage={shown!r} cannot be used: {said[0]}") from error


def _check_answer(url: URL) -> None:
    """Nothing, if somebody listens there: drivers wait for minutes, or for ever.

    Raises:
        OSError: nobody does.
    """
    port = url.port or _PORTS.get(url.get_backend_name())
    if url.host and port:
        socket.create_connection((url.host, port), timeout=_CONNECT_SECONDS).close()
