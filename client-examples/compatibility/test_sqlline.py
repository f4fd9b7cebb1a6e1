"""What sqlline does with the JDBC driver: connections by token and by password, listings, queries, errors."""

import csv
import os
import subprocess

import pytest

DRIVER = "org.apache.arrow.driver.jdbc.ArrowFlightJdbcDriver"
PASSWORD = "carol's own password"
BY_REGION = "SELECT region, count(*) AS n, count(salary) AS salaries, min(email) AS email FROM hr.people.employees GROUP BY region;"


@pytest.fixture
def sqlline(tmp_path):
    """Runs commands; what sqlline wrote to standard output, and to standard error."""

    def run(commands, *arguments):
        script = tmp_path / "script.sql"
        script.write_text("\n".join(commands) + "\n", encoding="utf-8")
        java = ["java", "--add-opens=java.base/java.nio=ALL-UNNAMED", "-cp", os.environ["WEIR_SQLLINE_CLASSPATH"]]
        options = ["-d", DRIVER, "--silent=true", "--force=true", "--outputformat=csv", f"--run={script}"]
        done = subprocess.run(
            [*java, "sqlline.SqlLine", *options, *arguments], capture_output=True, text=True, timeout=60, check=False
        )
        return done.stdout, done.stderr

    return run


@pytest.fixture
def url(warehouse):
    return f"jdbc:arrow-flight-sql://{warehouse.host}:{warehouse.port}/?useEncryption=false"


@pytest.fixture(scope="module")
def carol():
    """A user with a password of her own."""
    set_password = ["user", "password", "carol", "--data-dir", os.environ["WEIR_DATA_DIRECTORY"]]
    subprocess.run([os.environ["WEIR_PROGRAM"], *set_password], input=PASSWORD, text=True, check=True)
    return "carol"


def answers(output):
    """The answers in what sqlline wrote, each the list of its rows."""
    found = []
    for row in csv.reader(output.splitlines(), quotechar="'"):
        if row and (not found or len(row) != len(found[-1][0]) or row[0] in ("TABLE_CAT", "region")):
            found.append([row])
        elif row:
            found[-1].append(row)
    return [[dict(zip(rows[0], row)) for row in rows[1:]] for rows in found]


def test_listings_and_rows_are_those_of_the_token(sqlline, url, warehouse):
    output, _ = sqlline(["!tables", "!columns employees", BY_REGION], "-u", f"{url}&token={warehouse.tokens['alice']}", "-n", "", "-p", "")
    tables, columns, regions = answers(output)
    listed = {(table["TABLE_CAT"], table["TABLE_SCHEM"], table["TABLE_NAME"]): table["TABLE_TYPE"] for table in tables}
    assert listed["hr", "people", "employees"] == "TABLE" and listed["hr", "people", "my_team"] == "VIEW"
    assert [column["COLUMN_NAME"] for column in columns][:3] == ["employee_id", "name", "email"]
    assert {column["COLUMN_NAME"]: column["TYPE_NAME"] for column in columns}["salary"] == "DECIMAL"
    assert sorted(row["region"] for row in regions) == ["AMER", "APAC", "EMEA", "LATAM"]
    assert all(row["n"] == row["salaries"] and "***" not in row["email"] for row in regions)


def test_a_token_may_be_the_password_of_the_user_token(sqlline, url, warehouse):
    output, _ = sqlline([BY_REGION], "-u", url, "-n", "token", "-p", warehouse.tokens["bob"])
    (regions,) = answers(output)
    salaries = {row["region"]: int(row["salaries"]) for row in regions}
    # Bob sees some regions, the salaries of one, and no address.
    assert 0 < len(regions) < 4 and [region for region, seen in salaries.items() if seen] == ["EMEA"]
    assert all("***@" in row["email"] for row in regions)


def test_a_user_comes_in_by_her_own_password(sqlline, url, carol):
    ask = ["SELECT current_user() AS region, count(*) AS n FROM hr.people.offices;"]
    (rows,) = answers(sqlline(ask, "-u", url, "-n", carol, "-p", PASSWORD)[0])
    assert rows[0]["region"] == "carol" and int(rows[0]["n"]) > 0
    output, errors = sqlline(ask, "-u", url, "-n", carol, "-p", "wrong password")
    assert "UNAUTHENTICATED" in errors and "wrong password" not in errors and "carol" not in output


def test_errors_say_what_to_do(sqlline, url, warehouse):
    token = warehouse.tokens["bob"]
    commands = [
        "SELECT nope FROM hr.people.employees;",
        "SELECT * FROM hr.people.missing;",
        "DELETE FROM hr.people.employees;",
        "SELECT 7 AS region;",
    ]
    output, errors = sqlline(commands, "-u", url, "-n", "token", "-p", token)
    told = [line for line in errors.splitlines() if line.startswith("Error:")]
    assert len(told) == 3
    for line, condition, advice in zip(
        told,
        ["UNRESOLVED_COLUMN", "TABLE_OR_VIEW_NOT_FOUND", "INSUFFICIENT_PERMISSIONS"],
        ["DESCRIBE TABLE lists the columns", "hint:", "hint:"],
    ):
        assert condition in line and advice in line
    assert answers(output) == [[{"region": "7"}]]


def test_encryption_that_the_server_lacks_is_a_failed_handshake(sqlline, url, warehouse):
    encrypted = url.replace("useEncryption=false", "useEncryption=true")
    output, errors = sqlline(["SELECT 1;"], "-u", encrypted, "-n", "token", "-p", warehouse.tokens["bob"])
    assert "HANDSHAKE_FAILURE" in errors and output.strip() == ""
