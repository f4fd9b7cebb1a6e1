"""What the door costs: the first rows of a large result, SELECT 1 against empty round trips, TLS against none.

    python door.py WEIR_PROGRAM [--rounds N] [--results FILE]

Two servers over two copies of the sample warehouse, one with TLS, take turns. An empty round trip is GetSessionOptions, which is
answered from the call's own headers. The driver collects garbage by force whenever a statement or a reader is released, and
SELECT 1 does both: what that takes is measured by statements that are made, never run, and released.
"""

import argparse
import os
import pathlib
import shutil
import statistics
import tempfile
import time

import peers
import sides
from adbc_driver_flightsql import DatabaseOptions, dbapi as flight_sql
from adbc_driver_manager import AdbcStatement

LARGE = "SELECT * FROM tpch.bench.lineitem"
COLUMN = "SELECT l_orderkey, l_extendedprice, l_shipdate FROM tpch.bench.lineitem"
SMALL = 200


class Door:
    """A Weir server of which one user asks."""

    def __init__(self, binary, data, work, tls):
        self.server = sides.WeirServer(binary, data, work)
        self.tls = tls

    def __enter__(self):
        if self.tls:
            os.environ["WEIR_SERVER__TLS_SELF_SIGNED"] = "true"
        try:
            self.server.__enter__()
            while "Flight SQL on" not in (self.server.work / "weir.log").read_text():
                time.sleep(0.05)
            token = sides.token(self.server.binary, self.server.data, "exempt_user", self.server.environment)
        finally:
            if self.tls:
                del os.environ["WEIR_SERVER__TLS_SELF_SIGNED"]
        options = {
            DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {token}",
            DatabaseOptions.WITH_COOKIE_MIDDLEWARE.value: "true",
        }
        scheme = "grpc"
        if self.tls:
            scheme = "grpc+tls"
            options[DatabaseOptions.TLS_ROOT_CERTS.value] = (self.server.data / "tls" / "server.pem").read_text()
        self.connection = flight_sql.connect(
            f"{scheme}://localhost:{self.server.port}", db_kwargs=options, autocommit=True
        )
        return self

    def __exit__(self, *failure):
        self.connection.close()
        self.server.__exit__(*failure)

    def first_rows(self, text):
        """Milliseconds until the first rows are there."""
        begun = time.perf_counter()
        with self.connection.cursor() as cursor:
            cursor.execute(text)
            cursor.fetch_record_batch().read_next_batch()
            return (time.perf_counter() - begun) * 1e3

    def all_rows(self, text):
        """Milliseconds, and megabytes as Arrow."""
        begun = time.perf_counter()
        with self.connection.cursor() as cursor:
            cursor.execute(text)
            rows = cursor.fetch_arrow_table()
        return (time.perf_counter() - begun) * 1e3, rows.nbytes / 1e6

    def one(self):
        """The medians of SELECT 1, of four empty round trips, and of what the driver does for itself, taken in turns; milliseconds."""
        statements, empties, driver = [], [], []
        for _ in range(SMALL):
            begun = time.perf_counter()
            with self.connection.cursor() as cursor:
                cursor.execute("SELECT 1")
                cursor.fetchall()
            between = time.perf_counter()
            for _ in range(4):
                assert self.connection.adbc_current_catalog
            statements.append((between - begun) * 1e3)
            after = time.perf_counter()
            for _ in range(2):
                AdbcStatement(self.connection.adbc_connection).close()
            driver.append((time.perf_counter() - after) * 1e3)
            empties.append((after - between) * 1e3)
        return tuple(statistics.median(of) for of in (statements, empties, driver))


def spread(values):
    return f"{statistics.median(values):.2f} [{min(values):.2f}..{max(values):.2f}]"


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument("binary", type=pathlib.Path)
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--results", type=pathlib.Path)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        data = peers.sample_warehouse()
        for name in ("plain", "tls"):
            (work / name).mkdir()
            shutil.copytree(data, work / name / "data")
        with (
            Door(given.binary, work / "plain" / "data", work / "plain", False) as plain,
            Door(given.binary, work / "tls" / "data", work / "tls", True) as tls,
        ):
            doors = {"plain": plain, "TLS": tls}
            told = {name: {"first": [], "rate": [], "one": [], "empty": [], "driver": []} for name in doors}
            for round in range(given.rounds + 1):
                for name, door in list(doors.items())[:: 1 if round % 2 else -1]:
                    first, (all_ms, megabytes) = door.first_rows(LARGE), door.all_rows(COLUMN)
                    one, empty, driver = door.one()
                    if round:
                        told[name]["first"].append(first)
                        told[name]["rate"].append(megabytes / all_ms * 1e3)
                        told[name]["one"].append(one)
                        told[name]["empty"].append(empty)
                        told[name]["driver"].append(driver)
    lines = [
        "| door | first rows of SELECT *, ms | three columns of lineitem, MB/s | SELECT 1, ms | of it the driver by itself, ms "
        "| four empty round trips, ms | ratio | without the driver's |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, of in told.items():
        rounds = list(zip(of["one"], of["driver"], of["empty"]))
        ratios = [[one / empty for one, _, empty in rounds], [(one - driver) / empty for one, driver, empty in rounds]]
        cells = [spread(of[what]) for what in ("first", "rate", "one", "driver", "empty")] + [spread(ratio) for ratio in ratios]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    rates = [tls / plain for tls, plain in zip(told["TLS"]["rate"], told["plain"]["rate"])]
    lines.append(f"\nTLS / plain, rate: {spread(rates)}")
    peers.tell(lines, given.results)


if __name__ == "__main__":
    main()
