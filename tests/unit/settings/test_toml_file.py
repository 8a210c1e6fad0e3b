"""A file: its values, the lines of its keys, and what makes it unreadable."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from clusterkit.errors import ConfigError
from clusterkit.settings.toml_file import MOST_BYTES, read_toml

FILE = '''\
# A comment, and a line that looks like [config] and a = 1.
name = "foo"

meet = [
    "a",  # one
    "b",
]
tls = {cert = "x", key = "y"}
a.b.c = 1
text = """
[config]
port = 3
"""
"a key" = 1

[config]  # with a comment
gossip_interval = 1
odd = [[1, 2],
  [3]]
[x.y]
z = \'\'\'
z = 2\'\'\'
[[many]]
q = 1
'''
LINES = {
    ("name",): 2,
    ("meet",): 4,
    ("tls",): 8,
    ("tls", "cert"): 8,
    ("tls", "key"): 8,
    ("a",): 9,
    ("a", "b"): 9,
    ("a", "b", "c"): 9,
    ("text",): 10,
    ("a key",): 14,
    ("config",): 16,
    ("config", "gossip_interval"): 17,
    ("config", "odd"): 18,
    ("x",): 20,
    ("x", "y"): 20,
    ("x", "y", "z"): 21,
    ("many",): 23,
    ("many", "q"): 24,
}


@pytest.fixture
def written(tmp_path):
    """Write a file; return its path."""

    def write(content):
        file = tmp_path / "c.toml"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(file)

    return write


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_key_has_the_line_it_begins_in(written, end):
    assert read_toml(written(FILE.replace("\n", end))).lines == LINES


def test_the_values_are_those_of_toml(written):
    file = read_toml(written(FILE))
    assert file.values["meet"] == ["a", "b"]
    assert file.values["config"] == {"gossip_interval": 1, "odd": [[1, 2], [3]]}


def test_a_place_is_the_file_and_the_line(written):
    file = read_toml(written(FILE))
    assert file.place("config", "odd") == f"{file.path}:18"
    assert file.place("nothing") == file.path


def test_an_empty_file_has_nothing(written):
    assert read_toml(written("")).values == {}


def test_a_long_value_is_read_in_no_time(written):
    # Trying at each line whether the value is whole would take minutes.
    long = "k = [\n" + "  1,\n" * 20_000 + "]\nlast = 1\n"
    assert read_toml(written(long)).lines == {("k",): 1, ("last",): 20_003}


@given(st.lists(st.integers(0, 4), max_size=12))
def test_lines_are_found_whatever_stands_between(shapes):
    from clusterkit.settings.toml_file import _lines

    values = ["1", '"x # ]"', "[\n 1,\n]", '"""\na = 1\n"""', "{b = [1,\n2]}"]
    text, expected, line = "", {}, 1
    for number, shape in enumerate(shapes):
        gap = "# [a]\n\n" * (number % 2)
        line += gap.count("\n")
        expected[f"k{number}",] = line
        statement = f"k{number} = {values[shape]}\n"
        text += gap + statement
        line += statement.count("\n")
    found = {names: at for names, at in _lines(text) if len(names) == 1}
    assert found == expected


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a = \n", "line 1"),
        ("a = 1\nb = 2\na = 3\n", "line 3"),
        ("[a]\nb\n", "line 2"),
        (b"a = 1\nb = '\xff'\n", ":2: it is no text in UTF-8"),
        ("a = " + "[" * 100_000, "nested too deeply"),
        ("#" * (MOST_BYTES + 1), "larger than"),
    ],
    ids=["value", "twice", "word", "bytes", "deep", "large"],
)
def test_what_is_no_file_of_settings_is_refused_with_its_name(written, content, told):
    path = written(content)
    with pytest.raises(ConfigError) as caught:
        read_toml(path)
    assert path in str(caught.value)
    assert told in str(caught.value)


@pytest.mark.parametrize("name", [".", "absent.toml", "a\0b"])
def test_what_is_not_there_or_no_file_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="cannot read"):
        read_toml(f"{tmp_path}/{name}")
