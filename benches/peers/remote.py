"""Weir over a store far away (30 ms to each answer, 100 MB/s): each query on a server that was just started, then again.

    python remote.py WEIR_PROGRAM [--queries q1,q6] [--rounds N] [--results FILE]
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import peers
import sides

TABLES = ("lineitem", "orders", "customer")
CONFIG = """
[server]
data_directory = "{data}"
flight_address = "127.0.0.1:{port}"
[catalog]
initial_admin = "admin"
[cache]
result_cache_bytes = "0B"
[storage]
range_cache_bytes = "1GiB"
[[storage.buckets]]
url = "s3://far/tables/"
credential = "far"
endpoint = "http://127.0.0.1:{store}"
access_key_id = "AKIAFAR"
secret_file = "{secret}"
"""


def counts(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/counts") as answer:
        return json.load(answer)


class Far:
    """A Weir server whose tables lie in the store."""

    def __init__(self, binary, work, store):
        self.binary, self.work, self.port, self.store = binary, work, sides.free_port(), store
        (work / "secret").write_text("secret\n")
        self.config = work / "weir.toml"
        self.config.write_text(CONFIG.format(data=work / "data", port=self.port, store=store, secret=work / "secret"))

    def start(self):
        self.running = sides.program([self.binary, "serve", "--config", self.config], self.work / "weir.log")
        sides.until_open(self.port, self.running.__enter__())
        # The port is taken before the first start has made its keys.
        while "Flight SQL on" not in (self.work / "weir.log").read_text():
            time.sleep(0.05)
        return sides.FlightSql(self.port, sides.token(self.binary, self.work / "data", "admin"))

    def stop(self):
        self.running.__exit__(None, None, None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weir", type=pathlib.Path)
    parser.add_argument("--queries", default="q1,q3,q6,q12,q18,topk,point,count")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--results", type=pathlib.Path, default=None)
    given = parser.parse_args()
    data = peers.sample_warehouse()
    queries, policies = peers.workload()
    queries = [query for query in queries if query["name"] in given.queries.split(",")]
    queries = [query for query in queries if all(table in TABLES for table in query["tables"])]
    with tempfile.TemporaryDirectory(prefix="weir-far-") as folder:
        work = pathlib.Path(folder)
        with sides.WeirServer(given.weir, data, work) as near:
            tables = near.tables()
            columns = {table: near.columns(table) for table in TABLES}
        bucket = work / "bucket"
        (bucket / "tables").mkdir(parents=True)
        for table in TABLES:
            (bucket / "tables" / table).symlink_to(tables[table])
        serving = [sys.executable, pathlib.Path(__file__).parent / "remote_store.py", bucket]
        store = subprocess.Popen(serving, stdout=subprocess.PIPE, text=True)
        try:
            port = int(store.stdout.readline())
            far = Far(given.weir, work, port)
            admin = far.start()
            admin.ask("CREATE STORAGE CREDENTIAL far")
            admin.ask("CREATE EXTERNAL LOCATION far URL 's3://far/tables' WITH (STORAGE CREDENTIAL far)")
            for table in TABLES:
                admin.ask(f"CREATE TABLE main.default.{table} USING DELTA LOCATION 's3://far/tables/{table}'")
            admin.close()
            far.stop()
            out = [
                f"Machine: {peers.machine()}; a store that answers after 30 ms and carries 100 MB/s.",
                "\n| query | first, ms | requests | MB | again, ms | requests | first / again |\n|---|---|---|---|---|---|---|",
            ]
            every = []
            for query in queries:
                text = peers.text_for(query, lambda table: peers.by_hand(table, columns[table], policies))
                firsts, agains, told = [], [], None
                for _ in range(given.rounds):
                    admin = far.start()
                    before = counts(port)
                    first, result = peers.timed(admin, text)
                    between = counts(port)
                    again, second = peers.timed(admin, text)
                    after = counts(port)
                    if not peers.same(query, result, second):
                        sys.exit(f"error: {query['name']} gives other rows the second time")
                    firsts.append(first)
                    agains.append(again)
                    told = (between["requests"] - before["requests"], between["bytes"] - before["bytes"], after["requests"] - between["requests"])
                    admin.close()
                    far.stop()
                every.append([first / again for first, again in zip(firsts, agains)])
                out.append(
                    f"| `{query['name']}` | {statistics.median(firsts) * 1e3:.0f} | {told[0]} | {told[1] / 1e6:.0f} "
                    f"| {statistics.median(agains) * 1e3:.0f} | {told[2]} | {peers.ways_of(every[-1])} |"
                )
        finally:
            store.terminate()
    peers.tell(out, given.results)


if __name__ == "__main__":
    main()
