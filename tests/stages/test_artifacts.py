"""Artifacts hold what a run computes, and the checks find what does not."""

import json
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from regimecast.core.compose import composed
from regimecast.core.errors import ConfigError, DataError, LeakageError
from regimecast.core.hashing import hash_file
from regimecast.core.parts import component, settings
from regimecast.data.cleaning import CleaningSettings, clean
from regimecast.data.market import MarketData
from regimecast.data.panel import Panel
from regimecast.data.sources.base import SourceRegistry
from regimecast.features.pipeline import FeaturePipeline
from regimecast.labels.base import TargetRegistry
from regimecast.splits.base import SplitRegistry
from regimecast.stages.base import Inputs, StageRegistry, values_at
from regimecast.stages.files import read_columns, write_table
from regimecast.stages.ingest import read_bars
from regimecast.stages.market import stored_market
from regimecast.stages.runner import run_pipeline
from regimecast.stages.validate import Validate, shared_bars
from tests.stages.conftest import Config


def _market(config: Config) -> MarketData:
    """What a run makes of the config."""
    panel, _ = clean(
        component(SourceRegistry, "data", config).load(),
        settings=settings(CleaningSettings, "cleaning", config),
    )
    return MarketData.build(
        panel,
        pipeline=FeaturePipeline(config["features"], missing="skip"),
        target=component(TargetRegistry, "target", config),
        context_length=config["window"]["context_length"],
        asset_identity=True,
    )


@pytest.mark.parametrize("target", ["forward_return", "triple_barrier"])
@pytest.mark.parametrize("split", ["holdout", "walk_forward", "purged_kfold"])
def test_artifacts_are_what_a_run_computes(
    target: str, split: str, config: Config, tmp_path: Path
) -> None:
    if target == "forward_return":
        config["target"] = composed(["target=forward_return"])["target"]
    if split == "walk_forward":
        config["split"] = composed(["split=walk_forward", "split.folds=2", "split.validation=0.3"])[
            "split"
        ]
    if split == "purged_kfold":
        config["split"] = composed(["split=purged_kfold", "split.folds=3"])["split"]
    config["search"] = None
    run_pipeline(config, tmp_path, last="splits")
    market = _market(config)
    assert Panel.load(tmp_path / "clean").content_hash == market.bars.content_hash
    table = pd.read_parquet(tmp_path / "features" / "features.parquet")
    past = [name for name in market.spec.past if name != "history"]
    assert list(table) == ["asset", "time", *past, *market.spec.known]
    np.testing.assert_array_equal(table[past].to_numpy(), market.past[:, 1:])
    known = market.known[market.known_index]
    np.testing.assert_array_equal(table[list(market.spec.known)].to_numpy(), known)
    assert (
        table["asset"].tolist() == np.array(market.bars.assets)[market.bars.asset_of_row].tolist()
    )
    stored = stored_market(
        market.bars,
        features=tmp_path / "features",
        labels=tmp_path / "final_labels",
        context_length=market.spec.context_length,
    )
    for field in fields(market.target):
        mine, theirs = getattr(stored.target, field.name), getattr(market.target, field.name)
        if isinstance(theirs, np.ndarray):
            np.testing.assert_array_equal(mine, theirs)
            assert mine.dtype == theirs.dtype
        else:
            assert mine == theirs
    samples = market.samples(complete=True)
    saved = read_columns(tmp_path / "splits" / "samples.parquet")
    for field in ("row", "origin", "start", "end", "end_row"):
        np.testing.assert_array_equal(saved[field], getattr(samples, field))
    folds = component(SplitRegistry, "split", config).split(samples)
    assert [name for name in saved if name.startswith("fold_")] == [
        f"fold_{i}" for i in range(len(folds))
    ]
    for number, fold in enumerate(folds):
        for part in ("train", "validation", "test"):
            found = np.flatnonzero(saved[f"fold_{number}"] == part)
            np.testing.assert_array_equal(found, getattr(fold, part))


def test_raw_bars_come_back_as_they_were(config: Config, tmp_path: Path) -> None:
    run_pipeline(config, tmp_path, last="ingest")
    raw, back = component(SourceRegistry, "data", config).load(), read_bars(tmp_path / "ingest")
    pd.testing.assert_frame_equal(back.frame, raw.frame.astype({"asset": "str"}))
    for name in ("columns", "frequency", "calendar", "origin", "unused"):
        assert getattr(back, name) == getattr(raw, name)


