"""From the command to files, and from the file to a run."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from regimecast.assembly import Assembly
from regimecast.commands.barriers import barriers
from regimecast.core.compose import composed
from regimecast.core.errors import ConfigError, DataError, LeakageError
from regimecast.data.cleaning import clean
from regimecast.data.datamodule import FinancialDataModule
from regimecast.search.interval import training_interval
from regimecast.search.run import FoundBarriers, find_barriers
from tests.data.panels import random_panel

SMALL = (
    "data=csv",
    "features=[calendar]",
    "window.context_length=8",
    "target.volatility_window=10",
    "regime.minimum=50",
    "model=lstm",
    "search.population=12",
    "search.generations=6",
    "search.horizon=[2,12]",
)

CLASSES = ("loss=cross_entropy", "strategy=class_probability")


def write_csv(path: Path, *, after: np.datetime64 | None = None) -> None:
    """Two assets; prices after a time are others, their times and their range are not."""
    panel = random_panel(800, 740)
    values = panel.values.copy()
    if after is not None:
        late = panel.time > after
        values[late] *= np.exp(np.random.default_rng(1).normal(0, 0.02, (late.sum(), 1)))
    frame = pd.DataFrame(values, columns=list(panel.names))
    frame.insert(0, "time", panel.time)
    frame.insert(1, "asset", np.array(panel.assets)[panel.asset_of_row])
    frame.to_csv(path, index=False)


Find = Callable[..., FoundBarriers]


@pytest.fixture
def find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Find:
    monkeypatch.chdir(tmp_path)
    write_csv(Path("bars.csv"))

    def call(*overrides: str, output: str = "mine/target/searched.yaml") -> FoundBarriers:
        return find_barriers(
            [*SMALL, "data.path=bars.csv", "data.calendar=24/7", *overrides], output=Path(output)
        )

    return call


def test_the_same_files_to_the_byte_whatever_follows_the_training_interval(find: Find):
    found = find()
    before = found.output.read_bytes(), found.page.read_bytes()
    write_csv(Path("bars.csv"), after=found.result.interval.end)
    again = find()
    assert (again.output.read_bytes(), again.page.read_bytes()) == before
    write_csv(Path("bars.csv"), after=found.result.interval.end - np.timedelta64(30, "D"))
    assert find().page.read_bytes() != before[1]


def modules(find: Find, *overrides: str) -> list[FinancialDataModule]:
    """Folds of the config that a run with the searched target has."""
    given = [o for o in SMALL if not o.startswith(("search.", "target."))]
    config = composed(
        [*given, "data.path=bars.csv", "data.calendar=24/7", "target=searched", *CLASSES,
         "tracker=csv", *overrides],
        config_dir=Path("mine"),
    )  # fmt: skip
    parts = Assembly.from_config(config, trains=False)
    bars, _ = clean(parts.source.load(), settings=parts.cleaning)
    market = parts.market(bars)
    return list(parts.modules(market, parts.splitter.split(market.samples(complete=True))))


def test_the_yaml_is_a_target_that_labels_as_the_search_did(find: Find):
    found = find("target.unit=atr")
    text = found.output.read_text()
    assert text.startswith("# Found by: regimecast barriers data=csv")
    values = yaml.safe_load(text)
    assert (values["name"], values["unit"]) == ("triple_barrier", "atr")
    assert list(values["assets"]) == ["A0", "A1"]
    (data,) = modules(find)
    rule = data.market.target_rule
    for number, one in enumerate(found.result.assets):
        assert one.chosen is not None
        assert rule.setting(one.asset) == one.chosen.setting
        rows = data.market.bars.rows(number)
        until = data.market.bars.time[rows] <= found.result.interval.end
        stop = int(until.sum()) - one.chosen.setting.horizon
        label = data.market.target.label[rows][:stop]
        known = label[label != -99]
        assert len(known) == one.chosen.merit.labels
        assert np.mean(known == 1) == one.chosen.merit.up


def test_the_split_that_it_was_fitted_with_is_fine_and_an_earlier_one_leaks(find: Find):
    found = find()
    (data,) = modules(find)
    first = data.samples.origin[data.fold.validation].min()
    assert found.result.interval.end < first
    with pytest.raises(LeakageError, match=r"fitted on bars up to 20.*validation part"):
        modules(find, "split.train=0.3", "split.validation=0.2", "split.test=0.5")
    find("split=walk_forward")
    assert len(modules(find, "split=walk_forward")) == 4


def test_the_interval_ends_before_validation_whatever_horizon_is_found(find: Find):
    """A shorter deadline moves the later parts later, never earlier."""
    config = composed(
        [*(o for o in SMALL if not o.startswith("search.")), "data.path=bars.csv",
         "data.calendar=24/7", "target=triple_barrier", *CLASSES, "tracker=csv"]
    )  # fmt: skip
    parts = Assembly.from_config(config, trains=False)
    bars, _ = clean(parts.source.load(), settings=parts.cleaning)
    market = parts.market(bars)
    ends = [training_interval(parts.splitter, market, horizon=h).end for h in (10, 20, 60)]
    assert ends == sorted(ends, reverse=True)
    assert ends[0] > ends[-1]
    samples = market.samples(complete=True)
    fold = parts.splitter.split(samples)[0]
    assert ends[0] < samples.start[fold.validation].min()


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        (["search.width=[3,1]"], ConfigError, r"search.width=\[3.0, 1.0\]"),
        (["search.populaton=3"], ConfigError, "populaton"),
        (["target=forward_return", "target.volatility_window=63"], ConfigError, "forward_return"),
        (["search=null"], ConfigError, "barriers needs the group search"),
        (["search.foo=0"], ConfigError, r"Allowed in search: width, horizon"),
        (["search.horizon=5000"], ConfigError, r"5000 must be two whole numbers, \[least, most\]"),
        (["search.width=2"], ConfigError, r"width=2 must be two numbers"),
        (["target.unit=fraction"], ConfigError, "counts in fractions of the close"),
        (["split.purge=10"], LeakageError, "up to 12 bars"),
        (["search.horizon=[2,2000]"], DataError, "no samples to split"),
        (["search.horizon=[2,60]"], DataError, "no asset has bars for 20 labels"),
        (["cost.commission_bps=900"], DataError, "no barriers leave an edge"),
    ],
)
def test_what_cannot_be_is_said_and_leaves_no_file(
    find: Find, overrides: list[str], error: type[Exception], message: str
):
    with pytest.raises(error, match=message):
        find(*overrides)
    assert not Path("mine").exists()


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("mine/target/searched.json", "must end in .yaml"),
        ("mine/searched.yaml", "folder named target"),
        ("mine/target/triple_barrier.yaml", "packaged target 'triple_barrier' already"),
    ],
)
def test_an_output_that_target_would_not_find(find: Find, output: str, message: str):
    with pytest.raises(ConfigError, match=message):
        find(output=output)


def test_a_yaml_of_the_users_own_is_not_overwritten(find: Find):
    own = Path("mine/target/searched.yaml")
    own.parent.mkdir(parents=True)
    own.write_text("name: triple_barrier\n")
    with pytest.raises(ConfigError, match="no search wrote it"):
        find()
    assert own.read_text() == "name: triple_barrier\n"


def test_an_output_that_cannot_be_written_is_known_before_data_are_read(find: Find):
    Path("bars.csv").unlink()
    Path("mine").touch()
    with pytest.raises(ConfigError, match=r"--output mine/target/searched.yaml .* mine is a file"):
        find()
    Path("mine").unlink()
    Path("mine/target/searched.html").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"--output mine/target/searched.html is a folder"):
        find()


def test_a_stop_leaves_the_old_files(find: Find, monkeypatch: pytest.MonkeyPatch):
    found = find()
    before = found.output.read_bytes(), found.page.read_bytes()

    def stop(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("regimecast.search.evolve.hypervolume", stop)
    with pytest.raises(KeyboardInterrupt):
        find("seed=4")
    assert (found.output.read_bytes(), found.page.read_bytes()) == before
    assert sorted(p.name for p in found.output.parent.iterdir()) == [
        "searched.html",
        "searched.yaml",
    ]


def test_the_command_shows_both_settings(find: Find, capsys: pytest.CaptureFixture[str]):
    barriers(
        Path("mine/target/searched.yaml"), [*SMALL, "data.path=bars.csv", "data.calendar=24/7"]
    )
    out = capsys.readouterr().out
    assert out.count("default") == out.count("chosen") == 2
    assert "target=searched" in out
    assert "net Sharpe" in out
    assert "nothing better" not in out


def test_a_default_that_nothing_beats_is_not_sold_as_a_find(
    find: Find, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    found = find()
    assets = tuple(replace(one, chosen=one.default) for one in found.result.assets)
    same = replace(found, result=replace(found.result, assets=assets))
    monkeypatch.setattr("regimecast.search.run.find_barriers", lambda *_, **__: same)
    barriers(found.output, [])
    out = capsys.readouterr().out
    assert "nothing better was found for A0, A1" in out
    assert "train with it" not in out
