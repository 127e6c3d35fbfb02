"""Sources as a user makes them: the packaged defaults and a few overrides."""

from collections.abc import Callable

import pytest
import yaml

from regimecast.core.config import config_folder
from regimecast.data.sources.base import Source, SourceRegistry

MakeSource = Callable[..., Source]


@pytest.fixture
def make_source() -> MakeSource:
    def make(name: str, /, **overrides: object) -> Source:
        text = (config_folder() / "data" / f"{name}.yaml").read_text(encoding="utf-8")
        config = {**yaml.safe_load(text), **overrides}
        assert config.pop("name") == name
        return SourceRegistry.create(name, **config)

    return make
