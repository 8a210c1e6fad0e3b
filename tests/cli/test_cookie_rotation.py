"""`cookies`, `reload` and `cookie rotate`: the cluster's cookie, step by step."""

from __future__ import annotations

from functools import partial

import pytest

from clusterkit.cluster.cookies import cookies_in
from tests.waiting import until


@pytest.fixture
def files(home, monkeypatch):
    """A cookie file for each node, and one at home; no variable."""
    monkeypatch.delenv("CLUSTERKIT_COOKIE")

    def write(name, *cookies, mode=0o600):
        path = home / name
        path.write_text("".join(f"{cookie}\n" for cookie in cookies))
        path.chmod(mode)
        return path

    return write


@pytest.fixture
async def two(start_node, files):
    """foo and bar in one ring, each with a file of its own; foo's is at home."""
    async with (
        start_node("foo", cookie=files(".clusterkit.cookie", "old")) as foo,
        start_node("bar", cookie=files("bar.cookie", "old")) as bar,
    ):
        await foo.meet(bar.address)
        await until(lambda: bar.ring.is_defined("foo"))
        yield foo, bar


@pytest.fixture
def at_foo(cli, two):
    return partial(cli, "-p", two[0].port)


def copy(foo, bar):
    bar.cookies.file.write_bytes(foo.cookies.file.read_bytes())


async def test_cookies_shows_each_member_and_no_cookie(at_foo, two):
    ran = await at_foo("cookies")
    assert [row["node"] for row in ran.data] == ["bar", "foo"]
    assert [row["accepts"] for row in ran.data] == [two[0].cookies.fingerprints()] * 2
    assert ran.data[0]["file"] == str(two[1].cookies.file)
    assert "old" not in ran.out


async def test_cookies_says_of_whom_nothing_is_known(at_foo, two):
    await two[0].gossip.insert("gone@127.0.0.1:1")
    row = (await at_foo("cookies", "--timeout", "0.5")).data[-1]
    assert (row["node"], row["accepts"]) == ("gone", None)
    assert row["error"]


async def test_reload_has_the_node_read_its_file_again(at_foo, two, files):
    files(".clusterkit.cookie", "old", "new")
    assert (await at_foo("reload")).data is None
    assert two[0].kernel.cookies == [b"old", b"new"]
    assert two[1].kernel.cookies == [b"old"]


async def test_reload_says_what_is_wrong_with_the_file(at_foo, two, files):
    files(".clusterkit.cookie", "old", "new", mode=0o640)
    told = files("tool.cookie", "old")
    ran = await at_foo("reload", "--cookie-file", told)
    assert (ran.status, ran.code) == (2, "config")
    assert "chmod 600" in ran.err
    assert two[0].kernel.cookies == [b"old"]


async def test_reload_everywhere_names_who_could_not(at_foo, two, files):
    files("bar.cookie", "old", "new", mode=0o640)
    files(".clusterkit.cookie", "old", "new")
    ran = await at_foo("reload", "--all")
    assert (ran.status, ran.code) == (1, "not_all_reached")
    assert "bar (others can read" in ran.err
    assert two[0].kernel.cookies == [b"old", b"new"]
    assert two[1].kernel.cookies == [b"old"]


async def test_a_foreign_cookie_is_taken_by_force_only(at_foo, two, files):
    told = files("tool.cookie", "old")
    files(".clusterkit.cookie", "another")
    ran = await at_foo("reload", "--cookie-file", told)
    assert (ran.status, ran.code) == (2, "config")
    assert (await at_foo("reload", "-f", "--cookie-file", told)).data is None
    assert two[0].kernel.cookies == [b"another"]


async def test_a_rotation_step_by_step_on_two_machines(at_foo, two):
    foo, bar = two
    for step in (1, 2, 3):
        told = (await at_foo("cookie", "rotate")).data
        assert (told["step"], told["of"], told["done"]) == (step, 3, ["foo"])
        assert told["waiting"] == {"bar": f"has not read this ({bar.cookies.file})"}
        assert "where bar read it, then cluster-cli reload --all" in told["next"]
        early = await at_foo("cookie", "rotate")
        assert (early.status, early.code) == (1, "error")
        assert "bar has not read this" in early.err
        copy(foo, bar)
        assert (await at_foo("reload", "--all")).data is None
    assert foo.kernel.cookies == bar.kernel.cookies
    assert len(foo.kernel.cookies) == 1
    assert foo.kernel.cookies != [b"old"]
    assert foo.statistics().rejected == bar.statistics().rejected == {}


async def test_a_rotation_with_one_file_for_all(cli, start_node, files):
    shared = files(".clusterkit.cookie", "old")
    async with (
        start_node("foo", cookie=shared) as foo,
        start_node("bar", cookie=shared) as bar,
    ):
        await foo.meet(bar.address)
        shown = []
        for _ in range(3):
            ran = await cli("-p", foo.port, "cookie", "rotate", "--all", terminal=True)
            shown.append(ran.out.splitlines())
    assert [line for line, _ in shown] == [
        "step 1 of 3: the new cookie is accepted by bar, foo",
        "step 2 of 3: the new cookie is dialled with by bar, foo",
        "step 3 of 3: the old cookie is refused by bar, foo",
    ]
    assert shown[-1][1] == "next: nothing: the rotation is over"
    (new,) = cookies_in(shared).cookies
    assert foo.kernel.cookies == bar.kernel.cookies == [new]


async def test_a_member_that_is_away_holds_a_step_up_unless_forced(at_foo, two):
    foo, _ = two
    await foo.gossip.insert("gone@127.0.0.1:1")
    ran = await at_foo("cookie", "rotate", "--timeout", "0.5")
    assert ran.status == 1
    assert "gone did not say what it has" in ran.err
    assert foo.kernel.cookies == [b"old"]
    ran = await at_foo("cookie", "rotate", "--force", "--timeout", "0.5")
    assert ran.data["step"] == 1
    assert set(ran.data["waiting"]) == {"bar", "gone"}


async def test_a_file_that_the_node_does_not_read_is_left_alone(at_foo, files):
    other = files("other.cookie", "old", "another", "third")
    ran = await at_foo("cookie", "rotate", other)
    assert (ran.status, ran.code) == (2, "config")
    assert cookies_in(other).cookies == [b"old", b"another", b"third"]


async def test_a_step_that_is_written_and_not_read_says_so(at_foo, two, files):
    told = files("elsewhere.cookie", "old")
    two[0].cookies.file.chmod(0o640)
    ran = await at_foo("cookie", "rotate", told)
    assert ran.status == 1
    assert "is at step 1 of 3, but was not read again" in ran.err
    assert two[0].kernel.cookies == [b"old"]


async def test_the_cookie_itself_cannot_be_rotated(at_foo):
    ran = await at_foo("-a", "old", "cookie", "rotate")
    assert (ran.status, ran.code) == (2, "usage")
