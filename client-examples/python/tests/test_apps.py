"""The web apps: each visitor's own rows, nobody's without a token, and never another's."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from html import escape

import adbc_driver_manager
import httpx
import pyarrow
import pytest
import user_query
from adbc_driver_manager import AdbcStatusCode
from conftest import EXAMPLES, Warehouse
from fastapi_app import html_table
from streamlit.testing.v1 import AppTest

APP = EXAMPLES / "app"


@contextmanager
def served(warehouse: Warehouse, health: str, *command: str) -> Iterator[str]:
    """Starts a web server on a free port, waits until `health` answers, and stops it at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [part.format(port=port) for part in command]
    with subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=APP,
        env=warehouse.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        url = f"http://127.0.0.1:{port}"
        try:
            wait_until_healthy(server, url + health)
            yield url
        finally:
            stop(server)


def stop(server: subprocess.Popen[str]) -> None:
    """Asks the server to end; Streamlit does not always listen, and the test must not wait for it forever."""
    server.terminate()
    try:
        server.wait(timeout=5)
    except subprocess.TimeoutExpired:
        server.kill()


def wait_until_healthy(server: subprocess.Popen[str], url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if server.poll() is not None:
            pytest.fail(f"the server ended at once:\n{server.communicate()[0]}")
        try:
            if httpx.get(url).status_code < 500:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"nothing answered at {url} within a minute")


@pytest.fixture(scope="module")
def page(warehouse: Warehouse) -> Iterator[str]:
    """The address of the FastAPI app."""
    with served(warehouse, "/", "uvicorn", "fastapi_app:app", "--host", "127.0.0.1", "--port", "{port}") as url:
        yield url


def visit(page: str, warehouse: Warehouse, user: str) -> httpx.Response:
    return httpx.get(page, headers={user_query.TOKEN_HEADER: warehouse.tokens[user]}, timeout=60)


def test_page_shows_the_visitors_own_rows(page, warehouse):
    for user in ("alice", "bob"):
        answer = visit(page, warehouse, user)
        assert answer.status_code == 200, answer.text
        assert html_table(warehouse.rows(user, user_query.SQL)) in answer.text


def test_page_may_not_be_kept_by_any_cache(page, warehouse):
    assert visit(page, warehouse, "alice").headers["cache-control"] == "no-store"


def test_page_without_a_token_is_401_and_says_what_to_do(page):
    answer = httpx.get(page)
    assert answer.status_code == 401
    assert user_query.TOKEN_HEADER in answer.text and "<table" not in answer.text


def test_page_believes_no_header_that_merely_names_a_user(page):
    answer = httpx.get(page, headers={"x-forwarded-user": "alice", "x-forwarded-email": "alice@example.com"})
    assert answer.status_code == 401


def test_page_with_a_wrong_token_is_401_and_does_not_echo_it(page):
    answer = httpx.get(page, headers={user_query.TOKEN_HEADER: "wrong-token"}, timeout=60)
    assert answer.status_code == 401
    assert "wrong-token" not in answer.text and "<table" not in answer.text


def test_visitors_who_come_by_turns_and_at_once_get_their_own_rows(page, warehouse):
    expected = {user: html_table(warehouse.rows(user, user_query.SQL)) for user in ("alice", "bob")}
    assert expected["alice"] != expected["bob"]
    turns = ["alice", "bob"] * 6
    with ThreadPoolExecutor(max_workers=4) as visitors:
        answers = list(visitors.map(lambda user: visit(page, warehouse, user), turns))
    for user, answer in zip(turns, answers, strict=True):
        assert answer.status_code == 200, answer.text
        assert expected[user] in answer.text


def test_page_escapes_every_name_and_value():
    script = "<script>alert('&')</script>"
    table = html_table(pyarrow.table({script: [script, None]}))
    assert "<script>" not in table
    assert table.count(escape(script)) == 2


def test_streamlit_app_starts_and_is_healthy(warehouse):
    command = ("streamlit", "run", "streamlit_app.py", "--server.headless", "true", "--server.port", "{port}")
    quiet = ("--server.address", "127.0.0.1", "--browser.gatherUsageStats", "false")
    with served(warehouse, "/_stcore/health", *command, *quiet) as url:
        assert httpx.get(url + "/_stcore/health").text == "ok"
        assert httpx.get(url).status_code == 200


def test_streamlit_app_without_a_token_says_what_to_do():
    app = AppTest.from_file(str(APP / "streamlit_app.py")).run(timeout=60)
    assert not app.exception
    assert [error.value for error in app.error] == [user_query.HOW_TO_SIGN_IN]
    assert not app.dataframe


def test_streamlit_app_shows_the_visitors_own_rows(warehouse, monkeypatch):
    monkeypatch.setattr(user_query, "URL", warehouse.url)
    for user in ("alice", "bob", "alice"):
        with monkeypatch.context() as visit_of_user:
            headers = {user_query.TOKEN_HEADER: warehouse.tokens[user]}
            visit_of_user.setattr("streamlit.context.__class__.headers", headers, raising=True)
            app = AppTest.from_file(str(APP / "streamlit_app.py")).run(timeout=60)
        assert not app.exception and not app.error
        shown = pyarrow.Table.from_pandas(app.dataframe[0].value, preserve_index=False)
        own = warehouse.rows(user, user_query.SQL)
        assert shown["employee_id"].to_pylist() == own["employee_id"].to_pylist()
        assert shown["email"].to_pylist() == own["email"].to_pylist()


def test_query_function_answers_each_token_with_its_own_rows(warehouse, monkeypatch):
    monkeypatch.setattr(user_query, "URL", warehouse.url)
    for user in ("alice", "bob", "alice", "carol"):
        assert user_query.rows_as_user(warehouse.tokens[user]) == warehouse.rows(user, user_query.SQL)


def test_query_function_refuses_a_wrong_token(warehouse, monkeypatch):
    monkeypatch.setattr(user_query, "URL", warehouse.url)
    with pytest.raises(adbc_driver_manager.Error) as refused:
        user_query.rows_as_user("wrong-token")
    assert refused.value.status_code == AdbcStatusCode.UNAUTHENTICATED
