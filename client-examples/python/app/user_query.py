"""Rows as the person at the browser may see them: the one function both apps share.

A connection is opened for the call, speaks as the bearer of the token it is given, and is closed
before the rows are returned. Nothing is kept: no pool, no cache, no module-level connection, so
no person's rows can ever answer another person's request.
"""

import os

import pyarrow
from adbc_driver_flightsql import DatabaseOptions, dbapi

TOKEN_HEADER = "x-forwarded-access-token"
URL = os.environ.get("WEIR_URL", "grpc://127.0.0.1:32010")
SQL = (
    "SELECT employee_id, name, email, region, department, salary "
    "FROM hr.people.employees ORDER BY employee_id LIMIT 100"
)
HOW_TO_SIGN_IN = (
    f"This request carries no {TOKEN_HEADER} header. Open the app through the gateway that signs people in "
    "and forwards their token; for a try on this machine send the header yourself, with a token that "
    "`weir demo` prints."
)


def rows_as_user(token: str, sql: str = SQL) -> pyarrow.Table:
    """Runs `sql` as the bearer of `token` and returns what that person may see."""
    authorization = {DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {token}"}
    with (
        dbapi.connect(URL, db_kwargs=authorization, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)
        return cursor.fetch_arrow_table()
