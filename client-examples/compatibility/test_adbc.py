"""What applications do with an ADBC driver, for each version of it that they may have."""

import threading

import adbc_driver_flightsql
import adbc_driver_flightsql.dbapi
import adbc_driver_manager
import pyarrow
import pytest

EMPLOYEES = "SELECT * FROM hr.people.employees"
COLUMNS = ["employee_id", "name", "email", "region", "department", "salary", "manager", "hired"]
VERSION = tuple(int(part) for part in adbc_driver_flightsql.__version__.split(".")[:2])


@pytest.fixture
def connect(warehouse):
    opened = []

    def connect(user, **options):
        options["adbc.flight.sql.authorization_header"] = f"Bearer {warehouse.tokens[user]}"
        connection = adbc_driver_flightsql.dbapi.connect(warehouse.url, db_kwargs=options, autocommit=True)
        opened.append(connection)
        return connection

    yield connect
    for connection in opened:
        connection.close()


def table_of(connection, sql, parameters=None):
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetch_arrow_table()


def test_rows_and_columns_come_as_they_were_announced(connect):
    alice = connect("alice")
    rows = table_of(alice, EMPLOYEES)
    assert rows.column_names == COLUMNS and rows.num_rows > 0
    told = table_of(alice, "SELECT count(*) AS n, max(salary) AS most, min(name) AS first FROM hr.people.employees")
    assert told["n"].to_pylist() == [rows.num_rows]
    assert table_of(alice, EMPLOYEES + " WHERE 1 = 0").num_rows == 0


def test_parameters_are_bound_in_queries_and_changes(connect):
    alice, admin = connect("alice"), connect("admin")
    emea = table_of(alice, EMPLOYEES + " WHERE region = ? AND employee_id > ?", ("EMEA", 0))
    assert set(emea["region"].to_pylist()) == {"EMEA"}
    with admin.cursor() as cursor:
        cursor.execute("CREATE TABLE main.default.compatible (a INT)")
        try:
            cursor.executemany("INSERT INTO main.default.compatible VALUES (?)", [(1,), (2,)])
            assert cursor.rowcount == 2
            cursor.execute("SELECT sum(a) FROM main.default.compatible")
            assert cursor.fetchone() == (3,)
        finally:
            cursor.execute("DROP TABLE main.default.compatible")


def test_metadata_is_complete(connect):
    alice = connect("alice")
    catalogs = alice.adbc_get_objects(depth="all").read_all().to_pylist()
    hr = next(catalog for catalog in catalogs if catalog["catalog_name"] == "hr")
    tables = {
        table["table_name"]: [column["column_name"] for column in table["table_columns"]]
        for schema in hr["catalog_db_schemas"]
        for table in schema["db_schema_tables"]
    }
    assert tables["employees"] == COLUMNS
    assert alice.adbc_get_table_schema("employees", db_schema_filter="people").names == COLUMNS
    assert {"TABLE", "VIEW"} <= set(alice.adbc_get_table_types())
    assert alice.adbc_get_info()["vendor_name"] == "Weir"


def test_schema_is_told_without_running(connect):
    with connect("alice").cursor() as cursor:
        assert cursor.adbc_execute_schema(EMPLOYEES).names == COLUMNS


def test_partition_is_for_its_own_user_alone(connect):
    with connect("alice").cursor() as cursor:
        (partition,), _ = cursor.adbc_execute_partitions(EMPLOYEES)
    with connect("alice").cursor() as cursor:
        cursor.adbc_read_partition(partition)
        assert cursor.fetch_arrow_table().num_rows > 0
    with connect("bob").cursor() as cursor, pytest.raises(adbc_driver_manager.Error, match="HANDLE_NOT_FOUND"):
        cursor.adbc_read_partition(partition)
        cursor.fetch_arrow_table()


def test_session_is_kept_by_a_cookie(connect):
    if VERSION < (1, 0):
        with pytest.raises(adbc_driver_manager.NotSupportedError):
            connect("alice").adbc_current_catalog = "hr"
        return
    alice = connect("alice", **{"adbc.flight.sql.rpc.with_cookie_middleware": "true"})
    alice.adbc_current_catalog, alice.adbc_current_db_schema = "hr", "people"
    assert table_of(alice, "SELECT count(*) AS n FROM employees")["n"][0].as_py() > 0
    assert (alice.adbc_current_catalog, alice.adbc_current_db_schema) == ("hr", "people")


def test_session_is_kept_without_cookies_for_each_connection(connect):
    if VERSION < (1, 0):
        return  # These have no session options.
    alice, other = connect("alice"), connect("alice")
    alice.adbc_current_catalog, alice.adbc_current_db_schema = "hr", "people"
    assert table_of(alice, "SELECT count(*) AS n FROM employees")["n"][0].as_py() > 0
    assert (alice.adbc_current_catalog, alice.adbc_current_db_schema) == ("hr", "people")
    assert other.adbc_current_catalog == "main"
    with pytest.raises(adbc_driver_manager.Error, match="employees"):
        table_of(other, "SELECT count(*) AS n FROM employees")


def test_incremental_execution_polls(connect):
    incremental = {"adbc.statement.exec.incremental": "true"}
    with connect("alice").cursor() as cursor:
        if VERSION < (1, 0):
            with pytest.raises(adbc_driver_manager.NotSupportedError):
                cursor.adbc_statement.set_options(**incremental)
            return
        cursor.adbc_statement.set_options(**incremental)
        cursor.execute(EMPLOYEES)
        assert cursor.fetch_arrow_table().num_rows > 0


def test_cancelling_ends_a_long_query(connect):
    # More rows than anybody waits for.
    long = "SELECT a.employee_id FROM " + ", ".join(f"hr.people.employees {name}" for name in "abcd")
    with connect("alice").cursor() as cursor:
        cursor.execute(long)
        cursor.fetchone()
        threading.Timer(0.2, cursor.adbc_cancel).start()
        with pytest.raises(adbc_driver_manager.Error):
            while cursor.fetchmany(10_000):
                pass


@pytest.mark.parametrize(
    ("sql", "error", "condition"),
    [
        ("SELECT FROM WHERE", adbc_driver_manager.ProgrammingError, "PARSE_SYNTAX_ERROR"),
        ("SELECT * FROM nowhere.x.y", adbc_driver_manager.ProgrammingError, "TABLE_OR_VIEW_NOT_FOUND"),
        ("SELECT nope FROM hr.people.employees", adbc_driver_manager.ProgrammingError, "UNRESOLVED_COLUMN"),
        ("DROP TABLE hr.people.employees", adbc_driver_manager.ProgrammingError, "INSUFFICIENT_PERMISSIONS"),
    ],
)
def test_errors_are_of_their_kind(connect, sql, error, condition):
    with pytest.raises(error, match=condition):
        table_of(connect("alice"), sql)


def test_ingest(connect):
    with connect("admin").cursor() as cursor:
        if VERSION < (1, 6):
            with pytest.raises(adbc_driver_manager.NotSupportedError):
                cursor.adbc_ingest("compatible", pyarrow.table({"a": [1]}), mode="create")
            return
        assert cursor.adbc_ingest("compatible", pyarrow.table({"a": [1, 2]}), mode="create") == 2
        cursor.execute("DROP TABLE main.default.compatible")
