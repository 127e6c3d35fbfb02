"""Compiled training steps, with a compiler that takes no time; real ones are in `bench compile`."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from regimecast.core.errors import ConfigError
from regimecast.losses.huber import Huber
from regimecast.training import compiling
from regimecast.training.compiling import check_compile, decide
from regimecast.training.seeding import seeded
from tests.synthetic_data import SyntheticData
from tests.training.test_trainer import SPEC, Linear, default

CPU = torch.device("cpu")


class Compiler:
    """Stands for inductor: notes the first dimension of what it is given, and runs it as it is."""

    def __init__(self, refuse=False):
        self.sizes, self.refuse = [], refuse

    def __call__(self, graph, inputs):
        if self.refuse:
            raise AssertionError("no scatter")
        self.sizes.append(next(len(i) for i in inputs if getattr(i, "ndim", 0) == 3))
        return graph.forward


@pytest.fixture
def compiler(monkeypatch):
    made = Compiler()
    torch.compiler.reset()
    compile_ = torch.compile
    monkeypatch.setattr(
        compiling.torch,
        "compile",
        lambda network, *, mode, **given: compile_(network, backend=made, **given),
    )
    yield made
    torch.compiler.reset()


def fit(trainer, data, network=Linear, **pays):
    with seeded(trainer.seed):
        module = trainer.build_module(network(), Huber(spec=SPEC, delta=1.0))
        report = trainer.fit_module(module, data, compile_pays_from=pays)
    return module, report


def test_full_batches_are_compiled_once_and_all_else_runs_as_it_is(compiler):
    data = SyntheticData(SPEC, train=3 * 64 + 17, validation=97)
    trainer = default(trainer={"max_epochs": 3})
    plain, expected = fit(replace(trainer, compile=False), data)
    module, report = fit(replace(trainer, compile=True), data)
    assert compiler.sizes == [64]
    assert (expected.compiled, report.compiled) == (False, True)
    assert report.history == expected.history
    assert module.network.state_dict().keys() == plain.network.state_dict().keys()
    assert not any("_orig_mod" in key for key in module.state_dict())


def test_a_second_fold_uses_what_the_first_one_compiled(compiler):
    for _ in range(2):
        fit(default(trainer={"max_epochs": 1}, compile=True), SyntheticData(SPEC))
    assert compiler.sizes == [64]


@pytest.mark.parametrize(
    ("pays", "compiled"),
    [({}, False), ({"cpu": 9}, False), ({"cpu": 8}, True), ({"cuda": 1}, False)],
)
def test_auto_compiles_where_it_pays_within_the_steps_to_come(compiler, pays, compiled):
    trainer = default(trainer={"max_epochs": 2}, compile="auto")  # 8 steps
    _, report = fit(trainer, SyntheticData(SPEC), **pays)
    assert report.compiled is compiled
    assert bool(compiler.sizes) is compiled


def test_a_network_that_the_compiler_refuses_is_an_error(compiler):
    compiler.refuse = True
    with pytest.raises(
        ConfigError, match=r"compile=true: the compiler refuses .*no scatter.*false"
    ):
        fit(default(compile=True), SyntheticData(SPEC))


def test_without_a_compiler_true_fails_and_auto_goes_on(monkeypatch, caplog):
    monkeypatch.setattr(compiling, "_lack", lambda device: "there is no C++ compiler")
    there = partial(decide, nn.Linear(1, 1), pays_from={"cpu": 1}, device=CPU, steps=10.0)
    with pytest.raises(
        ConfigError, match=r"compile=true: there is no C\+\+ compiler.*compile=false"
    ):
        there(True)
    with caplog.at_level("INFO"):
        assert there("auto") is None
    assert "not compiled: there is no C++ compiler" in caplog.text


def test_a_machine_without_a_compiler_is_noticed(monkeypatch):
    from torch._inductor import cpp_builder
    from torch._inductor.exc import InvalidCxxCompiler

    def absent():
        raise InvalidCxxCompiler

    monkeypatch.setattr(cpp_builder, "get_cpp_compiler", absent)
    assert "no C++ compiler" in (compiling._lack(CPU) or "")


def test_graphs_need_a_gpu():
    with pytest.raises(ConfigError, match=r"compile=graphs: CUDA graphs need a CUDA device.*cpu"):
        decide(nn.Linear(1, 1), "graphs", pays_from={}, device=CPU, steps=10.0)


@pytest.mark.parametrize("value", ["yes", 1, None, "True"])
def test_unknown_choices_are_refused(value):
    with pytest.raises(ConfigError, match=r"compile=.*allowed: auto, true, false, graphs"):
        check_compile(value)
