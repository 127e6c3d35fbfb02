import duckdb
import pandas as pd
import pytest

from regimecast.core.errors import ConfigError, DataError

QUERY = "select ts as time, symbol as asset, px::decimal(10, 2) as close from bars"


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "market.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.sql("create table bars (ts timestamptz, symbol varchar, px double)")
        connection.sql(
            "insert into bars values ('2020-01-02 10:00+00', 'A', 1.5), "
            "('2020-01-02 11:00+00', 'A', 1.75), ('2020-01-02 10:00+00', 'B', 9)"
        )
    return path


def test_database(make_source, database):
    before = database.read_bytes()
    raw = make_source("duckdb", query=QUERY, database=str(database), frequency="1h").load()
    assert raw.frame["asset"].tolist() == ["A", "A", "B"]
    assert raw.frame["time"].tolist()[1] == pd.Timestamp("2020-01-02 11:00")
    assert raw.frame["close"].tolist() == [1.5, 1.75, 9.0]
    assert database.read_bytes() == before
    assert [path.name for path in database.parent.iterdir()] == ["market.duckdb"]


def test_files(make_source, tmp_path):
    bars = pd.DataFrame({"date": pd.date_range("2020-01-01", periods=5), "close": range(5)})
    bars.to_parquet(tmp_path / "a.parquet")
    bars.to_csv(tmp_path / "b.csv", index=False)
    for place in ("a.parquet", "b.csv"):
        query = f"from '{tmp_path / place}' where date >= '2020-01-03'"
        raw = make_source("duckdb", query=query, asset="X").load()
        assert raw.frame["close"].tolist() == [2.0, 3.0, 4.0]
        assert raw.frame["asset"].unique().tolist() == ["X"]


@pytest.mark.parametrize(
    "query",
    [
        "copy (select 1) to '{folder}/x.csv'",
        "select 1; copy (select 1) to '{folder}/x.csv'",
        "create table x as select 1",
        "attach '{folder}/x.duckdb'",
        "insert into bars values (now(), 'C', 1)",
        "select 1; select 2",
        "selec 1",
        "",
    ],
)
def test_only_one_select_is_allowed(make_source, tmp_path, query):
    with pytest.raises(ConfigError, match="query="):
        make_source("duckdb", query=query.format(folder=tmp_path))
    assert not list(tmp_path.iterdir())


def test_errors_name_the_query(make_source, tmp_path):
    with pytest.raises(DataError, match="from nothing"):
        make_source("duckdb", query="from nothing").load()
    with pytest.raises(DataError, match=r"none\.duckdb"):
        make_source("duckdb", query=QUERY, database=str(tmp_path / "none.duckdb")).load()
    query = "select now() as time, 1.0 as close where false"
    with pytest.raises(DataError, match="no rows"):
        make_source("duckdb", query=query).load()
