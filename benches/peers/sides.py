"""The sides of the comparison: each answers a query with an Arrow table."""

import contextlib
import importlib.metadata
import json
import os
import pathlib
import secrets
import shutil
import socket
import subprocess
import sys
import time

from adbc_driver_flightsql import DatabaseOptions, dbapi as flight_sql

# Quack takes its HTTP client and its random numbers from httpfs, on both sides.
QUACK = ("httpfs", "quack")

# The folder of the programs that were built with Weir's.
PROGRAMS = pathlib.Path()


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def until_open(port, process, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args[0]} does not listen")


@contextlib.contextmanager
def program(arguments, log, **options):
    with open(log, "w") as output:
        process = subprocess.Popen(arguments, stdout=output, stderr=subprocess.STDOUT, **options)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


class FlightSql:
    """A Flight SQL server through ADBC, as a Python app asks it: prepared, told of, fetched, closed."""

    def __init__(self, port, token=None):
        options = {DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {token}"} if token else {}
        self.connection = flight_sql.connect(f"grpc://127.0.0.1:{port}", db_kwargs=options, autocommit=True)
        self.cursor = self.connection.cursor()

    def ask(self, text):
        self.cursor.execute(text)
        return self.cursor.fetch_arrow_table()

    def close(self):
        with contextlib.suppress(Exception):
            self.cursor.close()
            self.connection.close()


def token(binary, data, user, environment=None):
    """A token that Weir signs with the key in its data directory."""
    asked = [binary, "token", "--data-dir", data, user]
    return subprocess.run(asked, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


class WeirServer:
    """Weir's own server over the sample warehouse."""

    def __init__(self, binary, data, work):
        self.binary, self.data, self.work, self.port = binary, data, work, free_port()

    def __enter__(self):
        environment = {
            **os.environ,
            "WEIR_SERVER__FLIGHT_ADDRESS": f"127.0.0.1:{self.port}",
            "WEIR_SERVER__DATA_DIRECTORY": str(self.data),
            # What is measured runs.
            "WEIR_CACHE__RESULT_CACHE_BYTES": "0B",
        }
        self.environment = environment
        self.running = contextlib.ExitStack()
        process = self.running.enter_context(program([self.binary, "serve"], self.work / "weir.log", env=environment))
        until_open(self.port, process)
        return self

    def __exit__(self, *failure):
        self.running.close()

    def side(self, user="analyst"):
        return FlightSql(self.port, token(self.binary, self.data, user, self.environment))

    def tables(self):
        """The folder of each table."""
        admin = self.side("admin")
        names = [row["tableName"] for row in admin.ask("SHOW TABLES IN tpch.bench").to_pylist()]
        folders = {name: admin.ask(f"DESCRIBE DETAIL tpch.bench.{name}").to_pylist()[0]["location"] for name in names}
        admin.close()
        # A managed table's place is told within the data directory.
        return {name: self.data / "tables" / folder for name, folder in folders.items()}

    def columns(self, table):
        admin = self.side("admin")
        shown = admin.ask(f"SELECT * FROM tpch.bench.{table} LIMIT 0").column_names
        admin.close()
        return shown


class DeltaRs:
    def __init__(self, tables):
        from deltalake import DeltaTable, QueryBuilder

        self.builder = QueryBuilder()
        for name, folder in tables.items():
            self.builder = self.builder.register(name, DeltaTable(str(folder)))

    def ask(self, text):
        import pyarrow

        return pyarrow.table(self.builder.execute(text).read_all())

    def close(self):
        pass


@contextlib.contextmanager
def delta_rs(tables, work):
    """delta-rs and its DataFusion in this process: Weir's own engine with nothing on it."""
    yield lambda: DeltaRs(tables)


def duck_with(*extensions):
    import duckdb

    connection = duckdb.connect(config={"allow_unsigned_extensions": "true", "threads": str(os.cpu_count())})
    for extension in extensions:
        files = importlib.metadata.files(f"duckdb-extension-{extension}")
        file = next(file for file in files if file.name == f"{extension}.duckdb_extension")
        connection.execute(f"LOAD '{file.locate()}'")
    return connection


def duck_connection(tables, *extensions):
    connection = duck_with("delta", *extensions)
    for name, folder in tables.items():
        connection.execute(f"ATTACH '{folder}' AS {name} (TYPE delta, PIN_SNAPSHOT)")
    return connection


class Duck:
    def __init__(self, connection):
        self.connection = connection

    def ask(self, text):
        return self.connection.execute(text).to_arrow_table()

    def close(self):
        pass


@contextlib.contextmanager
def duckdb(tables, work):
    """DuckDB with its delta extension, in this process, snapshots pinned."""
    connection = duck_connection(tables)
    yield lambda: Duck(connection)


class DuckFlight:
    def __init__(self, port):
        from pyarrow import flight

        self.flight = flight
        self.client = flight.connect(f"grpc://127.0.0.1:{port}")

    def ask(self, text):
        info = self.client.get_flight_info(self.flight.FlightDescriptor.for_command(text.encode()))
        return self.client.do_get(info.endpoints[0].ticket).read_all()

    def close(self):
        self.client.close()


@contextlib.contextmanager
def duck_flight(tables, work):
    """DuckDB behind the C++ Flight server of pyarrow, in a process of its own."""
    port = free_port()
    told = json.dumps({name: str(folder) for name, folder in tables.items()})
    serving = [sys.executable, pathlib.Path(__file__).parent / "duck_flight_server.py", str(port), told]
    with program(serving, work / "duck_flight.log") as process:
        until_open(port, process)
        yield lambda: DuckFlight(port)


class DuckQuack:
    """A session of its own in the server: a client with an attachment of its own, which the text of the query goes through."""

    def __init__(self, port, token):
        self.connection = duck_with(*QUACK)
        # Without it each call opens a connection of its own.
        self.connection.execute("SET GLOBAL httpfs_connection_caching = true")
        self.connection.execute(f"ATTACH 'quack:127.0.0.1:{port}' AS far (TYPE quack, TOKEN '{token}')")

    def ask(self, text):
        return self.connection.execute("FROM quack_query_by_name('far', ?)", [text]).to_arrow_table()

    def close(self):
        self.connection.close()


@contextlib.contextmanager
def duck_quack(tables, work):
    """DuckDB behind its own protocol, Quack, in a process of its own."""
    port, token = free_port(), secrets.token_hex(16)
    told = json.dumps({name: str(folder) for name, folder in tables.items()})
    serving = [sys.executable, pathlib.Path(__file__).parent / "duck_quack_server.py", str(port), told]
    with program(serving, work / "duck_quack.log", env={**os.environ, "QUACK_TOKEN": token}) as process:
        until_open(port, process)
        yield lambda: DuckQuack(port, token)


@contextlib.contextmanager
def sail(tables, work):
    """Sail's Flight SQL server, which reads Delta by itself."""
    port = free_port()
    binary = shutil.which("sail", path=pathlib.Path(sys.executable).parent)
    serving = [binary, "flight", "server", "--ip", "127.0.0.1", "--port", str(port)]
    with program(serving, work / "sail.log") as process:
        until_open(port, process)
        making = FlightSql(port)
        for name, folder in tables.items():
            making.ask(f"CREATE TABLE {name} USING delta LOCATION '{folder}'")
        making.close()
        yield lambda: FlightSql(port)


@contextlib.contextmanager
def datafusion(tables, work):
    """Weir's own engine and delta-rs behind datafusion-flight-sql-server."""
    port = free_port()
    told = [f"{name}={folder}" for name, folder in tables.items()]
    with program([PROGRAMS / "flight-peer", str(port), *told], work / "flight_peer.log") as process:
        until_open(port, process)
        yield lambda: FlightSql(port)


@contextlib.contextmanager
def roapi(tables, work):
    """ROAPI's Flight SQL server."""
    port, http, postgres = free_port(), free_port(), free_port()
    # JSON is YAML.
    config = work / "roapi.yml"
    entry = lambda name, folder: {"name": name, "uri": str(folder), "option": {"format": "delta", "use_memory_table": False}}
    config.write_text(json.dumps({
        "addr": {"http": f"127.0.0.1:{http}", "postgres": f"127.0.0.1:{postgres}", "flight_sql": f"127.0.0.1:{port}"},
        "tables": [entry(name, folder) for name, folder in tables.items()],
    }))
    binary = shutil.which("roapi", path=pathlib.Path(sys.executable).parent)
    with program([binary, "--config", str(config)], work / "roapi.log") as process:
        until_open(port, process)
        yield lambda: FlightSql(port)


PEERS = {
    "deltars": delta_rs,
    "duckdb": duckdb,
    "duckflight": duck_flight,
    "duckquack": duck_quack,
    "datafusion": datafusion,
    "sail": sail,
    "roapi": roapi,
}
SERVERS = ("weir", "duckflight", "duckquack", "datafusion", "sail", "roapi")
