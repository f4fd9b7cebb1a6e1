"""Weir beside other ways to ask the same Delta tables: the governed workload of `benches/workload`, TPC-H scale 1.

Weir's analyst sends the bare query and the policies hold; every peer gets the same query over subqueries in which the policies
are written out by hand with this user's constants, its best case. Results are compared before anything is timed. Then all take
turns at each query, in another order each round; a ratio is of one round, and what is told is the median of the rounds.

    python peers.py WEIR_PROGRAM [--rounds N] [--peers a,b] [--queries q1,q6] [--sessions 1,16,64] [--bulk] [--results FILE]
"""

import argparse
import contextlib
import datetime
import decimal
import math
import os
import pathlib
import platform
import random
import statistics
import sys
import tempfile
import threading
import time
import tomllib

import sides

WORKLOAD = pathlib.Path(__file__).parent.parent / "workload"
BASE = "deltars"
# Large results, where carrying them is what is paid: numbers alone, and everything.
BULK = [
    {
        "name": "bulk of numbers",
        "tables": ["lineitem"],
        "sql": "SELECT l_orderkey, l_partkey, l_suppkey, l_linenumber FROM {lineitem}",
    },
    {"name": "bulk of all columns", "tables": ["lineitem"], "sql": "SELECT * FROM {lineitem} WHERE l_orderkey < 3000000"},
]


def workload():
    with open(WORKLOAD / "queries.toml", "rb") as file:
        queries = tomllib.load(file)["query"]
    with open(WORKLOAD / "policies.toml", "rb") as file:
        policies = tomllib.load(file)
    return queries, policies


def by_hand(table, columns, policies):
    """The table as somebody would write its policies out."""
    masks = {mask["column"]: mask["by_hand"] for mask in policies["mask"] if mask["table"] == table}
    filters = [filter_["by_hand"] for filter_ in policies["filter"] if filter_["table"] == table]
    if not masks and not filters:
        return table
    shown = ", ".join(f"{masks[column]} AS {column}" if column in masks else column for column in columns)
    where = f" WHERE {' AND '.join(filters)}" if filters else ""
    return f"(SELECT {shown} FROM {table}{where}) AS {table}"


def text_for(query, name_of):
    return query["sql"].strip().format(**{table: name_of(table) for table in query["tables"]})


def plain(value):
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float, decimal.Decimal)):
        return float(value)
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    return value


def rows_of(table):
    rows = [tuple(plain(value) for value in row) for row in zip(*(column.to_pylist() for column in table.columns))]
    return sorted(rows, key=lambda row: tuple(str(value) if not isinstance(value, float) else f"{value:030.3f}" for value in row))


def alike(left, right):
    if isinstance(left, float) and isinstance(right, float):
        # Averages of decimals have another scale in each engine.
        return math.isclose(left, right, rel_tol=1e-5, abs_tol=1e-4)
    return left == right


def same(query, left, right):
    if left.num_rows != right.num_rows or left.num_columns != right.num_columns:
        return False
    if query.get("ties"):
        return True
    pairs = zip(rows_of(left), rows_of(right))
    return all(alike(a, b) for one, other in pairs for a, b in zip(one, other))


def timed(side, text):
    started = time.perf_counter()
    result = side.ask(text)
    return time.perf_counter() - started, result


def warm_up(running, texts, queries):
    """Asks each once and drops whoever does not answer as the base does."""
    answered = {name: {} for name in running}
    for query in queries:
        base = None
        for name, side in running.items():
            try:
                _, result = timed(side, texts[name][query["name"]])
            except Exception as failure:  # a peer that cannot is told, not hidden
                print(f"{name}: {query['name']} fails: {str(failure).splitlines()[0][:160]}", file=sys.stderr)
                continue
            if name == BASE:
                base = result
            if base is not None and not same(query, base, result):
                print(f"{name}: {query['name']} gives other rows", file=sys.stderr)
                continue
            answered[name][query["name"]] = result.num_rows
    return answered


def rounds(running, texts, queries, answered, count):
    times = {name: {query["name"]: [] for query in queries} for name in running}
    for number in range(count):
        for query in queries:
            order = [name for name in running if query["name"] in answered[name]]
            random.Random(number).shuffle(order)
            for name in order:
                taken, _ = timed(running[name], texts[name][query["name"]])
                times[name][query["name"]].append(taken)
        print(f"round {number + 1} of {count}", file=sys.stderr)
    return times


def ratios(times, base, name, query):
    pairs = zip(times[name][query], times[base][query])
    return [own / other for own, other in pairs]


