"""A store far away: a folder as one bucket that speaks enough of S3 to be read, each answer after some time and all of them
together at some rate. Says its port in its first line, counts what it is asked, and tells it under `/-/counts`.

    python remote_store.py FOLDER [--delay SECONDS] [--rate BYTES_A_SECOND]
"""

import argparse
import http.server
import json
import pathlib
import threading
import time
import urllib.parse
from xml.sax.saxutils import escape

BLOCK = 256 * 1024


class Line:
    """What the bytes of all answers go through, one after the other."""

    def __init__(self, rate):
        self.rate, self.free, self.lock = rate, 0.0, threading.Lock()

    def carry(self, count):
        with self.lock:
            begins = max(self.free, time.monotonic())
            self.free = begins + count / self.rate
        time.sleep(max(0.0, self.free - time.monotonic()))


class Store(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Heads and bodies go out in one piece.
    wbufsize = BLOCK
    disable_nagle_algorithm = True
    folder = delay = line = None
    counts = {"requests": 0, "bytes": 0}
    lock = threading.Lock()

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", headers=(), length=None):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def file(self):
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        key = path.split("/", 2)[2] if path.count("/") > 1 else ""
        found = self.folder / key
        return found if key and found.is_file() else None

    def do_HEAD(self):
        self.asked()
        found = self.file()
        self.answer(404) if found is None else self.answer(200, headers=self.headers_of(found), length=found.stat().st_size)

    def do_GET(self):
        asked = urllib.parse.urlsplit(self.path)
        if asked.path == "/-/counts":
            return self.answer(200, json.dumps(self.counts).encode())
        self.asked()
        query = dict(urllib.parse.parse_qsl(asked.query, keep_blank_values=True))
        if "list-type" in query:
            return self.listed(asked.path.strip("/"), query)
        found = self.file()
        if found is None:
            return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        size = found.stat().st_size
        first, last, status, headers = 0, size - 1, 200, self.headers_of(found)
        ranged = self.headers.get("Range", "")
        if ranged.startswith("bytes="):
            begin, end = ranged[6:].split("-")
            first, last = (int(begin), min(int(end or last), last)) if begin else (max(0, size - int(end)), last)
            status = 206
            headers.append(("Content-Range", f"bytes {first}-{last}/{size}"))
        with open(found, "rb") as source:
            source.seek(first)
            left = last - first + 1
            self.answer(status, headers=headers, length=left)
            with self.lock:
                self.counts["bytes"] += left
            while left > 0:
                block = source.read(min(BLOCK, left))
                self.line.carry(len(block))
                self.wfile.write(block)
                left -= len(block)
            self.wfile.flush()

    def asked(self):
        with self.lock:
            self.counts["requests"] += 1
        time.sleep(self.delay)

    def headers_of(self, found):
        told = found.stat()
        changed = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(told.st_mtime))
        return [("ETag", f'"{told.st_mtime_ns:x}-{told.st_size:x}"'), ("Last-Modified", changed), ("Accept-Ranges", "bytes")]

    def listed(self, bucket, query):
        prefix, after = query.get("prefix", ""), query.get("start-after", "")
        delimiter, keys, below = query.get("delimiter"), [], set()
        folder = self.folder / prefix.rpartition("/")[0]
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            key = path.relative_to(self.folder).as_posix()
            if path.is_file() and key.startswith(prefix) and key > after:
                rest = key[len(prefix):]
                if delimiter and delimiter in rest:
                    below.add(prefix + rest.split(delimiter)[0] + delimiter)
                else:
                    keys.append((key, path.stat()))
        entry = (
            "<Contents><Key>{}</Key><Size>{}</Size><ETag>&quot;{:x}-{:x}&quot;</ETag><LastModified>{}</LastModified></Contents>"
        )
        when = lambda told: time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(told.st_mtime))
        listing = "".join(entry.format(escape(key), told.st_size, told.st_mtime_ns, told.st_size, when(told)) for key, told in keys)
        listing += "".join(f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in sorted(below))
        text = (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{escape(bucket)}</Name><IsTruncated>false</IsTruncated><KeyCount>{len(keys)}</KeyCount>{listing}</ListBucketResult>"
        )
        self.answer(200, text.encode(), [("Content-Type", "application/xml")])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--delay", type=float, default=0.03)
    parser.add_argument("--rate", type=float, default=100e6)
    given = parser.parse_args()
    Store.folder, Store.delay, Store.line = given.folder, given.delay, Line(given.rate)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)
    print(server.server_address[1], flush=True)
    server.serve_forever()
