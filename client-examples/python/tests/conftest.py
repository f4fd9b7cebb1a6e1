"""What every test of the examples needs: the running warehouse, its users' tokens, plain ADBC."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow
import pytest
from adbc_driver_flightsql import DatabaseOptions, dbapi

EXAMPLES = Path(__file__).resolve().parents[1]
CONNECTIONS = "WEIR_CONNECTIONS_FILE"


@dataclass(frozen=True)
class Warehouse:
    """A running server with the demo's sample data."""

    url: str
    tokens: dict[str, str] = field(repr=False)

    def connect(self, user: str, **headers: str) -> dbapi.Connection:
        return self.connect_with_token(self.tokens[user], **headers)

    def connect_with_token(self, token: str, **headers: str) -> dbapi.Connection:
        options = {DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {token}"}
        for name, value in headers.items():
            options[DatabaseOptions.RPC_CALL_HEADER_PREFIX.value + name] = value
        return dbapi.connect(self.url, db_kwargs=options, autocommit=True)

    def rows(self, user: str, sql: str, parameters: tuple[object, ...] | None = None) -> pyarrow.Table:
        """What plain ADBC answers `user`."""
        with self.connect(user) as connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetch_arrow_table()

    def environment(self, user: str | None = None) -> dict[str, str]:
        """The environment of an example that runs as `user`, or with nobody's token."""
        environment = {**os.environ, "WEIR_URL": self.url}
        environment.pop("WEIR_TOKEN", None)
        if user is not None:
            environment["WEIR_TOKEN"] = self.tokens[user]
        return environment


@pytest.fixture(scope="session")
def warehouse() -> Warehouse:
    file = os.environ.get(CONNECTIONS)
    if not file:
        pytest.fail(f"{CONNECTIONS} must name the connections file of a running `weir demo`; run_tests.sh sets it")
    connections = json.loads(Path(file).read_text(encoding="utf-8"))
    return Warehouse(connections["url"], connections["tokens"])


@pytest.fixture(scope="session")
def run_example(warehouse: Warehouse) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a script of the examples as a program of its own."""

    def run(script: str, *arguments: str, user: str | None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(EXAMPLES / script), *arguments],
            env=warehouse.environment(user),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run
