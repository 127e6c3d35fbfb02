import subprocess
import sys

import pytest

from regimecast.core.errors import ConfigError
from regimecast.core.registry import Registry
from regimecast.losses.base import LossRegistry
from regimecast.models.base import ModelRegistry


def test_unknown_name_lists_what_exists_and_the_nearest():
    with pytest.raises(ConfigError, match=r"unknown model 'nhitz'.*Did you mean 'nhits'.*lightgbm"):
        ModelRegistry.get("nhitz")


def test_unknown_and_missing_parameters_are_named():
    with pytest.raises(ConfigError, match=r"no parameter 'delt'.*Did you mean 'delta'"):
        LossRegistry.create("huber", spec=None, delt=1.0)
    with pytest.raises(ConfigError, match="needs delta"):
        LossRegistry.create("huber", spec=None)


def test_a_name_cannot_be_taken_twice():
    registry: Registry[object] = Registry("thing", package="regimecast.losses", attribute="Nothing")

    @registry.register("one")
    class First:
        pass

    with pytest.raises(ConfigError, match="registered twice"):

        @registry.register("one")
        class Second:
            pass

    assert registry.get("one") is First
    assert registry.available() == ("one",)


def test_naming_a_model_imports_only_its_own_file():
    code = (
        "import sys; from regimecast.models.base import ModelRegistry;"
        "ModelRegistry.get('nhits');"
        "loaded = [m for m in sys.modules if m.startswith('regimecast.models.')];"
        "assert 'regimecast.models.nhits' in loaded, loaded;"
        "assert 'regimecast.models.lightgbm' not in loaded, loaded;"
        "heavy = {'neuralforecast', 'lightgbm', 'xgboost', 'catboost', 'sklearn'};"
        "assert not heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