def test_empty_cells_of_a_wide_table_are_kept(config: Config, bars: Path, tmp_path: Path) -> None:
    long = pd.read_csv(bars)
    wide = long.pivot_table(index="time", columns="asset", values="close")
    wide.iloc[300, 0] = np.nan
    wide.reset_index().to_csv(bars, index=False)
    config["data"] |= {"layout": "wide"}
    run_pipeline(config, tmp_path, last="clean")
    findings = json.loads((tmp_path / "clean" / "findings.json").read_text())
    _, report = clean(
        component(SourceRegistry, "data", config).load(),
        settings=settings(CleaningSettings, "cleaning", config),
    )
    assert findings == json.loads(json.dumps(report.to_json()))
    assert report.count("empty_cell") == 1


def test_barriers_are_sought_on_the_first_training_interval_alone(
    config: Config, bars: Path, tmp_path: Path
) -> None:
    run_pipeline(config, tmp_path / "a")
    found = json.loads((tmp_path / "a" / "barriers" / "barriers.json").read_text())
    assert found["searched"]
    end = np.datetime64(found["interval"][1], "ns")
    assert found["target"]["fitted_until"] is not None
    assert "AAA" in found["target"]["assets"]
    text = (tmp_path / "a" / "barriers" / "target" / "searched.yaml").read_text()
    assert yaml.safe_load(text) == found["target"]
    target = component(TargetRegistry, "target", found)
    series = target.compute(Panel.load(tmp_path / "a" / "clean"))
    labels = read_columns(tmp_path / "a" / "final_labels" / "labels.parquet")
    np.testing.assert_array_equal(labels["label"], series.label)
    samples = read_columns(tmp_path / "a" / "splits" / "samples.parquet")
    judged = np.isin(samples["fold_0"].astype(str), ["validation", "test"])
    assert samples["origin"][judged].min() > end
    candidates = pd.read_parquet(tmp_path / "a" / "barriers" / "candidates.parquet")
    assert candidates["chosen"].sum() == len(found["target"]["assets"])
    # Other prices after the interval: the same barriers.
    table = pd.read_csv(bars, parse_dates=["time"])
    later = table["time"] > pd.Timestamp(end)
    prices = ["open", "high", "low", "close"]
    table.loc[later, prices] *= np.linspace(1, 3, int(later.sum()))[:, None]
    table.to_csv(bars, index=False)
    run_pipeline(config, tmp_path / "b")
    for name in ("barriers.json", "candidates.parquet"):
        assert hash_file(tmp_path / "a" / "barriers" / name) == hash_file(
            tmp_path / "b" / "barriers" / name
        )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"search": None}, "search=null"),
        ({"target": {"fitted_until": "2015-01-01"}}, "fitted already"),
        ({"target": "forward_return"}, "target=forward_return has no barriers"),
    ],
)
def test_where_there_is_nothing_to_search_labels_pass_through(
    change: dict[str, object], why: str, config: Config, tmp_path: Path
) -> None:
    if change.get("target") == "forward_return":
        config["target"] = composed(["target=forward_return"])["target"]
    elif "target" in change:
        config["target"] |= change["target"]  # type: ignore[operator]  # a mapping here
    else:
        config |= change
    manifest = run_pipeline(config, tmp_path, last="final_labels")
    assert why in manifest.stages["barriers"].said
    for name in ("labels.parquet", "labels.json"):
        assert hash_file(tmp_path / "label" / name) == hash_file(tmp_path / "final_labels" / name)


def test_no_edge_after_costs_says_what_to_do(config: Config, tmp_path: Path) -> None:
    config["cost"]["slippage_bps"] = 5_000.0
    with pytest.raises(DataError, match=r"leave an edge.*or keep the barriers .*search=null"):
        run_pipeline(config, tmp_path)
    assert json.loads((tmp_path / "manifest.json").read_text())["status"] == "failed"


def test_a_purge_of_just_the_label_is_enough(config: Config, tmp_path: Path) -> None:
    config["target"] = composed(["target=forward_return"])["target"]
    config["split"]["purge"] = config["target"]["horizon"]
    run_pipeline(config, tmp_path, last="validate")
    checks = json.loads((tmp_path / "validate" / "checks.json").read_text())["checks"]
    assert "labels of train apart from later parts, fold 0" in [check["what"] for check in checks]
    samples = read_columns(tmp_path / "splits" / "samples.parquet")
    part = samples["fold_0"].astype(str)
    # As near as it gets: a label of the training part ends where the next part begins.
    assert samples["end"][part == "train"].max() == samples["origin"][part == "validation"].min()


