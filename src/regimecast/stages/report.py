"""Report: a page about every stage before it, which can be moved with its folder."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import yaml  # type: ignore[import-untyped]  # PyYAML carries no types

from regimecast.core.files import write_text
from regimecast.core.hashing import hash_file
from regimecast.data.panel import Panel
from regimecast.report import html
from regimecast.report.numbers import bars, date, number, percent
from regimecast.stages.base import Inputs, Stage, StageRegistry
from regimecast.stages.files import read_mapping

__all__ = ["Report", "size"]

_TEMPLATES = ("base.html", "page.css", "page.js", "pipeline.html")
_UNITS = ("kB", "MB", "GB")
_FINDINGS = 12
"""Most findings of the cleaning that are listed."""


@StageRegistry.register("report")
class Report(Stage):
    """What each stage did, label shares, splits, checks, and links to every artifact.

    Nothing in it depends on when or how fast the stages ran.
    """

    needs: ClassVar[tuple[str, ...]] = (
        "ingest", "clean", "features", "label", "barriers", "final_labels", "splits", "validate",
    )  # fmt: skip
    reads: ClassVar[tuple[str, ...]] = (
        "data", "cleaning", "features", "missing_features", "target", "search", "split", "cost",
        "window.context_length", "seed",
    )  # fmt: skip

    def outside(self) -> Mapping[str, str] | None:
        """SHA-256 of each template, the one part of its code that is no module."""
        folder = Path(html.__file__).parent / "templates"
        return {name: hash_file(folder / name) for name in _TEMPLATES}

    def run(self, inputs: Inputs, folder: Path) -> str:
        """``report.html``."""
        panel = Panel.load(inputs.folder("clean"))
        first, final = (
            read_mapping(inputs.folder(stage) / "labels.json")
            for stage in ("label", "final_labels")
        )
        barriers = read_mapping(inputs.folder("barriers") / "barriers.json")
        splits = read_mapping(inputs.folder("splits") / "splits.json")
        text = html.render_page(
            "pipeline.html",
            charts=[],
            data=self.config["data"]["name"],
            target=final["target"],
            facts=_facts(panel, read_mapping(inputs.folder("ingest") / "bars.json")["origin"]),
            notes=[*_findings(inputs), *barriers.get("problems", [])],
            stages=[_stage(inputs, name) for name in self.needs],
            labels=f"{bars(final['complete'])} of {bars(panel.n_rows)} bars have a complete target",
            classes=[str(value) for value in final["classes"]],
            shares=_shares(first, final),
            settings=_settings(barriers, self.config["target"]),
            interval=" to ".join(map(date, barriers.get("interval", []))),
            parts=[_part(row) for row in splits["parts"]],
            checks=read_mapping(inputs.folder("validate") / "checks.json")["checks"],
            config=yaml.safe_dump(dict(self.config), sort_keys=False, allow_unicode=True),
        )
        write_text(folder / "report.html", text)
        return f"a page about {len(self.needs)} stages"


def size(count: int) -> str:
    """Bytes as a person would say them."""
    if count < 1000:
        return f"{count} bytes"
    steps = min(int(math.log10(count) / 3), len(_UNITS))
    return f"{count / 1000**steps:.1f} {_UNITS[steps - 1]}"


def _facts(panel: Panel, origin: str) -> list[tuple[str, str]]:
    shown = ", ".join(panel.assets[:6])
    more = panel.n_assets - 6
    return [
        ("source", origin),
        ("assets", f"{shown} and {more} more" if more > 0 else shown),
        ("bars", f"{panel.n_rows:,} of {panel.frequency}"),
        ("first", date(np.min(panel.time))),
        ("last", date(np.max(panel.time))),
    ]


def _findings(inputs: Inputs) -> list[str]:
    """What the cleaning changed or flagged, a line per asset and problem."""
    found = read_mapping(inputs.folder("clean") / "findings.json")["findings"]
    lines = [
        f"{f['asset']}: {bars(f['count'])} × {f['problem'].replace('_', ' ')}"
        f"{' in ' + f['column'] if f['column'] else ''}, {f['action']}; first {date(f['first'])}"
        for f in found[:_FINDINGS]
    ]
    rest = len(found) - _FINDINGS
    return [*lines, f"and {rest} more in clean/findings.json"] if rest > 0 else lines


def _stage(inputs: Inputs, name: str) -> dict[str, Any]:
    place = inputs.folder(name)
    sizes = {file: (place / file).stat().st_size for file in inputs.hashes[name]}
    return {
        "name": name,
        "said": read_mapping(place / "summary.json")["said"],
        "size": size(sum(sizes.values())),
        "files": [
            {"name": file, "sha256": sha256, "size": size(sizes[file])}
            for file, sha256 in inputs.hashes[name].items()
        ],
    }


def _part(row: Mapping[str, Any]) -> list[str]:
    return [
        *(str(row["fold"]), row["part"], bars(row["samples"])),
        *(date(row["first"]), date(row["last"]), bars(row["purged"])),
    ]


def _shares(first: Mapping[str, Any], final: Mapping[str, Any]) -> list[list[str]]:
    """A row per asset: shares as configured, then in the end."""
    return [
        [
            asset,
            *(
                percent(header["shares"].get(asset, {}).get(str(value)))
                for header in (first, final)
                for value in final["classes"]
            ),
        ]
        for asset in final["shares"]
    ]


def _settings(barriers: Mapping[str, Any], target: Mapping[str, Any]) -> list[list[str]]:
    """A row as configured, and one per asset with a setting that was found."""
    if not barriers["searched"]:
        return []
    settings = {"as configured": target, **barriers["target"]["assets"]}
    return [
        [name, *(number(values[key]) for key in ("horizon", "upper", "lower"))]
        for name, values in settings.items()
    ]
