"""What `run` makes of its options."""

from __future__ import annotations

import pytest

from clusterkit.cli.output import Output
from clusterkit.cli.parser import parse
from clusterkit.cli.reading import UsageError
from clusterkit.cli.run import create_options
from clusterkit.cli.run_actors import load_actors, places
from clusterkit.cli.run_settings import run_settings
from clusterkit.errors import ConfigError


@pytest.fixture
def surroundings(tmp_path, monkeypatch):
    monkeypatch.setenv("CLUSTERKIT_COOKIE", "monster")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("sys.path", ["somewhere", *__import__("sys").path])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def options(line):
    values, output = parse(line.split()).values, Output()
    settings = run_settings(values, output.note)
    return create_options(settings, values.get("key"), output)


def load(*specs):
    return load_actors(places(specs))


def test_defaults_are_those_of_the_reference(surroundings):
    found = options("run foo")
    assert found["host"] is None  # 127.0.0.1, if it is not to be found
    assert found["port"] == 7022
    assert found["ring"] == "ring"
    assert found["cookie"] == b"monster"
    assert not {"rfactor", "pfactor", "config", "tls"} & set(found)


def test_the_membership_is_kept_by_default(surroundings):
    state = options("run foo --ring blue")["state"]
    assert state == surroundings / "state" / "clusterkit" / "blue" / "foo.state"
    assert state.parent.stat().st_mode & 0o077 == 0


def test_another_state_file_is_taken_as_it_is(surroundings):
    assert options("run foo --state here.state")["state"] == "here.state"
    assert not (surroundings / "state").exists()


def test_a_state_folder_that_cannot_be_made_is_a_setting_to_correct(surroundings):
    (surroundings / "state").write_text("in the way")
    with pytest.raises(ConfigError, match="--state"):
        options("run foo")


def test_an_impossible_factor_is_a_setting_to_correct(surroundings):
    with pytest.raises(ConfigError, match="rfactor"):
        options("run foo --rfactor 100000000")


def test_actors_are_found_in_the_current_folder(surroundings):
    code = "from clusterkit import GenServer\nclass Mine(GenServer): pass\n"
    (surroundings / "local_actors_for_this_test.py").write_text(code)
    found = load("mine=local_actors_for_this_test:Mine")
    assert found["mine"]().__class__.__name__ == "Mine"


def test_a_name_inside_a_class_can_be_given(surroundings):
    code = "from clusterkit import GenServer\nclass A:\n  class B(GenServer): pass\n"
    (surroundings / "nested_actors_for_this_test.py").write_text(code)
    found = load("b=nested_actors_for_this_test:A.B")
    assert found["b"].__qualname__ == "A.B"


@pytest.mark.parametrize("spec", ["x", "x=y", "x=:Y", "x=y:", "=y:Z:"])
def test_an_actor_in_another_form_is_refused(surroundings, spec):
    with pytest.raises((UsageError, ConfigError)):
        load(spec)


def test_two_actors_of_one_name_are_refused(surroundings):
    with pytest.raises(UsageError, match="two actors"):
        load("a=functools:partial", "a=functools:partial")


def test_a_node_that_is_to_be_found_listens_where_it_is_reached(surroundings):
    found = options("run foo --discover --dns nodes:7030 --srv _c._tcp.x --seed-file s")
    names = [source.name for source in found["discover"]]
    assert names == ["beacons", "dns", "dns_srv", "seed_file"]
    assert found["host"] is None
    assert options("run foo --discover --host 10.0.0.1")["host"] == "10.0.0.1"
    assert "discover" not in options("run foo")


def test_a_master_list_has_its_secret_from_the_environment(surroundings, monkeypatch):
    monkeypatch.setenv("CLUSTERKIT_MASTER_LIST_AUTH", "Bearer x")
    (source,) = options("run foo --master-list https://h/nodes.json")["discover"]
    assert source._auth == "Bearer x"
    with pytest.raises(ConfigError, match="URL"):
        options("run foo --master-list nonsense")
