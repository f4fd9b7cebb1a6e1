"""One SQL statement over Arrow Flight SQL, answered as the bearer of a token.

Weir decides from the token alone which rows and values come back; nothing in this file filters
anything. Run it twice with two people's tokens and compare.

    WEIR_TOKEN=… python adbc_query.py
    WEIR_TOKEN=… python adbc_query.py "SELECT name, salary FROM hr.people.employees LIMIT 5"
"""

import argparse
import os
import sys
from collections.abc import Sequence

import adbc_driver_manager
import pyarrow
from adbc_driver_flightsql import DatabaseOptions, dbapi

DEFAULT_URL = "grpc://127.0.0.1:32010"
DEFAULT_SQL = (
    "SELECT region, count(*) AS employees, avg(salary) AS average_salary "
    "FROM hr.people.employees GROUP BY region ORDER BY region"
)


def connect(url: str, token: str) -> dbapi.Connection:
    """A connection on which every call carries `token`."""
    authorization = {DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {token}"}
    return dbapi.connect(url, db_kwargs=authorization, autocommit=True)


def text_table(rows: pyarrow.Table) -> str:
    """The rows as aligned text: numbers to the right, everything else to the left."""
    if rows.num_columns == 0:
        return "(no rows)"
    columns = [
        [field.name, *("NULL" if value is None else str(value) for value in column.to_pylist())]
        for field, column in zip(rows.schema, rows.columns, strict=True)
    ]
    rights = [is_number(field.type) for field in rows.schema]
    widths = [max(map(len, cells)) for cells in columns]
    lines = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(cells, widths, rights, strict=True)
        ).rstrip()
        for cells in zip(*columns, strict=True)
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    lines.append(f"({rows.num_rows} row{'' if rows.num_rows == 1 else 's'})")
    return "\n".join(lines)


def is_number(kind: pyarrow.DataType) -> bool:
    """Whether a column of this type reads better when aligned to the right."""
    types = pyarrow.types
    return types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)


def connection_arguments(description: str) -> argparse.ArgumentParser:
    """The arguments by which a script learns where to connect and as whom."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--url", default=os.environ.get("WEIR_URL", DEFAULT_URL), help="default: $WEIR_URL")
    parser.add_argument("--token", default=os.environ.get("WEIR_TOKEN"), help="default: $WEIR_TOKEN")
    return parser


def require_token(arguments: argparse.Namespace) -> str:
    """The token, or an end of the program that says where to get one."""
    if not arguments.token:
        sys.exit("no token: pass --token or set WEIR_TOKEN (`weir demo` prints one for each of its users)")
    return arguments.token


def main(argv: Sequence[str] | None = None) -> None:
    parser = connection_arguments("Runs one SQL statement and prints its rows.")
    parser.add_argument("sql", nargs="?", default=DEFAULT_SQL, help="the statement (default: %(default)s)")
    arguments = parser.parse_args(argv)
    token = require_token(arguments)
    try:
        with connect(arguments.url, token) as connection, connection.cursor() as cursor:
            cursor.execute(arguments.sql)
            print(text_table(cursor.fetch_arrow_table()))
    except adbc_driver_manager.Error as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
