"""What holds for every test: seeds that are shown, and no network but loopback.

The seed of pytest-randomly is in pytest's header; a simulation that fails
carries its own seed as a note; Hypothesis prints a blob to reproduce with.
"""

from __future__ import annotations

import os
import socket
import sys
from ipaddress import ip_address

from hypothesis import settings

# On CI Hypothesis would load a profile of its own, which repeats the same
# examples for ever; and its deadline of 200 ms flakes on a shared machine.
settings.register_profile(
    "house", deadline=None, derandomize=False, print_blob=True, max_examples=60
)
settings.register_profile("long", settings.get_profile("house"), max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "house"))


def pytest_addoption(parser):
    group = parser.getgroup("clusterkit")
    seeds = int(os.environ.get("CLUSTERKIT_SEEDS", "1"))
    group.addoption("--seeds", type=int, default=seeds, help="per simulation test")
    group.addoption("--first-seed", type=int, default=0, help="the first of them")


def pytest_generate_tests(metafunc):
    """Run each test that asks for `sim_seed` once per seed, named in its id."""
    if "sim_seed" in metafunc.fixturenames:
        first = metafunc.config.getoption("first_seed")
        seeds = range(first, first + metafunc.config.getoption("seeds"))
        metafunc.parametrize("sim_seed", seeds, ids=lambda seed: f"seed={seed}")


def pytest_report_header(config):
    return f"hypothesis profile: {settings.get_current_profile_name()}"


def _only_loopback(event, args):
    """Refuse to reach beyond this machine; an audit hook sees every socket."""
    if event not in {"socket.connect", "socket.sendto"}:
        return
    sock, address = args
    if sock.family in {socket.AF_INET, socket.AF_INET6} and not (
        _is_here(address[0]) or _stays_here(sock, address[0])
    ):
        raise RuntimeError(f"a test tried to reach {address}: use 127.0.0.1")


def _stays_here(sock, host):
    """Whether it goes to a multicast group by way of the loopback interface."""
    if sock.type != socket.SOCK_DGRAM or not host.startswith("239."):
        return False
    way = sock.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, 4)
    return socket.inet_ntoa(way) == "127.0.0.1"


def _is_here(host):
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


sys.addaudithook(_only_loopback)
