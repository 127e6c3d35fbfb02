"""What was found as a yaml of the group `target`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml  # type: ignore[import-untyped]  # PyYAML carries no types

from regimecast.core.config import config_folder
from regimecast.core.errors import ConfigError
from regimecast.core.files import check_writable
from regimecast.search.barriers import SearchResult

__all__ = ["check_output", "target_yaml"]

_MARK = "# Found by: regimecast barriers"
"""How every yaml of a search begins, and no other."""


def check_output(path: Path) -> None:
    """Nothing, if a search may write its yaml to `path` and its page beside it.

    Raises:
        ConfigError: Hydra would not find a target of that file's name there, the file is not a
            search's, or it cannot be written.
    """
    if path.suffix != ".yaml":
        raise ConfigError(f"--output {path} must end in .yaml")
    if path.parent.resolve().name != "target":
        raise ConfigError(
            f"--output {path} must lie in a folder named target, such as conf_mine/target/"
            f"{path.name}: 'target={path.stem}' looks for it there"
        )
    if (config_folder() / "target" / path.name).is_file():
        raise ConfigError(f"--output {path}: there is a packaged target {path.stem!r} already")
    for file in (path, path.with_suffix(".html")):
        check_writable(file, "--output")
    if path.exists() and not path.read_bytes().startswith(_MARK.encode()):
        raise ConfigError(
            f"--output {path} is there already and no search wrote it; remove it, or use another "
            "name"
        )


def target_yaml(
    result: SearchResult, target: Mapping[str, Any], *, overrides: Sequence[str]
) -> str:
    """Text of the yaml: the target's own values, with the assets' settings and the fit's end.

    Args:
        result: what was found.
        target: the group `target` that the search started from.
        overrides: of the search, for the file's first lines.
    """
    end = np.datetime_as_string(result.interval.end, unit="auto")
    settings = {
        one.asset: {
            "horizon": one.chosen.setting.horizon,
            "upper": one.chosen.setting.upper,
            "lower": one.chosen.setting.lower,
        }
        for one in result.assets
        if one.chosen is not None
    }
    values = {**target, "assets": settings, "fitted_until": str(end)}
    start = np.datetime_as_string(result.interval.start, unit="auto")
    command = " ".join([_MARK, *overrides])
    text: str = yaml.safe_dump(
        values, sort_keys=False, default_flow_style=None, allow_unicode=True, width=100
    )
    return f"{command}\n# {result.trials} settings judged on {start} to {end}.\n{text}"
