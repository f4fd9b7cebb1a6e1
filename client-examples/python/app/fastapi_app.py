"""A web page of the visitor's own rows, with FastAPI.

    WEIR_URL=grpc://127.0.0.1:32010 uvicorn --app-dir client-examples/python/app fastapi_app:app
    curl -H "x-forwarded-access-token: $WEIR_TOKEN" http://127.0.0.1:8000/

There is no WHERE clause for security and no service account: the token that the gateway forwards
goes to Weir as it is, and Weir filters.
"""

from html import escape
from typing import Annotated

import adbc_driver_manager
import pyarrow
from adbc_driver_manager import AdbcStatusCode
from fastapi import FastAPI, Header
from fastapi.responses import HTMLResponse
from user_query import HOW_TO_SIGN_IN, SQL, rows_as_user

# No generated documentation pages: this app has one page, and it is the visitor's.
app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

# The page holds one person's rows: no cache may keep it, no script may run in it.
PERSONAL = {"cache-control": "no-store", "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}
STYLE = "body{font-family:sans-serif;margin:2rem}td,th{padding:.2rem .8rem;border-bottom:1px solid #ddd;text-align:left}"


def page(title: str, body: str, status: int = 200) -> HTMLResponse:
    """An HTML page; `body` is markup whose values are escaped already."""
    html = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>"
        f"<style>{STYLE}</style><h1>{escape(title)}</h1>{body}</html>"
    )
    return HTMLResponse(html, status_code=status, headers=PERSONAL)


def html_table(rows: pyarrow.Table) -> str:
    """The rows as an HTML table, each name and value escaped."""
    head = "".join(f"<th>{escape(name)}" for name in rows.column_names)
    columns = [column.to_pylist() for column in rows.columns]
    body = "".join("<tr>" + "".join(map(html_cell, row)) for row in zip(*columns, strict=True))
    return f"<table><thead><tr>{head}<tbody>{body}</table>"


def html_cell(value: object) -> str:
    """One value; NULL is an empty cell."""
    return f"<td>{'' if value is None else escape(str(value))}"


# A plain function: FastAPI runs it on a worker thread, so a slow query holds up nobody else.
@app.get("/")
def own_rows(x_forwarded_access_token: Annotated[str | None, Header()] = None) -> HTMLResponse:
    """The visitor's rows, or what to do to see them."""
    if not x_forwarded_access_token:
        return page("Please sign in", f"<p>{escape(HOW_TO_SIGN_IN)}", status=401)
    try:
        rows = rows_as_user(x_forwarded_access_token)
    except adbc_driver_manager.Error as error:
        if error.status_code == AdbcStatusCode.UNAUTHENTICATED:
            return page("Please sign in again", f"<p>The warehouse refused the token: {escape(str(error))}", status=401)
        return page("The warehouse gave no answer", f"<p>{escape(str(error))}", status=502)
    return page("Your people", f"<p><code>{escape(SQL)}</code>{html_table(rows)}<p>{rows.num_rows} rows")
