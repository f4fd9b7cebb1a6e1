"""Frameworks above ADBC: SQLAlchemy 2 with sqlalchemy-adbc, polars; and altertable-flightsql, a client of its own."""

from urllib.parse import urlsplit

import adbc_driver_manager
import polars
import pyarrow
import pytest
import sqlalchemy
from altertable_flightsql import Client

COUNT = "SELECT count(*) AS n FROM hr.people.employees"


@pytest.fixture
def engine(warehouse):
    def engine(user, catalog="hr"):
        address = urlsplit(warehouse.url).netloc
        # SQLAlchemy puts names into double quotes, which stand around text here unless the connection says otherwise.
        options = f"tls=false&header.catalog={catalog}&header.schema=people&header.double_quoted_identifiers=true"
        return sqlalchemy.create_engine(f"adbc+flightsql://{user}:{warehouse.tokens[user]}@{address}/?{options}")

    return engine


def test_sqlalchemy_reflects_a_table_and_queries_it(engine):
    alice = engine("alice")
    assert "people" in sqlalchemy.inspect(alice).get_schema_names()
    employees = sqlalchemy.Table("employees", sqlalchemy.MetaData(), schema="people", autoload_with=alice)
    assert [column.name for column in employees.columns][:2] == ["employee_id", "name"]
    query = (
        sqlalchemy.select(employees.c.region, sqlalchemy.func.count())
        .where(employees.c.employee_id < sqlalchemy.bindparam("below"))
        .group_by(employees.c.region)
        .order_by(employees.c.region)
    )
    with alice.connect() as connection:
        rows = connection.execute(query, {"below": 100}).fetchall()
    assert [region for region, _ in rows] == ["AMER", "APAC", "EMEA", "LATAM"]
    assert sum(count for _, count in rows) == 99


def test_sqlalchemy_changes_rows(engine):
    metadata = sqlalchemy.MetaData()
    table = sqlalchemy.Table("alchemy", metadata, sqlalchemy.Column("id", sqlalchemy.BigInteger), schema="default")
    with engine("admin").begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE main.default.alchemy (id BIGINT)"))
        try:
            connection.execute(sqlalchemy.text("INSERT INTO main.default.alchemy VALUES (:id)"), [{"id": 1}, {"id": 2}])
            total = connection.execute(sqlalchemy.text("SELECT sum(id) FROM main.default.alchemy")).scalar_one()
        finally:
            connection.execute(sqlalchemy.text("DROP TABLE main.default.alchemy"))
    assert total == 3 and table.fullname == "default.alchemy"


def test_sqlalchemy_makes_its_tables(engine, warehouse):
    metadata = sqlalchemy.MetaData(schema="default")
    people = sqlalchemy.Table(
        "alchemists",
        metadata,
        sqlalchemy.Column("id", sqlalchemy.BigInteger, primary_key=True),
        sqlalchemy.Column("order", sqlalchemy.String(5), nullable=False),
        sqlalchemy.Column("note", sqlalchemy.Text),
        sqlalchemy.Column("born", sqlalchemy.Date),
    )
    admin = engine("admin", catalog="main")
    metadata.create_all(admin)
    try:
        metadata.create_all(admin)
        with admin.begin() as connection:
            connection.execute(people.insert(), [{"id": 1, "order": "gold"}, {"id": 2, "order": "äöüßé"}])
            rows = connection.execute(sqlalchemy.select(people.c.order).order_by(people.c.id)).scalars().all()
        assert rows == ["gold", "äöüßé"]
        with pytest.raises(Exception, match="DELTA_EXCEED_CHAR_VARCHAR_LIMIT") as refused, admin.begin() as connection:
            connection.execute(people.insert(), [{"id": 3, "order": "silver"}])
        assert "`order`" in str(refused.value.orig) and "silver" not in str(refused.value.orig)
        with pytest.raises(Exception, match="DELTA_VIOLATE_CONSTRAINT"), admin.begin() as connection:
            connection.execute(sqlalchemy.text("INSERT INTO main.default.alchemists (note) VALUES ('x')"))
        key = "SELECT column_name FROM main.information_schema.key_column_usage WHERE table_name = 'alchemists'"
        assert warehouse.rows("admin", key)["column_name"].to_pylist() == ["id"]
        columns = sqlalchemy.inspect(admin).get_columns("alchemists", "default")
        assert isinstance(columns[1]["type"], sqlalchemy.String), columns
    finally:
        metadata.drop_all(admin)
    assert "alchemists" not in warehouse.rows("admin", "SHOW TABLES IN main.default")["tableName"].to_pylist()


def test_polars_reads_and_writes(warehouse):
    with warehouse.connect("alice") as connection:
        frame = polars.read_database(COUNT, connection)
        assert frame["n"].to_list() == warehouse.rows("alice", COUNT)["n"].to_pylist()
    with warehouse.connect("admin") as connection:
        frame = polars.DataFrame({"a": [1, 2], "b": ["x", None]})
        try:
            for _ in range(2):
                written = frame.write_database(
                    "main.default.polars", connection, engine="adbc", if_table_exists="append"
                )
                assert written == 2
            back = polars.read_database("SELECT * FROM main.default.polars ORDER BY a LIMIT 3", connection)
            assert back.rows() == [(1, "x"), (1, "x"), (2, None)]
        finally:
            connection.cursor().execute("DROP TABLE IF EXISTS main.default.polars")


def test_altertable_speaks_the_protocol_by_itself(warehouse):
    address = urlsplit(warehouse.url)

    def client(user):
        token = warehouse.tokens[user]
        return Client("token", token, host=address.hostname, port=address.port, tls=False, auto_commit=True)

    with client("alice") as alice:
        assert alice.query(COUNT).read_all().to_pylist() == warehouse.rows("alice", COUNT).to_pylist()
        assert "hr" in alice.get_catalogs().read_all()["catalog_name"].to_pylist()
        with pytest.raises(pyarrow.ArrowNotImplementedError, match="transactions"):
            alice.begin_transaction()
    with client("admin") as admin:
        admin.execute("CREATE TABLE main.default.alter (a BIGINT)")
        try:
            schema = pyarrow.schema([("a", pyarrow.int64())])
            with admin.ingest(
                table_name="alter", schema=schema, schema_name="default", catalog_name="main"
            ) as writer:
                writer.write(pyarrow.record_batch({"a": [2, 3]}))
            assert admin.query("SELECT sum(a) AS s FROM main.default.alter").read_all()["s"].to_pylist() == [5]
        finally:
            admin.execute("DROP TABLE main.default.alter")


def test_frameworks_show_the_servers_own_words(engine):
    with pytest.raises(Exception, match="UNRESOLVED_COLUMN.*DESCRIBE TABLE") as refused:
        with engine("alice").connect() as connection:
            connection.execute(sqlalchemy.text("SELECT nope FROM hr.people.employees"))
    assert isinstance(refused.value.orig, adbc_driver_manager.Error)
