"""Signing in at an OpenID Connect provider, oidc-provider of npm, while its keys rotate under the load of ADBC clients.

A warehouse of its own is started for it, which finds the provider's keys by discovery."""

import base64
import hashlib
import json
import os
import secrets
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

import adbc_driver_flightsql.dbapi
import adbc_driver_manager
import pytest

SIGNED_IN = "http://127.0.0.1/signed-in"
WAREHOUSE = "urn:weir:warehouse"
ORDERS = "SELECT current_user() AS who, count(*) AS orders, max(card) AS card FROM main.default.orders"
# Each sees the orders of one region, and only the service principal sees cards.
SEEN = {"etl": ("etl", 3, "4111"), "alice": ("alice", 2, None), "bob": ("bob", 1, None)}
WAREHOUSE_SQL = """
CREATE USER alice; CREATE USER bob; CREATE SERVICE PRINCIPAL etl;
CREATE TABLE main.default.orders (buyer STRING, card STRING);
INSERT INTO main.default.orders VALUES
  ('alice', '4111'), ('alice', '4111'), ('bob', '4111'), ('etl', '4111'), ('etl', '4111'), ('etl', '4111');
CREATE FUNCTION main.default.own(buyer STRING) RETURNS BOOLEAN RETURN buyer = session_user();
CREATE FUNCTION main.default.card(card STRING) RETURNS STRING
  RETURN CASE WHEN session_user() = 'etl' THEN card END;
ALTER TABLE main.default.orders SET ROW FILTER main.default.own ON (buyer);
ALTER TABLE main.default.orders ALTER COLUMN card SET MASK main.default.card;
GRANT USE CATALOG ON CATALOG main TO etl; GRANT USE SCHEMA ON SCHEMA main.default TO etl;
GRANT USE CATALOG ON CATALOG main TO alice; GRANT USE SCHEMA ON SCHEMA main.default TO alice;
GRANT USE CATALOG ON CATALOG main TO bob; GRANT USE SCHEMA ON SCHEMA main.default TO bob;
GRANT SELECT ON TABLE main.default.orders TO etl; GRANT SELECT ON TABLE main.default.orders TO alice;
GRANT SELECT ON TABLE main.default.orders TO bob;
"""
# Weir looks for a key that it does not know 10 seconds after it last asked, at the earliest.
PAUSE = 10.5


