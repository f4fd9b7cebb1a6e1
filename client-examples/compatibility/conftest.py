"""The running warehouse, for clients of every kind: nothing here needs a driver."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest


@dataclass(frozen=True)
class Warehouse:
    """A running server with the demo's sample data."""

    url: str
    tokens: dict[str, str] = field(repr=False)

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname

    @property
    def port(self) -> int:
        return urlsplit(self.url).port


@pytest.fixture(scope="session")
def warehouse() -> Warehouse:
    connections = json.loads(Path(os.environ["WEIR_CONNECTIONS_FILE"]).read_text(encoding="utf-8"))
    return Warehouse(connections["url"], connections["tokens"])
