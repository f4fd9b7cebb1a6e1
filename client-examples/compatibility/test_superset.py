"""What Superset does: flightsql-dbapi below SQLAlchemy 1.4, by a token or by the user `token` with it as the password."""

import flightsql.dbapi
import pandas
import pytest
import sqlalchemy


@pytest.fixture(params=["token", "password"])
def engine(request, warehouse):
    token, address = warehouse.tokens["alice"], f"{warehouse.host}:{warehouse.port}"
    return sqlalchemy.create_engine(
        {
            "token": f"datafusion://{address}?insecure=True&token={token}",
            "password": f"datafusion://token:{token}@{address}?insecure=True",
        }[request.param]
    )


def test_charts_get_their_rows(engine):
    sql = "SELECT region, count(*) AS employees FROM hr.people.employees GROUP BY region ORDER BY region"
    with engine.connect() as connection:
        answer = connection.execute(sql)
        frame = pandas.DataFrame(answer.fetchall(), columns=answer.keys())
    assert list(frame.columns) == ["region", "employees"] and len(frame) == 4


def test_datasets_are_listed_down_to_their_columns(engine):
    inspector = sqlalchemy.inspect(engine)
    assert "people" in inspector.get_schema_names()
    assert "employees" in inspector.get_table_names(schema="people")
    columns = {column["name"]: str(column["type"]) for column in inspector.get_columns("employees", schema="people")}
    assert (columns["employee_id"], columns["name"], columns["hired"]) == ("BIGINT", "TEXT", "DATE")


def test_errors_say_what_is_wrong(engine):
    with pytest.raises(Exception, match="UNRESOLVED_COLUMN"), engine.connect() as connection:
        connection.execute("SELECT nope FROM hr.people.employees").fetchall()


def test_dbapi_reads_a_cursor(warehouse):
    client = flightsql.FlightSQLClient(
        host=warehouse.host, port=warehouse.port, token=warehouse.tokens["bob"], insecure=True
    )
    cursor = flightsql.dbapi.Connection(client).cursor()
    cursor.execute("SELECT count(*) FROM hr.people.employees")
    assert cursor.fetchall()[0][0] > 0