class Provider:
    """The running provider, and the ways to get a token of it."""

    def __init__(self):
        script = Path(os.environ["WEIR_IDENTITY_PROVIDER"])
        self._process = subprocess.Popen(
            ["node", str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.issuer = self._process.stdout.readline().strip()
        assert self.issuer.startswith("http://127.0.0.1:"), "the provider does not serve"

    def rotate(self) -> int:
        """A new key signs from now on, beside the one before it. Returns how often keys were fetched before."""
        self._process.stdin.write("rotate\n")
        self._process.stdin.flush()
        # It says other things there as well.
        return int(next(line for line in self._process.stdout if line.strip().isdigit()))

    def stop(self):
        self._process.stdin.close()
        self._process.wait(timeout=10)

    def client_credentials(self, scope="sql") -> str:
        """The token of the service principal."""
        form = {"grant_type": "client_credentials", "client_id": "etl", "client_secret": "etl-secret", "scope": scope}
        return self._token(urllib.request.build_opener(), form)["access_token"]

    def sign_in(self, user: str) -> dict:
        """The tokens of a user who signs in in a browser (authorization code with PKCE)."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(), UntilSignedIn())
        asked = {
            "client_id": "notebook",
            "response_type": "code",
            "redirect_uri": SIGNED_IN,
            "scope": "openid sql",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "resource": WAREHOUSE,
        }
        try:
            page = browser.open(f"{self.issuer}/auth?{urllib.parse.urlencode(asked)}")
            for answer in ({"prompt": "login", "login": user, "password": "x"}, {"prompt": "consent"}):
                page = browser.open(page.url, urllib.parse.urlencode(answer).encode())
        except SignedIn as signed_in:
            return self._token(
                browser,
                {
                    "grant_type": "authorization_code",
                    "client_id": "notebook",
                    "code": signed_in.code,
                    "redirect_uri": SIGNED_IN,
                    "code_verifier": verifier,
                    "resource": WAREHOUSE,
                },
            )
        pytest.fail(f"the provider does not let {user} in")

    def token(self, user: str) -> str:
        return self.client_credentials() if user == "etl" else self.sign_in(user)["access_token"]

    def _token(self, opener, form) -> dict:
        with opener.open(f"{self.issuer}/token", urllib.parse.urlencode(form).encode()) as answer:
            return json.load(answer)


class SignedIn(Exception):
    """The browser was sent back to the application."""

    def __init__(self, url):
        self.code = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["code"][0]


class UntilSignedIn(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, request, file, code, message, headers, url):
        if url.startswith(SIGNED_IN):
            raise SignedIn(url)
        return super().redirect_request(request, file, code, message, headers, url)


def key_of(token: str) -> str:
    header = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"]


def ask(url: str, token: str, sql: str = ORDERS) -> tuple:
    options = {"adbc.flight.sql.authorization_header": f"Bearer {token}"}
    with adbc_driver_flightsql.dbapi.connect(url, db_kwargs=options, autocommit=True) as connection:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()


@pytest.fixture(scope="module")
def provider():
    provider = Provider()
    yield provider
    provider.stop()


@pytest.fixture(scope="module")
def url(provider, tmp_path_factory):
    """A warehouse that trusts the provider."""
    folder = tmp_path_factory.mktemp("warehouse")
    config, log = folder / "weir.toml", folder / "server.log"
    config.write_text(f"""
        [server]
        flight_address = "127.0.0.1:0"
        data_directory = "{folder}/data"
        [catalog]
        initial_admin = "admin"
        [identity]
        local_issuer = true
        [[identity.issuers]]
        name = "{provider.issuer}"
        discover = true
        audiences = ["{WAREHOUSE}"]
        required_scopes = ["sql"]
    """)
    weir = os.environ["WEIR_PROGRAM"]
    # The program takes each WEIR_ variable for a key of its configuration.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WEIR_")}
    with log.open("w") as file:
        server = subprocess.Popen([weir, "serve", "--config", str(config)], stdout=file, stderr=file, env=environment)
    try:
        for _ in range(300):
            said = [line for line in log.read_text().splitlines() if "://127.0.0.1:" in line]
            if said or server.poll() is not None:
                break
            time.sleep(0.1)
        assert said, log.read_text()
        address = said[0].rsplit("://", 1)[1].strip()
        admin = ["sql", "--url", f"grpc://{address}", "--as", "admin", "--config", str(config)]
        subprocess.run([weir, *admin, WAREHOUSE_SQL], check=True, capture_output=True, env=environment)
        yield f"grpc://{address}"
    finally:
        server.terminate()
        server.wait(timeout=20)


def test_signed_in_users_see_what_is_theirs(provider, url):
    for user, seen in SEEN.items():
        assert ask(url, provider.token(user)) == seen


@pytest.mark.parametrize(
    ("why", "words"),
    [("scope", "it lacks the scope `sql`"), ("audience", "get one that is meant for this server")],
)
def test_tokens_for_something_else_are_refused(provider, url, why, words):
    # An identity token is for the application that the user signed in to.
    token = provider.client_credentials(scope="") if why == "scope" else provider.sign_in("alice")["id_token"]
    with pytest.raises(adbc_driver_manager.Error, match=words) as refused:
        ask(url, token)
    assert refused.value.status_code == adbc_driver_manager.AdbcStatusCode.UNAUTHENTICATED
    assert token not in str(refused.value)


class Load:
    """Clients that ask all the time, each with tokens of its own, which it gets anew every few questions."""

    def __init__(self, provider, url, users):
        self._over = threading.Event()
        self.answers, self.keys, self.troubles = [], set(), []
        self._threads = [threading.Thread(target=self._client, args=(provider, url, user)) for user in users]

    def _client(self, provider, url, user):
        while not self._over.is_set():
            try:
                token = provider.token(user)
                for _ in range(5):
                    assert ask(url, token) == SEEN[user]
                    self.answers.append(time.monotonic())
                    self.keys.add(key_of(token))
            except Exception as trouble:
                self.troubles.append(f"{user}: {trouble!r}")
                return

    def wait_for_keys(self, number):
        until = time.monotonic() + 20
        while len(self.keys) < number and not self.troubles:
            assert time.monotonic() < until, f"only {len(self.keys)} keys were used"
            time.sleep(0.05)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()


def test_keys_rotate_under_load_and_no_valid_token_is_refused(provider, url):
    kept = {1: provider.token("etl")}
    assert ask(url, kept[1]) == SEEN["etl"]
    with Load(provider, url, ["etl", "etl", "etl", "alice", "bob"]) as load:
        load.wait_for_keys(1)
        time.sleep(PAUSE)
        provider.rotate()
        load.wait_for_keys(2)
        kept[2] = provider.token("etl")
        # Its key is still published.
        assert ask(url, kept[1]) == SEEN["etl"]
        time.sleep(PAUSE)
        before = len(load.answers)
        provider.rotate()
        load.wait_for_keys(3)
        kept[3] = provider.token("etl")
    assert load.troubles == []
    assert before > 100 and len(load.answers) > before
    assert len({key_of(token) for token in kept.values()}) == 3
    assert [ask(url, kept[number]) for number in (2, 3)] == [SEEN["etl"]] * 2
    with pytest.raises(adbc_driver_manager.Error, match="get one that is meant for this server") as refused:
        ask(url, kept[1])
    assert refused.value.status_code == adbc_driver_manager.AdbcStatusCode.UNAUTHENTICATED
    # However many clients asked at once, each set of keys was fetched once.
    assert provider.rotate() == 3
