"""A file of settings that the parser itself gives up on is an error as any other."""

from __future__ import annotations

import pytest

from clusterkit.errors import ConfigError
from clusterkit.settings.toml_file import read_toml


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("port = " + "9" * 5000, "digits"),
        ("a." * 3000 + "b = 1", "nested too deeply"),
        ("x = " + "[" * 20_000, "nested too deeply"),
    ],
    ids=["a number without end", "dotted", "lists"],
)
def test_what_the_parser_cannot_take_names_the_file(tmp_path, text, said):
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said) as caught:
        read_toml(str(path))
    assert str(caught.value).startswith(f"{path}: ")
