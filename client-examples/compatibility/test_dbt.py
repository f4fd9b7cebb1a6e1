"""What a dbt project does: seeds, tables, views, increments and tests, by dbt-qod. The adapter sends no headers of ours, so the server
says what this user's sessions begin with; that is why it is a server of its own here."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from adbc_driver_flightsql import DatabaseOptions, dbapi

PROJECT = Path(__file__).resolve().parent / "dbt"
CONFIGURATION = """
[server]
flight_address = "127.0.0.1:{port}"
data_directory = "{data}"
[catalog]
initial_admin = "admin"
[[sessions.users]]
name = "dbt"
double_quoted_identifiers = true
catalog = "sales"
"""
GROUND = """
CREATE USER dbt;
CREATE CATALOG sales;
CREATE SCHEMA sales.raw;
CREATE TABLE sales.raw.orders (id BIGINT, region STRING, amount DECIMAL(10,2));
INSERT INTO sales.raw.orders VALUES (1, 'north', 50), (2, 'north', 150), (3, 'south', 200), (4, 'hidden', 999);
CREATE FUNCTION sales.raw.open(region STRING) RETURNS BOOLEAN RETURN region <> 'hidden';
ALTER TABLE sales.raw.orders SET ROW FILTER sales.raw.open ON (region);
GRANT USE CATALOG, CREATE SCHEMA ON CATALOG sales TO dbt;
GRANT USE SCHEMA, SELECT ON SCHEMA sales.raw TO dbt
"""


class Server:
    """A server, its address, and what dbt's user and the administrator see."""

    def __init__(self, port: int, configuration: Path) -> None:
        self.port, self.configuration = port, configuration

    def token(self, user: str) -> str:
        command = [os.environ["WEIR_PROGRAM"], "token", user, "--config", str(self.configuration)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def rows(self, user: str, sql: str) -> list[tuple]:
        options = {DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {self.token(user)}"}
        uri = f"grpc://127.0.0.1:{self.port}"
        with dbapi.connect(uri, db_kwargs=options, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def dbt(self, *arguments: str, target: Path) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "WEIR_HOST": "127.0.0.1",
            "WEIR_PORT": str(self.port),
            "WEIR_TOKEN": self.token("dbt"),
            "DBT_LOG_PATH": str(target / "logs"),
            "DBT_TARGET_PATH": str(target / "target"),
            "DO_NOT_TRACK": "1",
        }
        command = [sys.executable, "-m", "dbt.cli.main", *arguments]
        command += ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
        return subprocess.run(
            command, env=environment, cwd=target, capture_output=True, text=True, timeout=200, check=False
        )


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ground = tmp_path_factory.mktemp("dbt")
    configuration, log = ground / "weir.toml", ground / "log"
    configuration.write_text(CONFIGURATION.format(port=port, data=ground / "data"), encoding="utf-8")
    serve = [os.environ["WEIR_PROGRAM"], "serve", "--config", str(configuration)]
    with log.open("w") as told, subprocess.Popen(serve, stdout=told, stderr=told) as process:
        try:
            deadline = time.monotonic() + 60
            while "Flight SQL on" not in log.read_text():
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            server = Server(port, configuration)
            for statement in GROUND.strip().split(";\n"):
                server.rows("admin", statement)
            yield server
        finally:
            process.terminate()
            process.wait(timeout=30)


def test_a_project_is_built_twice_and_its_tests_pass(server, tmp_path):
    for once in range(2):
        done = server.dbt("build", target=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "PASS=9" in done.stdout and "ERROR=0" in done.stdout, done.stdout
        # Rows that policies hide from dbt's user are in none of its tables.
        by_region = server.rows("dbt", "SELECT region, orders FROM sales.models.orders_by_region ORDER BY region")
        assert by_region == [("north", 2), ("south", 1)], once
        assert server.rows("dbt", "SELECT id FROM sales.models.large_orders ORDER BY id") == [(2,), (3,)]
        seed = server.rows("dbt", "SELECT `region name`, opened, staff, open FROM sales.models.regions ORDER BY region")
        assert [(name, str(opened), staff, is_open) for name, opened, staff, is_open in seed] == [
            ("The North", "2020-01-31", 12, True),
            ("It's south", "2021-06-30", 7, False),
        ]
        assert server.rows("dbt", "SELECT count(*) FROM sales.models.daily") == [(3,)]
        assert server.rows("dbt", "SELECT region FROM sales.models.busy_regions") == [("north",)]
        # What stands on a table that dbt made outlives its being made again.
        server.rows("admin", "ALTER TABLE sales.models.orders_by_region ALTER COLUMN amount SET MASK system.policy.mask_null")
        assert server.rows("dbt", "SELECT count(amount) FROM sales.models.orders_by_region") == [(0,)]
    server.rows("admin", "INSERT INTO sales.raw.orders VALUES (5, 'south', 1)")
    done = server.dbt("run", "--select", "daily", target=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert server.rows("dbt", "SELECT count(*), max(id) FROM sales.models.daily") == [(4, 5)]


def test_the_documentation_is_made(server, tmp_path):
    done = server.dbt("docs", "generate", target=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    catalog = (tmp_path / "target" / "catalog.json").read_text(encoding="utf-8")
    assert '"orders_by_region"' in catalog and '"hidden"' not in catalog


def test_a_test_that_fails_says_so(server, tmp_path):
    server.rows("admin", "INSERT INTO sales.raw.orders VALUES (6, 'west', 500)")
    done = server.dbt("test", "--select", "large_orders", target=tmp_path)
    assert done.returncode == 1 and "FAIL 1" in done.stdout, done.stdout + done.stderr
