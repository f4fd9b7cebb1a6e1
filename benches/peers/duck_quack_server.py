"""DuckDB behind its own protocol, Quack: the text of the query comes by HTTP, the rows are fetched in chunks."""

import json
import os
import pathlib
import sys
import threading

import sides

if __name__ == "__main__":
    port, tables = sys.argv[1], json.loads(sys.argv[2])
    connection = sides.duck_connection({name: pathlib.Path(folder) for name, folder in tables.items()}, *sides.QUACK)
    connection.execute(f"CALL quack_serve('quack:127.0.0.1:{port}', token = '{os.environ['QUACK_TOKEN']}')")
    threading.Event().wait()
