"""Networks behind the contract of every model: our own two, with every loss."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.synthetic import make_spec
from tests.synthetic_data import SyntheticData

from regimecast.core.errors import ConfigError, SpecError
from regimecast.core.files import read_json
from regimecast.core.types import ForecastKind, Task
from regimecast.models.base import ModelRegistry, load_model
from regimecast.training.trainer import ModelTrainer

MODELS = {
    "lstm": {"hidden_size": 16, "layers": 1, "dropout": 0.1},
    "transformer": {"patch_length": 3, "width": 16, "heads": 2, "layers": 1, "dropout": 0.1},
}
LEVELS = [0.1, 0.5, 0.9]
LOSSES = {
    "quantile": {"levels": LEVELS},
    "huber": {"delta": 1.0},
    "student_t": {"levels": LEVELS},
    "sharpe": {"risk_aversion": 0.2, "cost_bps": 1.0},
    "cross_entropy": {"class_weights": "balanced", "gamma": 1.0, "label_smoothing": 0.0},
}


def make(model="lstm", loss="quantile", spec=None, **changes):
    task = Task.CLASSIFICATION if loss == "cross_entropy" else Task.FORECAST
    spec = spec or make_spec(task=task)
    config = {"name": loss, **LOSSES[loss]}
    return ModelRegistry.create(model, spec=spec, loss=config, **{**MODELS[model], **changes})


def trainer(epochs=2, lr=1e-2, **changes) -> ModelTrainer:
    default = ModelTrainer.default()
    config = {**default.trainer, "accelerator": "cpu", "max_epochs": epochs}
    return replace(
        default, **{"trainer": config, "optimizer": {**default.optimizer, "lr": lr}, **changes}
    )


def test_seconds_are_those_of_earlier_attempts_too(monkeypatch):
    fit_module = ModelTrainer.fit_module

    def resumed(self, *arguments, **named):
        report = fit_module(self, *arguments, **named)
        return replace(report, seconds=report.seconds + 1e6)

    monkeypatch.setattr(ModelTrainer, "fit_module", resumed)
    made = make()
    assert made.fit(SyntheticData(made.spec), trainer(epochs=1)).seconds > 1e6


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("loss", LOSSES)
def test_fit_and_predict(model, loss):
    made = make(model, loss)
    data = SyntheticData(made.spec)
    report = made.fit(data, trainer())
    assert report.epochs == 2
    assert report.unused == ()
    assert report.seconds > 0
    forecast = made.predict(data, "test")
    levels = len(made.loss.levels)
    assert forecast.values.shape == (50, made.spec.horizon, levels)
    assert forecast.levels == made.loss.levels
    assert np.isfinite(forecast.values).all()
    assert (forecast.origin == data.split("test").samples.origin).all()
    if forecast.kind is ForecastKind.QUANTILES:
        assert (np.diff(forecast.values, axis=2) >= 0).all()
    if forecast.kind is ForecastKind.PROBABILITIES:
        np.testing.assert_allclose(forecast.values.sum(axis=2), 1, rtol=1e-5)
    if forecast.kind is ForecastKind.POSITIONS:
        assert np.abs(forecast.values).max() <= 1


@pytest.mark.parametrize("model", MODELS)
def test_it_finds_the_signal_in_original_units(model):
    made = make(model, "huber", dropout=0.0)
    data = SyntheticData(made.spec, train=1024)
    made.fit(data, trainer(epochs=20, lr=1e-2))
    forecast = made.predict(data, "test").point()
    batch = data.batches["test"]
    actual = (batch.target * batch.scale).numpy()
    explained = 1 - ((forecast - actual) ** 2).sum() / (actual**2).sum()
    assert explained > 0.4


@pytest.mark.parametrize("model", MODELS)
def test_same_seed_same_bits_even_when_fitted_again(model):
    made = make(model)
    data = SyntheticData(made.spec)
    first_report = made.fit(data, trainer())
    first = made.predict(data, "test").values
    again_report = made.fit(data, trainer())
    assert again_report.history == first_report.history
    assert np.array_equal(made.predict(data, "test").values, first)
    made.fit(data, trainer(seed=1))
    assert not np.array_equal(made.predict(data, "test").values, first)


def test_forecasts_do_not_hang_on_the_batch_size_or_the_company():
    made = make("transformer")
    data = SyntheticData(made.spec, test=700)
    made.fit(data, trainer(epochs=1))
    together = made.predict(data, "test").values
    data.batch_size = 7
    assert np.array_equal(made.predict(data, "test").values, together)
    assert len(together) == 700


def test_every_window_goes_through_once_in_order_of_time_and_in_batches_of_one_shape():
    made = make()
    data = SyntheticData(made.spec, test=700)
    made.fit(data, trainer(epochs=1))
    expected = made.predict(data, "test").values
    data.batches["test"].origin = data.batches["test"].origin.flip(0)
    seen = []
    made.network.register_forward_hook(lambda network, inputs, output: seen.append(inputs[0]))
    data.placement = "device"
    flipped = made.predict(data, "test").values
    origins = torch.cat([batch.origin for batch in seen])
    assert len({len(batch) for batch in seen}) == 1
    assert torch.equal(origins[:700], torch.arange(700))
    assert (origins[700:] == 699).all()
    np.testing.assert_allclose(flipped, expected, rtol=1e-5, atol=1e-8)


def test_an_empty_split_gives_an_empty_forecast():
    made = make()
    data = SyntheticData(made.spec, test=0)
    made.fit(data, trainer(epochs=1))
    assert made.predict(data, "test").values.shape == (0, 3, 3)


RELOAD = """
import sys
import numpy as np
from pathlib import Path
from regimecast.models.base import load_model
from tests.synthetic_data import SyntheticData

