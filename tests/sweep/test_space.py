"""What is searched: overrides, the settings' own space, and the models'."""

from pathlib import Path
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra

from regimecast.core.config import config_folder
from regimecast.core.errors import ConfigError
from regimecast.sweep.space import Space, read_space
from tests.sweep.searching import settings, swept


@pytest.fixture
def loader(tmp_path: Path) -> Any:
    """Hydra's, over two folders: the packaged one and the user's."""
    (tmp_path / "sweep" / "space").mkdir(parents=True)
    (tmp_path / "sweep" / "space" / "mine.yaml").write_text("model.width: choice(1,2)\n")
    (tmp_path / "sweep" / "space" / "odd.yaml").write_text("model.width: 3\n")
    path = create_config_search_path(str(config_folder()))
    path.append("command-line", f"file://{tmp_path}")
    return ConfigLoaderImpl(config_search_path=path)


def read(loader: Any, *arguments: str, model: str = "lstm", **changes: Any) -> Space:
    return read_space(arguments, settings(**changes), loader=loader, model=model)


def keys(space: Space) -> list[str]:
    return [one.name for one in space.dimensions]


def test_a_models_own_space_is_searched(loader: Any):
    space = read(loader, "seed=3")
    assert space.fixed == ("seed=3",)
    assert "optimizer.lr" in keys(space)
    assert "model.hidden_size" in keys(space)


def test_the_users_folder_adds_spaces(loader: Any):
    assert keys(read(loader, "model=mine")) == ["model.width"]
    with pytest.raises(ConfigError, match="must be text of Hydra's grammar"):
        read(loader, "model=odd")


def test_the_command_line_comes_before_settings_and_these_before_the_model(loader: Any):
    space = read(
        loader,
        "optimizer.lr=interval(0.1,0.2)",
        "model.dropout=0.1",
        space={"optimizer.lr": "choice(1,2)", "model.layers": "choice(7,8)", "seed": "range(0,3)"},
    )
    found = {one.name: one for one in space.dimensions}
    assert found["optimizer.lr"].describe() == swept("optimizer.lr=interval(0.1,0.2)").describe()
    assert found["model.layers"].choices == ("7", "8")
    assert found["seed"].choices == ("0", "1", "2")
    assert "model.dropout" not in found
    assert "model.dropout=0.1" in space.fixed


def test_a_space_within_a_space_is_refused(loader: Any):
    with pytest.raises(ConfigError, match="model is a mapping"):
        read(loader, "model=lstm", space={"model": {"layers": "choice(7,8)"}})


def test_of_one_key_the_last_override_counts(loader: Any):
    space = read(loader, "seed=1,2", "seed=5")
    assert "seed" not in keys(space)
    assert space.fixed == ("seed=5",)


def test_nothing_to_search_is_said(loader: Any):
    with pytest.raises(ConfigError, match="nothing to search: model=naive"):
        read(loader, "model=naive")


def test_models_that_are_swept_bring_their_own_dimensions(loader: Any):
    space = read(loader, "optimizer.lr=0.1", "model=mine,lstm")
    assert space.conditional
    assert keys(space)[0] == "model"
    mine = space.draw(lambda one: "mine" if one.key == "model" else one.choices[0])
    assert mine == {"model": "mine", "model.width[model=mine]": "1"}
    assert space.overrides(mine) == ("model=mine", "model.width=1")
    lstm = space.draw(lambda one: "lstm" if one.key == "model" else "?")
    assert "model.hidden_size[model=lstm]" in lstm
    assert not any("mine" in name for name in lstm)


def test_a_grid_holds_every_combination_of_every_branch():
    space = Space(
        (),
        (
            swept("model=a,b"),
            swept("seed=1,2"),
            swept("x=1,2,3", model="a"),
            swept("y=range(0,2)", model="b"),
        ),
    )
    points = list(space.grid())
    assert len(points) == len({tuple(p.items()) for p in points}) == 2 * 3 + 2 * 2
    assert all(("x[model=a]" in point) == (point["model"] == "a") for point in points)


def test_corners_have_every_branch_and_both_ends():
    space = Space(
        (),
        (swept("model=a,b"), swept("x=interval(1.0,2.0)", model="a"), swept("y=1,2,3", model="b")),
    )
    branches = list(space.corners())
    assert [{c["model"] for c in branch} for branch in branches] == [{"a"}, {"b"}]
    corners = [corner for branch in branches for corner in branch]
    assert {c.get("x[model=a]") for c in corners} == {"1", "2", None}
    assert {c.get("y[model=b]") for c in corners} == {"1", "2", "3", None}


@pytest.fixture(autouse=True)
def no_hydra() -> Any:
    """Hydra keeps what was initialized."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        yield
