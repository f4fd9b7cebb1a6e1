"""OAuth as the ADBC driver has it built in, against a server with TLS and a door for tokens.

The driver hands tokens that it got by OAuth to encrypted connections alone, so that this server is one of its own.
"""

import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import adbc_driver_manager
import pytest
from adbc_driver_flightsql import DatabaseOptions, OAuthFlowType, OAuthTokenType, dbapi

WEIR = "WEIR_PROGRAM"
ME = "SELECT current_user()"

CONFIGURATION = """
[server]
flight_address = "127.0.0.1:{flight}"
data_directory = "{data}"
tls_self_signed = true
[catalog]
initial_admin = "admin"
[tokens]
address = "127.0.0.1:{tokens}"
"""


@dataclass(frozen=True)
class Encrypted:
    """A running server with TLS."""

    flight: int
    tokens: int
    certificate: Path
    run: Callable[..., str]

    def connect(self, **options: str) -> dbapi.Connection:
        options = {DatabaseOptions[name].value: value for name, value in options.items()}
        options[DatabaseOptions.TLS_ROOT_CERTS.value] = self.certificate.read_text(encoding="ascii")
        return dbapi.connect(f"grpc+tls://127.0.0.1:{self.flight}", db_kwargs=options, autocommit=True)

    def connect_by_oauth(self, flow: OAuthFlowType, **options: str) -> dbapi.Connection:
        uri = f"https://127.0.0.1:{self.tokens}/oauth/token"
        return self.connect(OAUTH_FLOW=flow.value, OAUTH_TOKEN_URI=uri, **options)

    def token(self, user: str) -> str:
        return self.run("token", user)

    def rows(self, connection: dbapi.Connection, sql: str) -> list[tuple[object, ...]]:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def as_admin(self, sql: str) -> list[tuple[object, ...]]:
        return self.rows(self.connect(AUTHORIZATION_HEADER=f"Bearer {self.token('admin')}"), sql)

    def secret(self, service: str) -> str:
        return str(self.as_admin(f"CREATE ACCESS TOKEN client FOR {service} EXPIRES IN 1 DAY")[0][1])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    weir = os.environ.get(WEIR)
    if not weir:
        pytest.fail(f"{WEIR} must name the program `weir`; run_tests.sh sets it")
    ground = tmp_path_factory.mktemp("encrypted")
    flight, tokens = free_port(), free_port()
    configuration = ground / "weir.toml"
    text = CONFIGURATION.format(flight=flight, tokens=tokens, data=ground / "data")
    configuration.write_text(text, encoding="utf-8")

    def run(*arguments: str) -> str:
        command = [weir, *arguments, "--config", str(configuration)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    log: list[str] = []
    serve = [weir, "serve", "--config", str(configuration)]
    with subprocess.Popen(serve, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as server:
        reading = threading.Thread(target=lambda: log.extend(server.stderr), daemon=True)
        reading.start()
        try:
            wait_until_open(server, log, flight, tokens)
            certificate = ground / "data" / "tls" / "server.pem"
            yield prepared(Encrypted(flight, tokens, certificate, run), ground)
        finally:
            server.terminate()
            server.wait(timeout=30)
            reading.join()


def wait_until_open(server: subprocess.Popen[str], log: list[str], *ports: int) -> None:
    deadline = time.monotonic() + 60
    for port in ports:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert server.poll() is None, "".join(log)
                assert time.monotonic() < deadline, "".join(log)
                time.sleep(0.1)


def prepared(server: Encrypted, ground: Path) -> Encrypted:
    """Alice, a service principal `robot`, and `portal`, which may act for users."""
    for sql in ["CREATE USER alice", "CREATE SERVICE PRINCIPAL robot", "CREATE SERVICE PRINCIPAL portal"]:
        server.as_admin(sql)
    document = ground / "catalog.yaml"
    text = server.run("catalog", "export") + "\n"
    entry = re.search(r"^( +)portal:\n( +)kind: service principal\n", text, re.MULTILINE)
    assert entry, text
    acting = f"{entry[0]}{entry[2]}may_act_for_users: true\n"
    document.write_text(text.replace(entry[0], acting), encoding="utf-8")
    server.run("catalog", "import", str(document), "--as", "admin")
    return server


def test_client_credentials_are_the_service_principal(encrypted):
    connection = encrypted.connect_by_oauth(
        OAuthFlowType.CLIENT_CREDENTIALS,
        OAUTH_CLIENT_ID="robot",
        OAUTH_CLIENT_SECRET=encrypted.secret("robot"),
    )
    assert encrypted.rows(connection, ME) == [("robot",)]


def test_token_exchange_is_the_visitor_with_the_app_beside(encrypted):
    connection = encrypted.connect_by_oauth(
        OAuthFlowType.TOKEN_EXCHANGE,
        OAUTH_EXCHANGE_SUBJECT_TOKEN=encrypted.token("alice"),
        OAUTH_EXCHANGE_SUBJECT_TOKEN_TYPE=OAuthTokenType.JWT.value,
        OAUTH_EXCHANGE_ACTOR_TOKEN=encrypted.secret("portal"),
        OAUTH_EXCHANGE_ACTOR_TOKEN_TYPE=OAuthTokenType.ACCESS_TOKEN.value,
    )
    assert encrypted.rows(connection, ME) == [("alice",)]
    told = "SELECT DISTINCT executed_by, executed_as FROM system.query.history WHERE executed_as = 'alice'"
    assert encrypted.as_admin(told) == [("portal", "alice")]


def test_what_is_optional_in_an_exchange_is_understood_or_refused(encrypted):
    def exchanged(**options: str) -> dbapi.Connection:
        return encrypted.connect_by_oauth(
            OAuthFlowType.TOKEN_EXCHANGE,
            OAUTH_EXCHANGE_SUBJECT_TOKEN=encrypted.token("alice"),
            OAUTH_EXCHANGE_SUBJECT_TOKEN_TYPE=OAuthTokenType.ACCESS_TOKEN.value,
            OAUTH_EXCHANGE_ACTOR_TOKEN=encrypted.token("portal"),
            OAUTH_EXCHANGE_ACTOR_TOKEN_TYPE=OAuthTokenType.JWT.value,
            **options,
        )

    kinds = {"OAUTH_EXCHANGE_REQUESTED_TOKEN_TYPE": OAuthTokenType.JWT.value, "OAUTH_EXCHANGE_AUD": "weir"}
    assert encrypted.rows(exchanged(**kinds), ME) == [("alice",)]
    for option, value, told in [
        ("OAUTH_EXCHANGE_SCOPE", "all", "invalid_scope"),
        ("OAUTH_EXCHANGE_RESOURCE", "https://elsewhere.example.com/", "invalid_target"),
        ("OAUTH_EXCHANGE_AUD", "elsewhere", "invalid_target"),
        ("OAUTH_EXCHANGE_REQUESTED_TOKEN_TYPE", OAuthTokenType.SAML2.value, "invalid_request"),
    ]:
        with pytest.raises(adbc_driver_manager.Error, match=told):
            exchanged(**{option: value})


@pytest.mark.parametrize(
    ("client", "secret_of", "told"),
    [("robot", "portal", "invalid_client"), ("nobody", "robot", "invalid_client"), ("alice", "robot", "invalid_client")],
)
def test_a_secret_of_somebody_else_is_refused_and_not_shown(encrypted, client, secret_of, told):
    secret = encrypted.secret(secret_of)
    with pytest.raises(adbc_driver_manager.Error, match=told) as refusal:
        encrypted.connect_by_oauth(
            OAuthFlowType.CLIENT_CREDENTIALS, OAUTH_CLIENT_ID=client, OAUTH_CLIENT_SECRET=secret
        )
    assert secret not in str(refusal.value)


def test_an_app_without_the_right_gets_no_token_of_its_visitor(encrypted):
    with pytest.raises(adbc_driver_manager.Error, match="unauthorized_client"):
        encrypted.connect_by_oauth(
            OAuthFlowType.TOKEN_EXCHANGE,
            OAUTH_EXCHANGE_SUBJECT_TOKEN=encrypted.token("alice"),
            OAUTH_EXCHANGE_SUBJECT_TOKEN_TYPE=OAuthTokenType.JWT.value,
            OAUTH_EXCHANGE_ACTOR_TOKEN=encrypted.secret("robot"),
            OAUTH_EXCHANGE_ACTOR_TOKEN_TYPE=OAuthTokenType.ACCESS_TOKEN.value,
        )
