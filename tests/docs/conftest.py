"""One real set-up, shared by all tests that follow the pages as a newcomer."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from .checkouts import Checkout, clean_environment, copy_tree, ended, run_python

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

OFFLINE = {
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
    "PIP_EXTRA_INDEX_URL": "",
    "PIP_FIND_LINKS": "",
    "PIP_RETRIES": "0",
    "NO_PROXY": "*",
}
"""What makes pip find nothing, as on a machine without a network."""


@dataclass(frozen=True)
class FirstRun:
    """What the first runs in a fresh checkout came to.

    Attributes:
        checkout: The checkout, set up by now.
        offline: The very first run, without a network.
        together: The next two, with a network, at the same time.
    """

    checkout: Checkout
    offline: subprocess.CompletedProcess[str]
    together: list[subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FirstRun]:
    path = tmp_path_factory.mktemp("newcomer") / "clusterkit"
    copy_tree(path)
    checkout = Checkout(path, clean_environment())
    offline = checkout.cli("--version", **OFFLINE)
    two = [checkout.start("bin/cluster-cli", "--version") for _ in range(2)]
    together = [ended(process) for process in two]
    failed = any(process.returncode for process in together)
    if failed and not os.getenv("CI") and not network_is_there():
        pytest.skip("pip finds no packages: there is no network here")
    yield FirstRun(checkout, offline, together)
    checkout.close()


def network_is_there() -> bool:
    """Ask pip for a package, as the set-up does."""
    with tempfile.TemporaryDirectory() as folder:
        ask = ["-m", "pip", "download", "--no-deps", "--dest", folder, "hatchling"]
        return run_python(*ask).returncode == 0
