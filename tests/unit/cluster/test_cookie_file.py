"""The cookie file: its lines, the steps of a rotation, and how it is replaced."""

import os
import stat

import pytest

from clusterkit.cluster.cookie_file import (
    MOST_COOKIES,
    CookieFile,
    read_cookie_file,
    write_cookie_file,
)
from clusterkit.cluster.cookies import new_cookie
from clusterkit.errors import ConfigError


def parsed(text):
    return CookieFile.parse(text.encode(), "the file")


def test_there_is_a_cookie_on_each_line_and_the_first_one_dials():
    assert parsed("new\nold\n").cookies == (b"new", b"old")


def test_white_space_around_a_cookie_does_not_count():
    assert parsed("\n  new \r\n\n\told\n\n").cookies == (b"new", b"old")


def test_a_mark_that_some_editors_begin_with_does_not_count():
    assert CookieFile.parse(b"\xef\xbb\xbfone\n", "it").cookies == (b"one",)


def test_a_cookie_may_have_spaces_within():
    assert parsed("a b\n").cookies == (b"a b",)


def test_comments_are_no_cookies_and_stay():
    file = parsed("# ours\nnew\n# of March\n")
    assert file.cookies == (b"new",)
    assert file.to_bytes() == b"# ours\n# of March\nnew\n"


@pytest.mark.parametrize("empty", ["", "\n \n", "# nothing\n"])
def test_a_file_without_a_cookie_is_refused(empty):
    with pytest.raises(ConfigError, match="the file is empty"):
        parsed(empty)


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\n", b"a\0b", b"a\x1bb\n", "a\u2028b".encode()]
)
def test_what_is_no_text_is_refused(content):
    """Random bytes would be cut into short cookies."""
    with pytest.raises(ConfigError, match="line of"):
        CookieFile.parse(content, "the file")


def test_too_many_cookies_are_refused():
    assert len(parsed("c\n" * MOST_COOKIES).cookies) == MOST_COOKIES
    with pytest.raises(ConfigError, match="9 cookies"):
        parsed("c\n" * (MOST_COOKIES + 1))


# A rotation.


def test_a_rotation_accepts_then_dials_then_drops():
    file = parsed("# ours\nold\n")
    steps = []
    for _ in range(3):
        file = CookieFile.parse(file.rotated(b"new").to_bytes(), "the file")
        steps.append((file.step, file.cookies))
    assert steps == [(1, (b"old", b"new")), (2, (b"new", b"old")), (0, (b"new",))]
    assert file.comments == ("# ours",)


def test_each_step_dials_with_what_the_step_before_accepts():
    before = parsed("old\n")
    for _ in range(3):
        after = before.rotated(b"new")
        assert after.cookies[0] in before.cookies
        assert before.cookies[0] in after.cookies
        before = after


def test_the_note_says_how_far_it_is():
    text = parsed("old\n").rotated(b"new").to_bytes().decode()
    assert text.startswith("# step 1 of 3: the second cookie is new")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("one\ntwo\n", "holds 2 cookies, and no note"),
        ("# step 1 of 3\none\n", "holds 1 cookies, and after step 1 of 3"),
        ("# step 2 of 3\none\ntwo\nthree\n", "holds 3 cookies, and after step 2"),
    ],
)
def test_a_file_that_is_at_no_step_is_not_guessed_at(text, why):
    with pytest.raises(ConfigError, match=why):
        parsed(text).rotated(b"new")


def test_a_note_written_by_hand_counts():
    assert parsed("# step 1 of 3\none\ntwo\n").rotated(b"").cookies == (b"two", b"one")


def test_the_cookies_are_not_in_its_repr():
    assert "secret" not in repr(parsed("secret\n"))


# On disk.


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "cookie"
    path.write_text("old\n")
    path.chmod(0o600)
    return path


def test_it_is_replaced_whole_and_stays_its_owners(path):
    before = path.stat().st_ino
    write_cookie_file(path, read_cookie_file(path).rotated(b"new"))
    assert read_cookie_file(path).cookies == (b"old", b"new")
    assert path.stat().st_ino != before
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["cookie"]


def test_a_link_to_it_stays_one(path, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(path)
    write_cookie_file(link, CookieFile((b"new",)))
    assert link.is_symlink()
    assert read_cookie_file(path).cookies == (b"new",)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_it_stays_its_owners_also_if_root_writes_it(path):
    os.chown(path, 12345, 12345)
    write_cookie_file(path, CookieFile((b"new",)))
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12345)


def test_what_cannot_be_written_leaves_it_as_it_was(path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ConfigError, match="No space left"):
        write_cookie_file(path, CookieFile((b"new",)))
    assert path.read_text() == "old\n"
    assert [p.name for p in path.parent.iterdir()] == ["cookie"]


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_cookie_file(path, CookieFile((b"new",))),
        lambda path: new_cookie(path, force=True),
        lambda path: new_cookie(path.with_name("another")),
    ],
    ids=["replaced", "forced", "new"],
)
def test_it_is_written_for_good_once_its_folder_is_synced(path, monkeypatch, write):
    synced = []

    def content():
        return {p.name: p.read_text() for p in path.parent.iterdir() if not p.suffix}

    def note(descriptor):
        synced.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), content()))

    monkeypatch.setattr(os, "fsync", note)
    write(path)
    assert synced[-1] == (True, content())


def test_what_another_has_changed_meanwhile_is_left_as_it_is(path):
    mine = read_cookie_file(path)
    others = mine.rotated(b"theirs").rotated(b"").rotated(b"")
    write_cookie_file(path, others, instead_of=mine)
    with pytest.raises(ConfigError, match="changed meanwhile"):
        write_cookie_file(path, mine.rotated(b"mine"), instead_of=mine)
    assert read_cookie_file(path).cookies == (b"theirs",)
    assert [p.name for p in path.parent.iterdir()] == ["cookie"]


def test_one_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(ConfigError, match="cannot write"):
        write_cookie_file(tmp_path / "none", CookieFile((b"new",)))
