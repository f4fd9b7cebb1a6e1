"""What a user of Ibis does: expressions over a governed table are written as SQL of the dialect `databricks`, sent through ADBC,
and must say the same as Ibis itself says over the rows that this user sees."""

import adbc_driver_flightsql.dbapi
import adbc_driver_manager
import ibis
import pyarrow
import pytest

EMPLOYEES = "hr.people.employees"


@pytest.fixture(params=["alice", "bob"])
def connection(request, warehouse):
    options = {"adbc.flight.sql.authorization_header": f"Bearer {warehouse.tokens[request.param]}"}
    with adbc_driver_flightsql.dbapi.connect(warehouse.url, db_kwargs=options, autocommit=True) as connection:
        yield connection


def fetch(connection, sql) -> pyarrow.Table:
    with connection.cursor() as cursor:
        # Ibis gives a text of a class of its own, which the driver refuses.
        cursor.execute(str(sql))
        return cursor.fetch_arrow_table()


@pytest.fixture
def employees(connection):
    """The table as an expression that nothing is behind of, with the columns that the server tells."""
    schema = connection.adbc_get_table_schema("employees", catalog_filter="hr", db_schema_filter="people")
    return ibis.table(ibis.Schema.from_pyarrow(schema), name="employees", catalog="hr", database="people")


@pytest.fixture
def seen(connection):
    """The rows that this user sees, in memory."""
    return ibis.memtable(fetch(connection, f"SELECT * FROM {EMPLOYEES}"))


def ranked(t):
    by_date = ibis.window(group_by="region", order_by=[t.hired, t.employee_id])
    return t.select("employee_id", place=ibis.row_number().over(by_date), before=t.hired.lag().over(by_date))


def expressions(t):
    yield t.order_by("employee_id").limit(20)
    yield t.group_by("region").agg(n=t.count(), names=t.name.nunique(), last=t.hired.max()).order_by("region")
    yield t.agg(least=t.salary.min(), most=t.salary.max(), unknown=t.salary.isnull().sum(), mails=t.email.nunique())
    yield ranked(t).order_by("employee_id")
    yield (
        t.filter(t.name.contains("a") & t.region.isin(["EMEA", "APAC"]) & (t.hired > ibis.date("2015-06-30")))
        .mutate(shout=t.name.upper(), length=t.name.length(), year=t.hired.year())
        .order_by("employee_id")
    )
    yield (
        t.mutate(level=ibis.cases((t.salary > 90000, "high"), (t.salary.notnull(), "low"), else_="hidden"))
        .group_by("level")
        .agg(n=lambda s: s.count())
        .order_by("level")
    )
    boss = t.view()
    yield t.join(boss, t.manager == boss.name, how="left").select(t.employee_id, boss=boss.employee_id).order_by("employee_id", "boss")
    yield t.select("region").distinct().order_by("region")
    yield t.union(t.limit(0)).count().name("n").as_table()
    yield t.select("name", "email").filter(t.email.re_search("@.*example")).order_by("name", "email")
    yield t.group_by("department").agg(europeans=t.count(where=t.region == "EMEA")).order_by("department")


def rows(table):
    return [tuple(row.values()) for row in table.to_pylist()]


@pytest.mark.parametrize("number", range(11))
def test_expressions_mean_the_same_here_and_there(connection, employees, seen, number):
    asked, expected = list(expressions(employees))[number], list(expressions(seen))[number]
    answer = fetch(connection, ibis.to_sql(asked, dialect="databricks"))
    assert answer.column_names == list(asked.columns)
    assert rows(answer) == rows(expected.to_pyarrow())
    assert answer.num_rows > 0


def test_answers_and_local_tables_are_joined_at_the_client(connection, employees):
    by_region = employees.group_by("region").agg(n=employees.count())
    answer = ibis.memtable(fetch(connection, ibis.to_sql(by_region, dialect="databricks")))
    targets = ibis.memtable({"region": ["EMEA"], "target": [10]})
    (joined,) = rows(answer.join(targets, "region").to_pyarrow())
    assert joined[0] == "EMEA" and joined[1] > 0
    # A table in memory is none of the server's.
    sql = ibis.to_sql(employees.join(targets, "region"), dialect="databricks")
    with pytest.raises(adbc_driver_manager.Error, match="TABLE_OR_VIEW_NOT_FOUND"):
        fetch(connection, sql)


def test_errors_say_what_is_wrong(connection):
    missing = ibis.table({"nope": "string"}, name="employees", catalog="hr", database="people")
    with pytest.raises(adbc_driver_manager.Error, match="UNRESOLVED_COLUMN"):
        fetch(connection, ibis.to_sql(missing.nope.max(), dialect="databricks"))