def throughput(make_side, text, sessions, seconds):
    """Queries a second of so many sessions, and errors."""
    counts, errors, waits = [0] * sessions, [0] * sessions, []
    ready, stop = threading.Barrier(sessions + 1), threading.Event()

    def session(number):
        side = make_side()
        with contextlib.suppress(Exception):
            side.ask(text)
        ready.wait()
        while not stop.is_set():
            began = time.perf_counter()
            try:
                side.ask(text)
                counts[number] += 1
                waits.append(time.perf_counter() - began)
            except Exception:
                errors[number] += 1
        side.close()

    threads = [threading.Thread(target=session, args=(number,)) for number in range(sessions)]
    for thread in threads:
        thread.start()
    ready.wait()
    began = time.perf_counter()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - began
    waits.sort()
    middle = waits[len(waits) // 2] if waits else float("nan")
    late = waits[int(len(waits) * 0.99)] if waits else float("nan")
    return sum(counts) / elapsed, sum(errors), middle, late


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    block = bytearray(64 << 20)
    began = time.perf_counter()
    for _ in range(8):
        bytes(block)
    copied = 8 * len(block) / (time.perf_counter() - began) / 1e9
    return f"{os.cpu_count()} cores ({model}), {platform.system()} {platform.release()}, memory copy {copied:.1f} GB/s on one core"


def ways_of(results):
    """What a table has of one side: median and extremes of ratios."""
    return f"{statistics.median(results):.2f} [{min(results):.2f}..{max(results):.2f}]"


def report(out, times, answered, queries, count, loads):
    names = list(times)
    out.append(f"\n| query | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for query in queries:
        cells = []
        for name in names:
            if query["name"] not in answered[name]:
                cells.append("fails")
            elif name == BASE:
                cells.append(f"1 ({statistics.median(times[name][query['name']]) * 1e3:.0f} ms)")
            else:
                cells.append(ways_of(ratios(times, BASE, name, query["name"])))
        out.append(f"| `{query['name']}` | {' | '.join(cells)} |")
    whole, middle = [], []
    for name in names:
        asked = [query["name"] for query in queries if query["name"] in answered[name]]
        sums = [
            sum(times[name][query][number] for query in asked) / sum(times[BASE][query][number] for query in asked)
            for number in range(count)
        ]
        whole.append(ways_of(sums))
        each = [statistics.median(ratios(times, BASE, name, query)) for query in asked]
        middle.append(f"{math.exp(sum(map(math.log, each)) / len(each)):.2f}")
    out.append(f"| **total time** | {' | '.join(whole)} |")
    out.append(f"| geometric mean | {' | '.join(middle)} |")
    if loads:
        out.append("\n| server | sessions | queries a second | p50 | p99 | errors |\n|---|---|---|---|---|---|")
        out.extend(loads)


def bulk(running, texts, columns_of, policies, count, out):
    """Large results of each server: rates, and ratios to DuckDB behind Flight where it runs."""
    servers = [name for name in running if name in sides.SERVERS]
    out.append(f"\n| large result | rows | MB | {' | '.join(servers)} |\n|---|---|---|{'---|' * len(servers)}")
    for query in BULK:
        for name in servers:
            of = (lambda table: f"tpch.bench.{table}") if name == "weir" else (lambda table: by_hand(table, columns_of[table], policies))
            texts[name][query["name"]] = text_for(query, of)
        times, size, rows = {name: [] for name in servers}, 0, 0
        for number in range(count + 1):
            for name in random.Random(number).sample(servers, len(servers)):
                taken, result = timed(running[name], texts[name][query["name"]])
                if rows and result.num_rows != rows:
                    sys.exit(f"error: {name} gives {result.num_rows} rows of {query['name']}, not {rows}")
                size, rows = max(size, result.nbytes), result.num_rows
                del result
                if number:
                    times[name].append(taken)
        base = times.get("duckflight")
        cells = []
        for name in servers:
            cell = f"{size / statistics.median(times[name]) / 1e6:.0f} MB/s"
            if base and name != "duckflight":
                cell += f", {ways_of([other / own for own, other in zip(times[name], base)])} of duckflight's"
            cells.append(cell)
        out.append(f"| {query['name']} | {rows:,} | {size / 1e6:.0f} | {' | '.join(cells)} |")


def tell(lines, results):
    text = "\n".join(lines)
    print(text)
    if results:
        results.write_text(text + "\n")


def sample_warehouse(given=None):
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
    data = given or cache / "weir" / "bench-sf1"
    if not (data / "complete").exists():
        sys.exit(f"error: there is no sample warehouse in {data}; `make bench BENCHES=overhead` makes it")
    return data


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weir", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path, default=None, help="the sample warehouse; default the bench's at scale 1")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", default=",".join(sides.PEERS))
    parser.add_argument("--queries", default="")
    parser.add_argument("--sessions", default="1,16,64")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--bulk", action="store_true", help="carry large results too")
    parser.add_argument("--results", type=pathlib.Path, default=None)
    return parser.parse_args()


def main():
    given = arguments()
    sides.PROGRAMS = given.weir.resolve().parent
    data = sample_warehouse(given.data)
    queries, policies = workload()
    if given.queries:
        queries = [query for query in queries if query["name"] in given.queries.split(",")]
    with contextlib.ExitStack() as stack:
        work = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="weir-peers-")))
        weir = stack.enter_context(sides.WeirServer(given.weir, data, work))
        tables = weir.tables()
        columns = {table: weir.columns(table) for table in tables}
        running, makers, texts = {}, {}, {}
        for name in [BASE, *[peer for peer in given.peers.split(",") if peer and peer != BASE]]:
            make = stack.enter_context(sides.PEERS[name](tables, work))
            running[name], makers[name] = make(), make
            texts[name] = {q["name"]: text_for(q, lambda t: by_hand(t, columns[t], policies)) for q in queries}
        running["weir"], makers["weir"] = weir.side(), weir.side
        texts["weir"] = {q["name"]: text_for(q, lambda table: f"tpch.bench.{table}") for q in queries}
        answered = warm_up(running, texts, queries)
        times = rounds(running, texts, queries, answered, given.rounds)
        loads = []
        for sessions in [int(number) for number in given.sessions.split(",") if number]:
            for name in [name for name in running if name in sides.SERVERS]:
                if "point" in answered[name]:
                    rate, errors, middle, late = throughput(makers[name], texts[name]["point"], sessions, given.seconds)
                    loads.append(
                        f"| {name} | {sessions} | {rate:.0f} | {middle * 1e3:.1f} ms | {late * 1e3:.1f} ms | {errors} |"
                    )
        out = [f"Machine: {machine()}.", f"{given.rounds} rounds; ratios to {BASE}, in process; lower is better."]
        report(out, times, answered, queries, given.rounds, loads)
        if given.bulk:
            bulk(running, texts, columns, policies, given.rounds, out)
        tell(out, given.results)


if __name__ == "__main__":
    main()