model = load_model(Path(sys.argv[1]))
np.save(sys.argv[2], model.predict(SyntheticData(model.spec), "test").values)
"""


@pytest.mark.parametrize(
    ("model", "loss"), [("lstm", "cross_entropy"), ("transformer", "student_t")]
)
def test_a_new_process_forecasts_the_same_bits(model, loss, tmp_path):
    made = make(model, loss)
    data = SyntheticData(made.spec)
    made.fit(data, trainer())
    made.save(tmp_path / "model")
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == [
        "model.json",
        "weights.safetensors",
    ]
    subprocess.run(
        [sys.executable, "-c", RELOAD, str(tmp_path / "model"), str(tmp_path / "values.npy")],
        check=True,
    )
    assert np.array_equal(np.load(tmp_path / "values.npy"), made.predict(data, "test").values)


def test_a_reloaded_model_has_the_loss_it_was_trained_with(tmp_path):
    made = make(loss="cross_entropy")
    data = SyntheticData(made.spec)
    data.batches["train"].target[:200] = 1
    made.fit(data, trainer(epochs=1))
    made.save(tmp_path)
    loaded = load_model(tmp_path)
    assert loaded.loss_config == made.loss_config
    batch = data.batches["test"]
    output = made.network(batch)
    assert torch.equal(loaded.loss(output, batch), made.loss(output, batch))
    assert len(set(loaded.loss.class_weight.tolist())) > 1
    assert read_json(tmp_path / "model.json")["model"] == {"name": "lstm", **MODELS["lstm"]}


def test_masked_rows_do_not_count_for_class_weights():
    made = make(loss="cross_entropy")
    data = SyntheticData(made.spec)
    train = data.batches["train"]
    known = train.target[:100, 0].clone()
    train.mask[100:] = False
    train.target[100:] = 0
    made.fit(data, trainer(epochs=1))
    expected = 100 / (3 * torch.bincount(known.long()))
    torch.testing.assert_close(made.loss.class_weight, expected)


def test_damaged_or_foreign_weights_are_refused(tmp_path):
    made = make()
    made.fit(SyntheticData(made.spec), trainer(epochs=1))
    made.save(tmp_path)
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(
        SpecError, match=r"weights\.safetensors does not hold the weights of 'lstm'"
    ):
        load_model(tmp_path)
    other = make(hidden_size=8)
    other.fit(SyntheticData(other.spec), trainer(epochs=1))
    other.save(tmp_path / "other")
    (tmp_path / "other" / "weights.safetensors").replace(weights)
    with pytest.raises(SpecError, match="size mismatch"):
        load_model(tmp_path)


def test_an_untrained_model_says_so(tmp_path):
    made = make()
    with pytest.raises(SpecError, match="not trained"):
        made.predict(SyntheticData(made.spec), "test")
    with pytest.raises(SpecError, match="not trained"):
        made.save(tmp_path)


def test_the_loss_must_fit_the_task():
    with pytest.raises(SpecError, match="loss=huber is for forecast"):
        make(loss="huber", spec=make_spec(task=Task.CLASSIFICATION))


def test_width_must_be_a_multiple_of_heads():
    with pytest.raises(ConfigError, match=r"width=10.*heads=4"):
        make("transformer", width=10, heads=4)


@pytest.mark.parametrize("precision", ["64-true", "bf16-true", "bf16-mixed"])
def test_any_precision_of_training_forecasts(precision, tmp_path):
    made = make("lstm")
    data = SyntheticData(made.spec)
    how = trainer(epochs=1)
    how = replace(how, trainer={**how.trainer, "precision": precision})
    made.fit(data, how)
    forecast = made.predict(data, "test").values
    assert np.isfinite(forecast).all()
    made.save(tmp_path)
    again = load_model(tmp_path).predict(data, "test").values
    np.testing.assert_array_equal(again, forecast)


def test_weight_k_is_k_copies_to_the_gradient():
    """One full-batch step of plain SGD moves the weights as far either way, up to the divisor."""
    made = make(loss="huber", dropout=0.0)
    counts = torch.arange(64) % 3

    def moved(weighted):
        data = SyntheticData(made.spec, train=64, batch_size=512)
        train = data.batches["train"]
        if weighted:
            train.weight[:] = counts[:, None].float()
        else:
            index = torch.arange(64).repeat_interleave(counts)
            data.batches["train"] = type(train)(
                *(getattr(train, name)[index] for name in train.__dataclass_fields__)
            )
        # The divisor is the number of cells: 64 rows against as many rows as there are copies.
        rate = 1.0 if weighted else int(counts.sum()) / 64
        sgd = {"_target_": "torch.optim.SGD", "_partial_": True, "lr": rate}
        quick = trainer(epochs=1, optimizer=sgd)
        quick = replace(quick, trainer={**quick.trainer, "gradient_clip_val": None})
        made.fit(data, quick)
        return torch.nn.utils.parameters_to_vector(made.network.parameters()).detach()

    torch.testing.assert_close(moved(True), moved(False), rtol=1e-5, atol=1e-6)


def test_best_weights_are_those_kept(tmp_path):
    made = make()
    data = SyntheticData(made.spec)
    made.fit(data, trainer(epochs=3, folder=tmp_path))
    best = load_file(tmp_path / "weights.safetensors")
    for name, value in made.network.state_dict().items():
        assert torch.equal(value, best[f"network.{name}"])


def test_a_fit_can_begin_with_earlier_weights():
    first, second, fresh = make(), make(), make()
    data = SyntheticData(first.spec)
    first.fit(data, trainer(1))
    before = {name: value.clone() for name, value in first.network.state_dict().items()}
    second.start_from(first)
    second.fit(data, trainer(1, lr=1e-30))
    fresh.fit(data, trainer(1, lr=1e-30))
    for name, value in second.network.state_dict().items():
        assert torch.equal(value, before[name])  # of the earlier model, which stays as it was
        assert torch.equal(first.network.state_dict()[name], before[name])
    assert any(
        not torch.equal(value, before[name]) for name, value in fresh.network.state_dict().items()
    )


def test_weights_of_another_network_are_refused():
    data = SyntheticData(make_spec())
    other = make(hidden_size=8)
    other.fit(data, trainer(1))
    with pytest.raises(SpecError, match="they differ in params"):
        make().start_from(other)
    with pytest.raises(SpecError, match="they differ in name, params"):
        make("transformer").start_from(other)
    with pytest.raises(SpecError, match="not trained"):
        make().start_from(make())
