"""A file of settings that the parser itself gives up on is an error as any other."""

from __future__ import annotations

import pytest

from clusterkit.errors import ConfigError
from clusterkit.settings.toml_file import read_toml


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("port = " + "9" * 5000, "digits"),
        ("a." * 100_000 + "b = 1", "over 32 parts .at line 1."),
        ("[x]\n[" + "a . 'b'." * 40 + "b]", "over 32 parts .at line 2."),
        ("x = {" + "a." * 40 + "b = 1}", "over 32 parts"),
        ("x = " + "[" * 20_000, "nested too deeply"),
    ],
    ids=["a number without end", "dotted", "a head", "inline", "lists"],
)
def test_what_the_parser_cannot_take_names_the_file(tmp_path, text, said):
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said) as caught:
        read_toml(str(path))
    assert str(caught.value).startswith(f"{path}: ")


def test_dots_that_are_in_no_key_may_be_as_many_as_they_like(tmp_path):
    path = tmp_path / "x.toml"
    dots = "a." * 100
    path.write_text(f"x = [{'1.5, ' * 100}]\ny = '{dots}' # {dots}\nz = 1")
    assert read_toml(str(path)).lines == {("x",): 1, ("y",): 2, ("z",): 3}


def test_a_list_whose_lines_look_like_its_end_is_read_in_no_time(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text("meet = [\n" + '  "a@[::1]:7022",\n' * 12_000 + "]\nz = 1")
    assert read_toml(str(path)).lines == {("meet",): 1, ("z",): 12_003}


def test_a_mark_that_some_editors_begin_a_file_with_is_no_part_of_it(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text('name = "foo"\n', encoding="utf-8-sig")
    file = read_toml(str(path))
    assert (file.values, file.lines) == ({"name": "foo"}, {("name",): 1})


@pytest.mark.parametrize(
    "text",
    [
        'a = """x"""""',
        "a = '''x'''''",
        'a = """x\\"""\n["y"""',
        "a = '''x''\n[y'''",
        'a = "x\\"#[" # ["',
        "a = [ # ]\n 1]",
        "a = {b = [\n{c = '}'}]}",
        "'a#[' = 1",
    ],
)
def test_what_stands_in_text_ends_nothing(tmp_path, text):
    path = tmp_path / "x.toml"
    path.write_text(f"{text}\nlast = 1")
    assert read_toml(str(path)).lines["last",] == text.count("\n") + 2
