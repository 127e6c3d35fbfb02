"""What a search varies: the swept overrides, and the space of each model that is searched.

A model's own space is ``conf/sweep/space/<model>.yaml``, a mapping of keys to Hydra's grammar. What
``sweep.space`` and the command line say of a key comes before it: a value there takes the key out
of the search. Where several models are searched, the model is chosen first, then what is its own.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf

from regimecast.core.errors import ConfigError
from regimecast.sweep.dimension import Dimension, dimension
from regimecast.sweep.settings import SearchSettings

__all__ = ["Point", "Space", "read_space"]

_MODEL = "model"

Point = dict[str, str]
"""An override's text for the name of every dimension that is there."""


@dataclass(frozen=True)
class Space:
    """Overrides that every trial has, and the dimensions of the rest, conditions first."""

    fixed: tuple[str, ...]
    dimensions: tuple[Dimension, ...]

    def draw(self, value: Callable[[Dimension], str]) -> Point:
        """A point, every value asked for in order; those of other models are not asked for."""
        point: Point = {}
        chosen: dict[str, str] = {}
        for one in self.dimensions:
            if all(chosen.get(group) == option for group, option in one.when):
                point[one.name] = chosen[one.key] = value(one)
        return point

    def overrides(self, point: Mapping[str, str]) -> tuple[str, ...]:
        """What tells a point from the others, as overrides."""
        return tuple(f"{one.key}={point[one.name]}" for one in self.dimensions if one.name in point)

    def grid(self) -> Iterator[Point]:
        """Every point.

        Raises:
            ConfigError: one of the dimensions has no end of values.
        """
        groups = {group for one in self.dimensions for group, _ in one.when}
        deciding = [one for one in self.dimensions if one.key in groups]
        for options in product(*(one.choices for one in deciding)):
            chosen = dict(zip((one.key for one in deciding), options, strict=True))
            there = [
                one
                for one in self.dimensions
                if all(chosen[group] == option for group, option in one.when)
            ]
            values = [(chosen[one.key],) if one in deciding else one.choices for one in there]
            for combination in product(*values):
                yield dict(zip((one.name for one in there), combination, strict=True))

    def size(self, most: int) -> int | None:
        """Points that there are; None where they are more, or have no end."""
        if any(one.endless for one in self.dimensions):
            return None
        counted = sum(1 for _ in islice(self.grid(), most + 1))
        return counted if counted <= most else None

    def corners(self) -> Iterator[list[Point]]:
        """Points that together have every option and both ends of every dimension, by branch."""
        deciding = {group for one in self.dimensions for group, _ in one.when}
        branches: list[dict[str, str]] = [{}]
        for one in self.dimensions:
            if one.key in deciding:
                branches = [{**b, one.key: option} for b in branches for option in one.choices]
        others = [one for one in self.dimensions if one.key not in deciding]
        most = max((len(_ends(one)) for one in others), default=1)
        for branch in branches:
            yield [
                self.draw(
                    lambda one, b=branch, t=turn: b.get(one.key) or _ends(one)[t % len(_ends(one))]  # type: ignore[misc]  # bound now
                )
                for turn in range(most)
            ]

    def describe(self) -> list[str]:
        """The dimensions, the same texts for the same space."""
        return [one.describe() for one in self.dimensions]

    @property
    def conditional(self) -> bool:
        """Whether some dimensions are there for one model only."""
        return any(one.when for one in self.dimensions)


def read_space(
    arguments: Sequence[str], settings: SearchSettings, *, loader: Any, model: str
) -> Space:
    """The space of a search.

    Args:
        arguments: overrides of the command line, swept ones among them.
        settings: whose own `space` is added.
        loader: Hydra's, whose search path holds the models' spaces.
        model: name of the model where the arguments choose none.

    Raises:
        ConfigError: an override or a space cannot be read, or nothing is searched.
    """
    parser = OverridesParser.create(config_loader=loader)
    given = _latest(parser.parse_overrides(list(arguments)))
    fixed = [o for o in given.values() if not o.is_sweep_override()]
    swept = {key: dimension(o) for key, o in given.items() if o.is_sweep_override()}
    for key, text in settings.space.items():
        if isinstance(text, Mapping):
            raise ConfigError(
                f"sweep.space.{key} is a mapping; write keys with dots, such as "
                f"'+sweep.space={{{key}.{next(iter(text), 'lr')}: \"choice(1,2)\"}}'"
            )
        if key not in given:
            swept[key] = dimension(_parsed(parser, key, text, "sweep.space"))
    taken = {key.lstrip("+") for key in (*given, *swept)}
    models: tuple[str, ...] = (model,)
    if _MODEL in swept:
        models = swept[_MODEL].choices
    elif _MODEL in given:
        models = (str(given[_MODEL].value()),)
    own: list[Dimension] = []
    for name in models:
        when = {_MODEL: name} if len(models) > 1 else {}
        for key, text in _model_space(loader, name).items():
            if key.lstrip("+") not in taken:
                own.append(dimension(_parsed(parser, key, text, f"space of {name}"), when=when))
    order = sorted(swept.values(), key=lambda one: one.key != _MODEL)  # the model comes first
    if not order and not own:
        raise ConfigError(
            f"there is nothing to search: model={models[0]} has no space in sweep/space/, and no "
            "override is swept, such as optimizer.lr='tag(log,interval(1e-4,1e-2))'"
        )
    return Space(tuple(str(o.input_line) for o in fixed), (*order, *own))


def _latest(overrides: Sequence[Override]) -> dict[str, Override]:
    """Overrides by key; of several the last counts."""
    return {override.get_key_element(): override for override in overrides}


def _parsed(parser: OverridesParser, key: str, text: Any, where: str) -> Override:
    if not isinstance(text, str):
        raise ConfigError(
            f"{where}: {key}={text!r} must be text of Hydra's grammar, such as choice(32,64)"
        )
    return parser.parse_override(f"{key}={text}")


def _model_space(loader: Any, model: str) -> dict[str, Any]:
    """The mapping in ``sweep/space/<model>.yaml``, found as Hydra finds its files; else empty."""
    for source in loader.get_search_path().get_path():
        scheme, _, place = str(source.path).partition("://")
        path = Path(place if place else scheme) / "sweep" / "space" / f"{model}.yaml"
        if scheme in ("file", str(source.path)) and path.is_file():
            content = OmegaConf.to_container(OmegaConf.load(path))
            if not isinstance(content, dict):
                raise ConfigError(f"{path} must be a mapping of keys to choice(…) and the like")
            return {str(key): value for key, value in content.items()}
    return {}


def _ends(one: Dimension) -> tuple[str, ...]:
    """Every option of a choice, or the least and the greatest number."""
    distribution: Any = one.distribution
    if hasattr(distribution, "choices"):
        return one.choices
    return (one.text(distribution.low), one.text(distribution.high))
