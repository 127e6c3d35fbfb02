"""Barriers: settings of the triple barrier, sought on the first training interval alone."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import yaml  # type: ignore[import-untyped]  # PyYAML carries no types

from regimecast.core.errors import DataError
from regimecast.core.files import write_json, write_text
from regimecast.core.parts import component, settings
from regimecast.data.panel import Panel
from regimecast.evaluation.costs import CostModel
from regimecast.labels.barrier_target import TripleBarrier
from regimecast.labels.base import TargetRegistry
from regimecast.search.barriers import BarrierSearch, SearchResult
from regimecast.search.interval import check_chronological, training_interval
from regimecast.search.saved import target_yaml
from regimecast.splits.base import SplitRegistry, Splitter
from regimecast.stages.base import Inputs, Stage, StageRegistry
from regimecast.stages.files import categories, write_table
from regimecast.stages.market import stored_market
from regimecast.stages.splits import context_length

__all__ = ["Barriers"]

_log = logging.getLogger(__name__)


@StageRegistry.register("barriers")
class Barriers(Stage):
    """The best setting of each asset, by the search of ``regimecast barriers``.

    Only bars of the first fold's training part are read, whatever their labels. There is nothing
    to search for another target, for barriers that were fitted already, or with ``search=null``.
    """

    needs: ClassVar[tuple[str, ...]] = ("clean", "features", "label")
    reads: ClassVar[tuple[str, ...]] = (
        "target", "search", "split", "cost", "window.context_length", "seed",
    )  # fmt: skip

    def __init__(self, *, config: Mapping[str, Any]) -> None:
        super().__init__(config=config)
        self._context = context_length(config)
        self._cost = settings(CostModel, "cost", config)
        self._splitter: Splitter = component(SplitRegistry, "split", config)
        self._target = component(TargetRegistry, "target", config)
        self._search: BarrierSearch | None = None
        if not (why := self._nothing_to_search()):
            self._search = BarrierSearch.from_config(config)
            # The longest deadline that may be found has to fit the purge: known before the search.
            self._splitter.check(label_bars=self._search.horizon[1])
            check_chronological(self._splitter)
        self._why_not = why

    @property
    def components(self) -> Sequence[type]:
        """The splitter and the target."""
        return (type(self._splitter), type(self._target))

    def run(self, inputs: Inputs, folder: Path) -> str:
        """``barriers.json``; if it searched, with the target to use beside everything judged.

        ``candidates.parquet`` holds the settings, ``target/searched.yaml`` what ``target=searched``
        loads with ``--config-dir FOLDER/barriers``.

        Raises:
            DataError: no asset is long enough, or no barriers leave an edge after costs.
        """
        if self._search is None or not isinstance(self._target, TripleBarrier):
            write_json(folder / "barriers.json", {"searched": False, "why": self._why_not})
            return f"nothing to search: {self._why_not}"
        bars = Panel.load(inputs.folder("clean"))
        market = stored_market(
            bars,
            features=inputs.folder("features"),
            labels=inputs.folder("label"),
            context_length=self._context,
        )
        interval = training_interval(self._splitter, market, horizon=self._search.horizon[1])
        _log.info(
            "up to %d generations of barriers for each of %d assets",
            self._search.generations,
            bars.n_assets,
        )
        try:
            result = self._search.run(
                bars, self._target, interval=interval, cost=self._cost, seed=self.config["seed"]
            )
        except DataError as error:
            raise DataError(
                f"{error}; or keep the barriers as they are with search=null"
            ) from error
        text = target_yaml(result, self.config["target"], overrides=())
        target = yaml.safe_load(text)
        write_text(folder / "target" / "searched.yaml", text)
        write_json(
            folder / "barriers.json",
            {
                "searched": True,
                "interval": interval.to_json(),
                "trials": result.trials,
                "problems": [f"{one.asset}: {one.problem}" for one in result.assets if one.problem],
                "short": list(result.short),
                "target": target,
            },
        )
        write_table(folder / "candidates.parquet", _candidates(result))
        found = sum(one.improved for one in result.assets)
        return (
            f"{result.trials:,} settings judged on bars up to {str(interval.end)[:10]}; new ones "
            f"for {found} asset{'' if found == 1 else 's'}"
        )

    def _nothing_to_search(self) -> str:
        """Why there is nothing to search; empty where there is."""
        if not isinstance(self._target, TripleBarrier):
            return f"target={self.config['target']['name']} has no barriers"
        if self._target.fitted_until is not None:
            return f"the target's barriers were fitted already, up to {self._target.fitted_until}"
        if not self.config["search"]:
            return "search=null"
        return ""


def _candidates(result: SearchResult) -> dict[str, Any]:
    """Every setting that was judged, whether it is on its asset's front, and whether it is used."""
    names = [one.asset for one in result.assets]
    rows = [
        (code, candidate, candidate in one.front, candidate == one.chosen)
        for code, one in enumerate(result.assets)
        for candidate in one.candidates
    ]
    values = [asdict(c.setting) | asdict(c.merit) for _, c, _, _ in rows]
    return {
        "asset": categories(np.array([code for code, *_ in rows]), names),
        **{key: np.array([value[key] for value in values]) for key in values[0]},
        "front": np.array([front for _, _, front, _ in rows]),
        "chosen": np.array([chosen for *_, chosen in rows]),
    }
