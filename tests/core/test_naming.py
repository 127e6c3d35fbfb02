from omegaconf import OmegaConf

from regimecast.core.naming import safe, sweep_name, sweep_named


def test_a_sweep_has_the_same_name_in_any_order_and_however_it_is_run():
    name = sweep_name(["model=lstm,nhits", "seed=1,2"])
    assert name.startswith("model=lstm,nhits,seed=1,2-")
    hurried = [
        "seed=1,2",
        "sweep.jobs=4",
        "sweep.remote=s3://bucket",
        "hydra.launcher.n_jobs=2",
        "model=lstm,nhits",
        "runs=r",
    ]
    assert sweep_name(hurried).rpartition("-")[2] == name.rpartition("-")[2]
    assert sweep_name(["model=lstm,nhits", "seed=1,3"]) != name
    assert sweep_name(["sweep=asha", "model=lstm,nhits", "seed=1,2"]) != name


def test_a_long_or_strange_name_fits_a_file_system():
    name = sweep_name([f"data.path=/a/b c/{'x' * 300}", "model=a,b"])
    assert len(name) < 60
    assert "/" not in name
    assert " " not in name
    assert safe("..", 5) == ""
    assert sweep_name([]).startswith("defaults-")


def test_a_study_that_nobody_has_named():
    def study() -> str:
        return str(OmegaConf.create({"study": "${study_name:}"}).study)

    assert study()[:2] == "20"
    with sweep_named(["seed=1,2"]):
        assert study() == sweep_name(["seed=1,2"])
    assert study()[:2] == "20"
