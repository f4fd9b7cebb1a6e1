"""What apps do with ADBC besides a plain query: metadata, parameters, writes that are refused, wrong tokens."""

import base64
import json

import adbc_driver_manager
import pandas
import pyarrow
import pytest
from adbc_driver_manager import AdbcStatusCode

EMPLOYEES = [
    ("employee_id", pyarrow.int64()),
    ("name", pyarrow.string()),
    ("email", pyarrow.string()),
    ("region", pyarrow.string()),
    ("department", pyarrow.string()),
    ("salary", pyarrow.decimal128(10, 2)),
    ("manager", pyarrow.string()),
    ("hired", pyarrow.date32()),
]
COUNT = "SELECT count(*) AS n FROM hr.people.employees"


def test_get_objects_lists_catalogs_down_to_columns(warehouse):
    with warehouse.connect("alice") as connection:
        catalogs = connection.adbc_get_objects(depth="all").read_all().to_pylist()
    hr = next(catalog for catalog in catalogs if catalog["catalog_name"] == "hr")
    people = next(schema for schema in hr["catalog_db_schemas"] if schema["db_schema_name"] == "people")
    tables = {table["table_name"]: table for table in people["db_schema_tables"]}
    assert {"employees", "offices"} <= set(tables)
    columns = [column["column_name"] for column in tables["employees"]["table_columns"]]
    assert columns == [name for name, _ in EMPLOYEES]


def test_get_table_schema_tells_names_and_types(warehouse):
    with warehouse.connect("alice") as connection:
        schema = connection.adbc_get_table_schema("employees", catalog_filter="hr", db_schema_filter="people")
    assert [(field.name, field.type) for field in schema] == EMPLOYEES


def test_get_table_schema_of_a_missing_table_is_not_found(warehouse):
    with warehouse.connect("alice") as connection, pytest.raises(adbc_driver_manager.Error) as refused:
        connection.adbc_get_table_schema("no_such_table", catalog_filter="hr", db_schema_filter="people")
    assert refused.value.status_code == AdbcStatusCode.NOT_FOUND


def test_get_table_types_knows_tables_and_views(warehouse):
    with warehouse.connect("alice") as connection:
        assert {"TABLE", "VIEW"} <= set(connection.adbc_get_table_types())


def test_get_info_names_the_vendor(warehouse):
    with warehouse.connect("alice") as connection:
        assert connection.adbc_get_info()["vendor_name"]


def test_parameter_selects_the_rows_it_names(warehouse):
    regions = warehouse.rows("bob", "SELECT DISTINCT region FROM hr.people.employees ORDER BY region")
    sql = "SELECT employee_id, region FROM hr.people.employees WHERE region = ? ORDER BY employee_id"
    for region in regions["region"].to_pylist():
        rows = warehouse.rows("bob", sql, (region,))
        assert rows.num_rows > 0 and set(rows["region"].to_pylist()) == {region}
    assert warehouse.rows("bob", sql, ("no such region",)).num_rows == 0


def test_parameter_is_a_value_and_never_sql(warehouse):
    sql = "SELECT employee_id FROM hr.people.employees WHERE region = ?"
    assert warehouse.rows("alice", sql, ("x' OR '1' = '1",)).num_rows == 0


def test_prepared_statement_can_be_run_again_with_another_value(warehouse):
    sql = "SELECT count(*) AS n FROM hr.people.employees WHERE region = ?"
    regions = warehouse.rows("bob", "SELECT DISTINCT region FROM hr.people.employees")["region"].to_pylist()
    with warehouse.connect("bob") as connection, connection.cursor() as cursor:
        counts = []
        for region in regions:
            cursor.execute(sql, (region,))
            counts.append(cursor.fetchone()[0])
    assert sum(counts) == warehouse.rows("bob", COUNT)["n"][0].as_py()


def test_executemany_into_a_governed_table_takes_only_rows_that_the_writer_can_see(warehouse):
    before = warehouse.rows("admin", COUNT)
    insert = "INSERT INTO hr.people.employees (employee_id, region) VALUES (?, ?)"
    # Nothing of the table is shown to its owner, who is in no group: policies hold for owners too.
    with warehouse.connect("admin") as connection, connection.cursor() as cursor:
        with pytest.raises(adbc_driver_manager.Error, match="ROW_FILTER_CHECK_VIOLATION"):
            cursor.executemany(insert, [(900_001, "EMEA"), (900_002, "EMEA")])
    assert warehouse.rows("alice", COUNT + " WHERE employee_id > 900000")["n"].to_pylist() == [0]
    assert warehouse.rows("admin", COUNT) == before


@pytest.fixture
def ingested(warehouse):
    """The name of a table that is not there, and is gone afterwards."""
    yield "ingested"
    with warehouse.connect("admin") as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS main.default.ingested")


