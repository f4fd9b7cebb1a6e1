"""What apps do with ADBC besides a plain query: metadata, parameters, writes that are refused, wrong tokens."""

import base64
import json

import adbc_driver_manager
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


def test_ingest_is_refused_by_name(warehouse):
    batch = pyarrow.table({"city": ["Delta"]})
    with warehouse.connect("admin") as connection, connection.cursor() as cursor:
        with pytest.raises(adbc_driver_manager.NotSupportedError, match="(?i)ingest"):
            cursor.adbc_ingest("ingested", batch, mode="create")


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
