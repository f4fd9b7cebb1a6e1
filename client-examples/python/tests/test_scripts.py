"""The two scripts, run as programs by different users."""

import datetime
import re

import pytest
from adbc_query import DEFAULT_SQL, text_table
from conftest import EXAMPLES

EVERYBODY = "SELECT employee_id, name, email, region, salary FROM hr.people.employees ORDER BY employee_id"


@pytest.mark.parametrize("user", ["alice", "bob", "carol"])
@pytest.mark.parametrize("sql", [DEFAULT_SQL, EVERYBODY])
def test_query_script_prints_what_plain_adbc_answers(warehouse, run_example, user, sql):
    printed = run_example("adbc_query.py", sql, user=user)
    assert printed.returncode == 0, printed.stderr
    assert printed.stdout == text_table(warehouse.rows(user, sql)) + "\n"


def test_query_script_asks_a_sensible_question_by_default(warehouse, run_example):
    printed = run_example("adbc_query.py", user="alice")
    assert printed.stdout == text_table(warehouse.rows("alice", DEFAULT_SQL)) + "\n"


def test_alice_and_bob_get_different_answers_to_the_same_question(run_example):
    alice = run_example("adbc_query.py", EVERYBODY, user="alice")
    bob = run_example("adbc_query.py", EVERYBODY, user="bob")
    assert alice.returncode == 0 and bob.returncode == 0, alice.stderr + bob.stderr
    assert alice.stdout != bob.stdout


def test_query_script_without_a_token_says_where_to_get_one(run_example):
    ended = run_example("adbc_query.py", user=None)
    assert ended.returncode != 0
    assert "WEIR_TOKEN" in ended.stderr and "weir demo" in ended.stderr


def test_query_script_reports_bad_sql_as_one_error_without_a_traceback(run_example):
    ended = run_example("adbc_query.py", "SELECT (1", user="alice")
    assert ended.returncode != 0
    assert ended.stderr.startswith("error: INVALID_ARGUMENT")
    assert "adbc_query.py" not in ended.stderr


def test_a_hidden_or_missing_table_is_not_found(run_example):
    ended = run_example("adbc_query.py", "SELECT * FROM hr.people.no_such_table", user="alice")
    assert ended.returncode != 0
    assert ended.stderr.startswith("error: NOT_FOUND")
    assert "no_such_table" in ended.stderr


def bars(printed: str) -> dict[str, str]:
    """User to DBUs, read from the chart under the table."""
    chart = printed.partition("DBUs by user")[2]
    return dict(re.findall(r"^(\S+) +(\d[\d.]*) +█+$", chart, flags=re.MULTILINE))


def test_billing_script_shows_a_user_their_own_usage_and_an_administrator_everybodys(warehouse, run_example):
    for user in ("alice", "bob"):
        warehouse.rows(user, EVERYBODY)
    today = datetime.datetime.now(datetime.UTC).date()
    # A run around midnight (UTC) may have its usage on either day.
    days = ("--from", str(today - datetime.timedelta(days=1)), "--to", str(today + datetime.timedelta(days=1)))
    alice = run_example("billing_by_user.py", *days, user="alice")
    assert alice.returncode == 0, alice.stderr
    assert set(bars(alice.stdout)) == {"alice"}
    admin = run_example("billing_by_user.py", *days, user="admin")
    assert admin.returncode == 0, admin.stderr
    assert {"alice", "bob"} <= set(bars(admin.stdout))
    assert "DBUs consumed by FGAC" in admin.stdout and "run_as" in admin.stdout


def test_billing_script_says_when_there_is_no_usage(run_example):
    printed = run_example("billing_by_user.py", "--from", "2001-01-01", "--to", "2001-01-31", user="alice")
    assert printed.returncode == 0, printed.stderr
    assert "No usage" in printed.stdout


def test_billing_sql_file_runs_as_it_stands(warehouse):
    sql = (EXAMPLES.parent / "sql" / "billing_by_user.sql").read_text(encoding="utf-8")
    rows = warehouse.rows("admin", sql)
    assert rows.column_names == ["usage_date", "sku_name", "run_as", "DBUs consumed by FGAC"]