def test_ingest_creates_appends_and_replaces(warehouse, ingested):
    cities = pyarrow.table({"city": ["Delta", "Aurora"], "founded": [1791, None]})
    with warehouse.connect("admin") as connection, connection.cursor() as cursor:
        with pytest.raises(adbc_driver_manager.Error) as missing:
            cursor.adbc_ingest(ingested, cities, mode="append")
        assert missing.value.status_code == AdbcStatusCode.NOT_FOUND
        assert cursor.adbc_ingest(ingested, cities, mode="create") == 2
        with pytest.raises(adbc_driver_manager.Error) as existing:
            cursor.adbc_ingest(ingested, cities, mode="create")
        assert existing.value.status_code == AdbcStatusCode.ALREADY_EXISTS
        where = {"catalog_name": "main", "db_schema_name": "default"}
        assert cursor.adbc_ingest(ingested, cities.to_reader(), mode="append", **where) == 2
        assert cursor.adbc_ingest(ingested, cities, mode="create_append") == 2
        count = "SELECT count(*) AS n, count(founded) AS known FROM main.default.ingested"
        assert warehouse.rows("admin", count).to_pylist() == [{"n": 6, "known": 3}]
        assert cursor.adbc_ingest(ingested, cities.slice(1), mode="replace") == 1
        rows = warehouse.rows("admin", "SELECT * FROM main.default.ingested").to_pylist()
        assert rows == [{"city": "Aurora", "founded": None}]


def test_large_ingest_goes_through_in_messages_of_the_drivers_size(warehouse, ingested):
    rows = 300_000
    table = pyarrow.table({"n": range(rows), "text": ["x" * 100] * rows})
    with warehouse.connect("admin") as connection, connection.cursor() as cursor:
        # The driver sends each batch as one message, of 16 MiB at most.
        assert cursor.adbc_ingest(ingested, table.to_reader(max_chunksize=100_000), mode="create") == rows
    told = warehouse.rows("admin", "SELECT count(*) AS n, sum(n) AS s FROM main.default.ingested").to_pylist()
    assert told == [{"n": rows, "s": rows * (rows - 1) // 2}]


def test_ingest_without_the_right_is_refused(warehouse):
    batch = pyarrow.table({"employee_id": [900_003], "region": ["EMEA"]})
    where = {"catalog_name": "hr", "db_schema_name": "people"}
    with warehouse.connect("bob") as connection, connection.cursor() as cursor:
        for mode in ("append", "replace"):
            with pytest.raises(adbc_driver_manager.Error) as refused:
                cursor.adbc_ingest("employees", batch, mode=mode, **where)
            assert refused.value.status_code == AdbcStatusCode.UNAUTHORIZED, refused.value
    assert warehouse.rows("alice", COUNT + " WHERE employee_id = 900003")["n"].to_pylist() == [0]


def test_pandas_writes_a_frame_and_reads_it_back(warehouse, ingested):
    frame = pandas.DataFrame({"city": ["Delta", "Aurora"], "people": [1.5, 2.5]})
    # Pandas puts names into double quotes, which stand around text here unless the connection says otherwise.
    with warehouse.connect("admin", double_quoted_identifiers="true") as connection:
        assert frame.to_sql(ingested, connection, index=False, if_exists="append") == 2
        assert frame.to_sql(ingested, connection, index=False, if_exists="replace") == 2
        back = pandas.read_sql("SELECT * FROM main.default.ingested ORDER BY people", connection)
    pandas.testing.assert_frame_equal(back, frame, check_dtype=False)


@pytest.mark.parametrize("token", ["wrong-token", "a.b.c", ""])
def test_wrong_token_is_unauthenticated_and_is_not_echoed(warehouse, token):
    with pytest.raises(adbc_driver_manager.Error) as refused:
        with warehouse.connect_with_token(token) as connection, connection.cursor() as cursor:
            cursor.execute(COUNT)
    assert refused.value.status_code == AdbcStatusCode.UNAUTHENTICATED
    assert not token or token not in str(refused.value)


def test_tampered_token_does_not_make_bob_an_administrator(warehouse):
    header, claims, signature = warehouse.tokens["bob"].split(".")
    padded = claims + "=" * (-len(claims) % 4)
    forged = {**json.loads(base64.urlsafe_b64decode(padded)), "sub": "admin"}
    claims = base64.urlsafe_b64encode(json.dumps(forged).encode()).rstrip(b"=").decode()
    with pytest.raises(adbc_driver_manager.Error) as refused:
        with warehouse.connect_with_token(f"{header}.{claims}.{signature}") as connection:
            with connection.cursor() as cursor:
                cursor.execute(COUNT)
    assert refused.value.status_code == AdbcStatusCode.UNAUTHENTICATED
