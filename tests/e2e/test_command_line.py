"""What the command line says before it does anything."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.command import TINY, Ended

HEAVY = ("torch", "lightning", "pandas", "numpy", "hydra", "omegaconf", "plotly", "wandb")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["train", "--help"],
        ["evaluate", "--help"],
        ["compare", "--help"],
        ["--version"],
    ],
)
def test_help_loads_nothing_heavy(arguments: list[str]):
    program = (
        "import sys; from regimecast.cli import main\n"
        f"sys.argv[1:] = {arguments}\n"
        "try: main()\n"
        f"finally: sys.stderr.write(','.join(m for m in {HEAVY} if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "Usage" in done.stdout or "regimecast 0." in done.stdout


def test_help_names_every_command_with_an_example(command: Callable[..., Ended]):
    text = command("--help").out
    for name in ("train", "evaluate", "leaderboard", "compare", "report", "models", "features"):
        assert name in text
        assert f"Example: regimecast {name}" in command(name, "--help").out


def test_python_m_regimecast_is_the_same_command():
    done = subprocess.run(
        [sys.executable, "-m", "regimecast", "--version"], capture_output=True, text=True
    )
    assert done.stdout.startswith("regimecast 0.")


def test_the_config_can_be_looked_at_without_a_run(command: Callable[..., Ended], folder):
    ended = command("train", *TINY, "--cfg", "job")
    assert ended.code == 0
    assert "context_length: 8" in ended.out
    assert not list(folder.rglob("manifest.json"))


def test_models_lists_every_model_with_what_it_can_do(command: Callable[..., Ended]):
    from regimecast.models.base import ModelRegistry

    text = command("models").out
    assert all(f" {name} " in text for name in ModelRegistry.available())
    assert "regression" in text
    assert "cannot be loaded" not in text


def test_features_lists_lookback_units_and_source(command: Callable[..., Ended]):
    text = command("features").out
    assert "rsi_14" in text
    assert "Wilder" in text


def test_features_of_a_set(command: Callable[..., Ended]):
    assert "pattern_morningstar" not in command("features").out
    text = command("features", "--set", "full").out
    assert "pattern_morningstar" in text
    ended = command("features", "--set", "ful")
    assert ended.code != 0
    assert "Did you mean 'full'?" in ended.err


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ("model=nhitz", ["unknown model 'nhitz'", "Did you mean 'nhits'?", "patchtst"]),
        ("features=[trnd]", ["unknown features 'trnd'", "'trend'", "momentum"]),
        ("weighting=[regim]", ["unknown weighting 'regim'", "'regime'", "recency"]),
        ("experiment=dem", ["unknown experiment 'dem'", "'demo'"]),
        ("modl=nhits", ["unknown key 'modl'", "'model'", "window"]),
        ("windw.context_length=3", ["'windw.context_length'", "'window.context_length'"]),
        ("window.context_lenght=3", ["'window.context_length'?", "Allowed in window: context_"]),
        ("model=lstm model.hiden_size=3", ["'model.hidden_size'?", "Allowed in model: name"]),
        ("+foo=1", ["config has no key 'foo'", "Allowed: callbacks"]),
        ("+model.foo=1", ["has no parameter 'foo'", "Allowed"]),
        ("+window.foo=1", ["window has no key 'foo'", "context_length"]),
        ("+model.spec=1", ["has no parameter 'spec'"]),
        ("~model", ["config needs model"]),
        ("hydra.foo=1", ["unknown key 'hydra.foo'"]),
        ("sweep.space={model.layers:1}", ["to add them write +sweep.space={"]),
        ("study=${nowhere}", ["nowhere"]),
        ("model=[nlinear", ["cannot read override 'model=[nlinear'", "KEY=VALUE"]),
        ("nlinear", ["cannot read override 'nlinear'", "KEY=VALUE"]),
        ("=3", ["KEY=VALUE"]),
        ("gate=3", ["KEY=VALUE"]),
        ("--foo", ["unknown option '--foo'", "--multirun"]),
        ("-x", ["unknown option '-x'", "-m"]),
        ("--cfg", ["option --cfg needs a value"]),
        ("--config-name foo", ["unknown config 'foo'", "train"]),
        ("window.context_length=many", ["window.context_length='many'", "whole number"]),
        ("window.clip=much", ["window.clip='much'", "a number"]),
        ("window.clip=0", ["window.clip=0", "above 0"]),
        (
            "window.placement=mapped window.mapped_folder=/nowhere",
            ["window.mapped_folder='/nowhere' is not a folder"],
        ),
        ("window=3", ["window=3", "mapping"]),
        ("weighting.uniform=3", ["weighting", "mapping"]),
        ("features.calendar=7", ["features", "mapping"]),
        ("model=lstm model.hidden_size=wide", ["hidden_size='wide'", "a whole number"]),
        ("model=lstm model.dropout=[0.1]", ["dropout=[0.1]", "a number"]),
        ("target.horizon=two", ["horizon='two'", "a whole number"]),
        ("trainer.max_epochs=many", ["trainer.max_epochs='many'", "a whole number"]),
        ("window.context_length=0", ["window.context_length=0", "at least 1"]),
        ("seed=-1", ["seed=-1", "at least 0"]),
        ("target.horizon=0", ["horizon=0"]),
        ("split.train=0.9", ["split"]),
        ("split.purge=1", ["split.purge=1", "at least 5"]),
        ("cost.slippage_bps=-1", ["slippage_bps=-1"]),
        ("missing_features=sometimes", ["missing_features='sometimes'", "skip", "error"]),
        ("tracker=wandb tracker.mode=onlin", ["mode='onlin'", "offline"]),
        ("optimizer._target_=os.system", ["optimizer._target_='os.system'", "torch.optim."]),
        ("trainer._target_=subprocess.run", ["trainer._target_='subprocess.run'"]),
        ("optimizer._target_=torch.optim.Adm", ["torch.optim.Adm", "does not exist"]),
        ("optimizer.lr=fast", ["optimizer.lr='fast'", "a number"]),
        ("+trainer.max_epoch=3", ["max_epoch", "'max_epochs'"]),
        ("callbacks.early_stopping.monitor=val/los", ["'val/los'", "'val/loss'"]),
        ("loss=cross_entropy", ["loss=cross_entropy", "forward_return", "quantile"]),
        ("target=triple_barrier", ["loss=quantile", "triple_barrier", "cross_entropy"]),
        ("model=lightgbm loss=sharpe", ["lightgbm", "loss=sharpe"]),
        ("model=svm", ["'svm'", "task=forecast", "classification"]),
        ("model=mlp", ["'mlp'", "loss=quantile", "huber"]),
        ("loss.levels=[]", ["loss.levels=[]", "at least one"]),
        ("strategy=class_probability", ["strategy=class_probability", "quantiles", "sign"]),
        ("strategy.step=9", ["strategy.step=9", "allowed: 1 to 5"]),
        ("loss=huber strategy=quantile_band", ["strategy.lower=0.25", "(0.5,)"]),
        (
            "target=triple_barrier loss=cross_entropy strategy=quantile_band",
            ["strategy=quantile_band", "probabilities", "class_probability"],
        ),
        ("loss=huber strategy=volatility_target strategy.volatility=forecast", ["trailing"]),
        ("model.dropout=7", ["model 'lstm'", "dropout=7", "between 0 and 1"]),
        ("optimizer.lr=-1", ["optimizer: ", "-1"]),
        ("scheduler=step scheduler.step_size=x", ["scheduler: ", "'str'"]),
        ("study=../../x", ["study='../../x'", "runs='runs'"]),
        ("study=/tmp", ["study='/tmp'"]),
        ("-m study=../../x", ["study='../../x'"]),
    ],
)
def test_what_does_not_exist_is_named_with_what_does(
    command: Callable[..., Ended], overrides: str, expected: list[str]
):
    ended = command("train", *TINY, *overrides.split())
    assert ended.code == 2, ended.err
    assert "Traceback" not in ended.err
    message = ended.err.rpartition("error: ")[2]
    for part in expected:
        assert part in message


def test_a_value_without_a_default_has_to_be_given(command: Callable[..., Ended]):
    ended = command("train", "data=csv")
    assert ended.code == 2
    assert ended.err == "error: data.path has no default and must be given: data.path=VALUE\n"


@pytest.mark.parametrize(
    "overrides",
    [
        "window.foo=1",
        "seed=x",
        "optimizer._target_=os.system",
        "study=???",
        "strategy=class_probability",
        "study=../out",
    ],
)
def test_a_typo_leaves_nothing_behind(command: Callable[..., Ended], folder, overrides: str):
    assert command("train", *TINY, overrides).code == 2
    assert not list(folder.iterdir())


def test_a_sweep_that_is_refused_leaves_nothing_in_the_study(command: Callable[..., Ended], folder):
    assert command("train", *TINY, "model=nlinear,nhitz", "-m").code == 2
    assert not list(folder.rglob("multirun.yaml"))
    assert not (folder / "runs" / "study").exists()


def test_a_key_that_not_all_swept_options_have(command: Callable[..., Ended]):
    ended = command("train", "-m", "model=lightgbm,dlinear", "model.rounds=2")
    assert ended.code == 2
    assert "'model.rounds' for an option of model=lightgbm,dlinear: not all" in ended.err


def test_options_may_stand_anywhere(command: Callable[..., Ended], folder: Path):
    own = folder / "own" / "model"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text("name: lstm\nhidden_size: 3\nlayers: 1\ndropout: 0.0\n")
    ended = command("train", "model=mine", "--config-dir", "own", "seed=3", "--cfg", "job")
    assert ended.code == 0, ended.err
    assert "hidden_size: 3" in ended.out
    assert "seed: 3" in ended.out
    ended = command("train", "model=mine", "--config-dir=own", "model.hiden_size=4")
    assert "Did you mean 'model.hidden_size'? Allowed in model: name, hidden_size" in ended.err
    assert "'mine'" in command("train", "model=mne", "--config-dir", "own").err


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["model=nope"], "unknown model 'nope'"),
        (["foo=1"], "unknown key 'foo'"),
        (["model=[a"], "cannot read override"),
    ],
)
def test_python_says_what_the_command_says(overrides: list[str], expected: str):
    import regimecast
    from regimecast.core.errors import ConfigError

    with pytest.raises(ConfigError, match=expected):
        regimecast.compose(*overrides)
    with pytest.raises(ConfigError, match=expected):
        regimecast.run(*overrides)


def test_hardware_that_is_not_here_is_said_before_data_are_read(command: Callable[..., Ended]):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    ended = command("train", *TINY, "trainer=gpu", "trainer.accelerator=gpu")
    assert ended.code == 2
    assert "error: trainer: " in ended.err
    assert "bars of" not in ended.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["train", "--nonsense"],
        ["leaderboard", "nowhere"],
        ["leaderboard", "."],
        ["compare", "nowhere"],
        ["compare", "."],
        ["report", "nowhere"],
        ["report", "."],
        ["evaluate", "nowhere"],
        ["evaluate"],
    ],
)
def test_folders_and_commands_that_are_not_there(
    command: Callable[..., Ended], arguments: list[str]
):
    ended = command(*arguments)
    assert ended.code == 2
    assert "Traceback" not in ended.err
    assert not arguments[1:] or arguments[-1] in ended.err


def test_debug_shows_the_traceback(command: Callable[..., Ended]):
    with pytest.raises(Exception, match="nhitz"):
        command("train", "model=nhitz", "--debug")


def test_an_error_of_ours_says_how_to_see_more(
    command: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a slip")

    monkeypatch.setattr("regimecast.experiment.Assembly.from_config", broken)
    ended = command("train", *TINY)
    assert ended.code == 1
    assert "ZeroDivisionError: a slip" in ended.err
    assert "--debug" in ended.err
    assert "Traceback" not in ended.err
