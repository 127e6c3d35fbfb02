"""The five networks of the training benchmarks, the same for every contestant."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from regimecast.core.types import DataSpec
from regimecast.models.neuralforecast import NeuralForecastModel, using

__all__ = ["DLINEAR", "LSTM", "NETWORKS", "NHITS", "PATCHTST", "TFT", "Network"]


@dataclass(frozen=True, eq=False)
class Network:
    """A class of `neuralforecast.models`, its size here, and our own model of that kind."""

    title: str
    architecture: str
    sizes: Mapping[str, Any]
    """Hyper-parameters of the library's class."""
    reads_past: bool
    """Whether it reads covariates; the others read the target's history alone."""
    own: tuple[str, ...]
    """Overrides that name our registered model at the same size."""
    steps: int
    """Steps of a repetition; more for cheap ones."""

    def model(self, spec: DataSpec, loss: Mapping[str, Any]) -> NeuralForecastModel:
        """The library's network behind our contract, whatever our registry holds by its name."""
        return type(self.architecture, (_Borrowed,), {
            "name": self.architecture.lower(),
            "architecture": self.architecture,
            "capabilities": using(past=self.reads_past),
        })(spec=spec, loss=loss, **self.sizes)  # fmt: skip


class _Borrowed(NeuralForecastModel):
    """Takes any hyper-parameters; they reach the library by name."""

    def __init__(self, *, spec: DataSpec, loss: Mapping[str, Any], **sizes: Any) -> None:
        super().__init__(spec=spec, loss=loss)


NHITS = Network(
    title="N-HiTS",
    architecture="NHITS",
    sizes={
        "n_blocks": [1, 1, 1],
        "n_pool_kernel_size": [2, 2, 1],
        "n_freq_downsample": [4, 2, 1],
        "mlp_units": [[512, 512]] * 3,
    },
    reads_past=True,
    own=(
        "model=nhits",
        "model.n_pool_kernel_size=[2,2,1]",
        "model.mlp_units=[[512,512],[512,512],[512,512]]",
        "model.dropout_prob_theta=0",
    ),
    steps=16,
)
PATCHTST = Network(
    title="PatchTST",
    architecture="PatchTST",
    sizes={
        "hidden_size": 32,
        "n_heads": 4,
        "encoder_layers": 2,
        "linear_hidden_size": 64,
        "patch_len": 16,
        "stride": 8,
        "revin": False,
    },
    reads_past=False,
    own=("model=patchtst",),
    steps=24,
)
DLINEAR = Network(
    title="DLinear",
    architecture="DLinear",
    sizes={"moving_avg_window": 25},
    reads_past=False,
    own=("model=dlinear",),
    steps=150,
)
LSTM = Network(
    title="LSTM",
    architecture="LSTM",
    sizes={
        "encoder_n_layers": 2,
        "encoder_hidden_size": 64,
        "decoder_layers": 2,
        "decoder_hidden_size": 64,
    },
    reads_past=True,
    own=("model=lstm", "model.hidden_size=64", "model.layers=2", "model.dropout=0"),
    steps=8,
)
TFT = Network(
    title="TFT",
    architecture="TFT",
    sizes={"hidden_size": 32, "n_head": 4},
    reads_past=True,
    own=("model=tft", "model.hidden_size=32"),
    steps=6,
)
NETWORKS = (NHITS, PATCHTST, DLINEAR, LSTM, TFT)