@pytest.mark.parametrize(("purge", "parts"), [("auto", [1, 1, 1]), (10, [1, 2, 1])])
def test_folds_that_train_around_their_test_part_validate(
    purge: int | str, parts: list[int], config: Config, tmp_path: Path
) -> None:
    thirds = ["split=purged_kfold", "split.folds=3", "split.validation=0.1"]
    config["split"] = composed([*thirds, f"split.purge={purge}"])["split"]
    config["target"] = composed(["target=forward_return"])["target"]
    run_pipeline(config, tmp_path, last="validate")
    checks = json.loads((tmp_path / "validate" / "checks.json").read_text())["checks"]
    assert all(check["holds"] for check in checks)
    intervals = json.loads((tmp_path / "splits" / "splits.json").read_text())["train_intervals"]
    assert [len(one) for one in intervals] == parts
    prefix = next(check["what"] for check in checks if "without later bars" in check["what"])
    assert prefix.startswith(f"features up to {intervals[0][0][1][:10]}")


def test_barriers_are_not_sought_where_later_folds_test(config: Config, tmp_path: Path) -> None:
    config["split"] = composed(["split=purged_kfold", "split.folds=3"])["split"]
    with pytest.raises(ConfigError, match="in a pipeline search=null"):
        run_pipeline(config, tmp_path)
    assert not (tmp_path / "ingest").exists()


def test_shared_bars_agrees_with_pairs() -> None:
    generator = np.random.default_rng(0)
    for _ in range(300):
        n, m = generator.integers(0, 12, 2)
        start, later = generator.integers(0, 30, n), generator.integers(0, 30, m)
        end, later_end = start + generator.integers(0, 5, n), later + generator.integers(0, 5, m)
        pairs = (start[:, None] <= later_end) & (later <= end[:, None])
        np.testing.assert_array_equal(shared_bars(start, end, later, later_end), pairs.any(axis=1))


def _leak_train(folder: Path) -> None:
    path = folder / "splits" / "samples.parquet"
    columns = read_columns(path)
    part = columns["fold_0"].copy()
    part[np.flatnonzero(part == "train")[-1] + 1] = "train"  # purged before
    write_table(path, {**columns, "fold_0": _text(part), "asset": _text(columns["asset"])})


def _unfinished_label(folder: Path) -> None:
    path = folder / "final_labels" / "labels.parquet"
    columns = read_columns(path)
    row = read_columns(folder / "splits" / "samples.parquet")["row"][5]
    columns |= {name: columns[name].copy() for name in ("label", "end_row")}
    columns["label"][row], columns["end_row"][row] = -99, -1
    write_table(path, {**columns, "asset": _text(columns["asset"])})


def _spoil_feature(folder: Path, row: int, value: float) -> None:
    path = folder / "features" / "features.parquet"
    columns = read_columns(path)
    columns["return_5"] = columns["return_5"].copy()
    columns["return_5"][row] = value
    write_table(path, {**columns, "asset": _text(columns["asset"])})


def _infinite_feature(folder: Path) -> None:
    _spoil_feature(folder, 90, np.inf)


def _guessed_feature(folder: Path) -> None:
    _spoil_feature(folder, 2, 0.01)


def _other_feature(folder: Path) -> None:
    _spoil_feature(folder, 100, 0.01)


def _text(values: np.ndarray) -> object:
    import pyarrow as pa

    return pa.array(values.tolist(), pa.string())


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            _leak_train,
            "windows and labels of train apart from later parts, fold 0 does not hold: 1",
        ),
        (_unfinished_label, "labels of samples complete does not hold: 1"),
        (_infinite_feature, "features never infinite does not hold: 1 of"),
        (_guessed_feature, "features NaN in warm-up does not hold: 1 of"),
        (_other_feature, "the same bits without later bars does not hold: 1 of"),
    ],
)
def test_validate_finds_what_is_wrong(
    spoil: Callable[[Path], None], message: str, config: Config, tmp_path: Path
) -> None:
    run_pipeline(config, tmp_path, last="validate")
    stage = StageRegistry.create("validate", config=values_at(config, Validate.reads))
    copy = tmp_path / "copy"
    for name in stage.needs:
        shutil.copytree(tmp_path / name, copy / name)
    spoil(copy)

    def inputs(hashed: Path) -> Inputs:
        return Inputs(
            "validate",
            {name: copy / name for name in stage.needs},
            {
                name: {
                    path.relative_to(hashed / name).as_posix(): hash_file(path)
                    for path in (hashed / name).rglob("*")
                    if path.is_file()
                }
                for name in stage.needs
            },
        )

    (copy / "out").mkdir()
    with pytest.raises(LeakageError) as broken:
        stage.run(inputs(copy), copy / "out")
    assert message in str(broken.value)
    assert "SHA-256" not in str(broken.value)
    with pytest.raises(LeakageError, match="SHA-256 of every artifact does not hold: differs for"):
        stage.run(inputs(tmp_path), copy / "out")
