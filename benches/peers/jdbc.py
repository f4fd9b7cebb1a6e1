"""What JDBC carries of a large result, beside ADBC: both read three columns of lineitem, in turns. Needs Java 17 and Maven.

    python jdbc.py WEIR_PROGRAM [--rounds N] [--results FILE]
"""

import argparse
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

import peers
import sides

DRIVER = "18.3.0"
COLUMNS = "SELECT l_orderkey, l_extendedprice, l_shipdate FROM tpch.bench.lineitem"


def driver():
    """The driver with all that it needs, from Maven's own cache."""
    place = pathlib.Path.home() / f".m2/repository/org/apache/arrow/flight-sql-jdbc-driver/{DRIVER}"
    jar = place / f"flight-sql-jdbc-driver-{DRIVER}.jar"
    if not jar.exists():
        got = f"-Dartifact=org.apache.arrow:flight-sql-jdbc-driver:{DRIVER}"
        subprocess.run(["mvn", "-q", "-B", "dependency:get", got, "-Dtransitive=false"], check=True)
    return jar


class Jdbc:
    """A Java program that asks when it is told to."""

    def __init__(self, port, token):
        url = f"jdbc:arrow-flight-sql://127.0.0.1:{port}/?useEncryption=false"
        program = pathlib.Path(__file__).parent / "JdbcRate.java"
        command = ["java", "--add-opens=java.base/java.nio=ALL-UNNAMED", "-cp", driver(), program, url, token, COLUMNS]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)

    def ask(self):
        """Rows and milliseconds."""
        print(file=self.process.stdin, flush=True)
        rows, taken = self.process.stdout.readline().split()
        return int(rows), float(taken)

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument("binary", type=pathlib.Path)
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--results", type=pathlib.Path)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        data = work / "data"
        shutil.copytree(peers.sample_warehouse(), data)
        with sides.WeirServer(given.binary, data, work) as server:
            adbc = server.side("exempt_user")
            jdbc = Jdbc(server.port, sides.token(given.binary, data, "exempt_user", server.environment))
            rates = {"ADBC": [], "JDBC": []}
            for round in range(given.rounds + 1):
                begun = time.perf_counter()
                table = adbc.ask(COLUMNS)
                by_adbc = (time.perf_counter() - begun) * 1e3
                rows, by_jdbc = jdbc.ask()
                assert rows == table.num_rows, f"JDBC gives {rows} rows, ADBC {table.num_rows}"
                # The first warms up.
                if round:
                    rates["ADBC"].append(table.nbytes / by_adbc / 1e3)
                    rates["JDBC"].append(table.nbytes / by_jdbc / 1e3)
            jdbc.close()
            adbc.close()
    lines = ["| client | three columns of lineitem, MB/s as Arrow | rows a second |", "|---|---|---|"]
    for client, rate in rates.items():
        middle = statistics.median(rate)
        lines.append(f"| {client} | {middle:.0f} [{min(rate):.0f}..{max(rate):.0f}] | {middle * 1e6 * rows / table.nbytes:,.0f} |")
    peers.tell(lines, given.results)


if __name__ == "__main__":
    main()
