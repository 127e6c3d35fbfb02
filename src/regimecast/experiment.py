"""One experiment from config to report: the only place that knows every room.

    result = run("model=nhits", "data=sp500")
    result.metrics["forecast"]["test/pinball"]
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

import pandas as pd
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from regimecast.core.config import config_folder, split_name
from regimecast.core.errors import ConfigError, did_you_mean
from regimecast.core.files import atomic_path, write_json, write_text
from regimecast.core.hashing import hash_json
from regimecast.core.types import Forecast, Outcomes
from regimecast.data.cleaning import CleaningReport, CleaningSettings, clean
from regimecast.data.datamodule import FinancialDataModule
from regimecast.data.market import MarketData
from regimecast.data.sources.base import SourceRegistry
from regimecast.evaluation.judge import Judgement, judge, predictions_frame
from regimecast.features.pipeline import FeaturePipeline
from regimecast.labels.base import TargetRegistry
from regimecast.models.base import BaseTimeSeriesModel, FitReport, ModelRegistry
from regimecast.regimes.base import RegimeRegistry
from regimecast.splits.base import Splitter, SplitRegistry
from regimecast.tracking.base import Tracker, TrackerRegistry
from regimecast.tracking.folder import RunFolder
from regimecast.training.trainer import ModelTrainer
from regimecast.weighting.base import SamplingRegistry, WeightingRegistry

__all__ = ["Experiment", "RunResult", "compose", "execute", "run"]

_log = logging.getLogger(__name__)
