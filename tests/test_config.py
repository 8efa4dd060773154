"""The configuration file: read, written, never harmed."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcsecond.config import clean_server, default_home, forget_login, load, store_login
from arcsecond.errors import ArcsecondInputValueError

A, B = "http://a.example", "http://b.example"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"ARCSECOND_CONFIG": str(tmp_path / "c.ini"), "ARCSECOND_HOME": str(tmp_path / "h")}


def test_flag_over_environment_over_file_over_default(env: dict[str, str]) -> None:
    assert load(environ=env).embedded
    store_login(load(A, environ=env), "ann", "key-a")
    assert load(environ=env).server == A
    assert load(environ=env | {"ARCSECOND_SERVER": B}).server == B
    assert load(A, environ=env | {"ARCSECOND_SERVER": B}).server == A
    assert load("embedded", environ=env).embedded
    assert load("embedded", environ=env | {"ARCSECOND_SERVER": B}).embedded


def test_a_key_is_sent_to_the_server_that_issued_it_alone(env: dict[str, str]) -> None:
    store_login(load(A, environ=env), "ann", "key-a")
    assert load(environ=env).key == load(A + "/", environ=env).key == "key-a"
    assert load(B, environ=env).key == load("embedded", environ=env).key == ""
    assert load(B, environ=env | {"ARCSECOND_KEY": "k"}).key == "k"
    assert load(B, "given", environ=env).key == "given"


def test_what_others_wrote_stays(env: dict[str, str]) -> None:
    path = Path(env["ARCSECOND_CONFIG"])
    path.write_text("[debug]\nusername = x\n\n[main]\nmine = 100%\n")
    store_login(load(environ=env), "ann", "k")
    assert load(environ=env).username == "ann"
    forget_login(load(environ=env))
    text = path.read_text()
    assert "mine = 100%" in text
    assert "[debug]" in text
    assert "ann" not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_older_clients_key_is_sent_to_nobody(env: dict[str, str]) -> None:
    """It belongs to a server that the file does not name; signing in keeps the rest."""
    path = Path(env["ARCSECOND_CONFIG"])
    path.write_text("[main]\nusername = ann\napi_key = abc\nscience = member\n")
    for server in (None, "https://elsewhere.example"):
        config = load(server, environ=env)
        assert (config.username, config.key) == ("", "")
    store_login(load(environ=env), "bob", "k")
    assert (load(environ=env).username, load(environ=env).key) == ("bob", "k")
    assert "science = member" in path.read_text()


def test_a_link_stays_a_link(env: dict[str, str], tmp_path: Path) -> None:
    real = tmp_path / "real.ini"
    real.write_text("")
    Path(env["ARCSECOND_CONFIG"]).symlink_to(real)
    store_login(load(environ=env), "ann", "k")
    assert Path(env["ARCSECOND_CONFIG"]).is_symlink()
    assert "ann" in real.read_text()


@pytest.mark.parametrize("content", [b"no section", b"[main\n", b"\xff\xfe", b"[main]\n[main]\n"])
def test_a_broken_file_is_said_and_left_alone(content: bytes, env: dict[str, str]) -> None:
    path = Path(env["ARCSECOND_CONFIG"])
    path.write_bytes(content)
    with pytest.raises(ArcsecondInputValueError, match="cannot be read"):
        load(environ=env)
    assert path.read_bytes() == content


def test_a_place_that_cannot_be_written(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    elsewhere = env | {"ARCSECOND_CONFIG": str(tmp_path / "file" / "c.ini")}
    with pytest.raises(ArcsecondInputValueError, match="cannot be"):
        store_login(load(environ=elsewhere), "ann", "k")


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40).filter(str.strip))
def test_any_name_comes_back(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    env = {"ARCSECOND_CONFIG": str(tmp_path_factory.mktemp("c") / "c.ini")}
    store_login(load(environ=env), name.strip(), "k")
    assert load(environ=env).username == name.strip()


@pytest.mark.parametrize(
    ("address", "clean"),
    [
        ("localhost:8000", "http://localhost:8000"),
        ("https://x.org/a/", "https://x.org/a"),
        ("", ""),
    ],
)
def test_addresses(address: str, clean: str) -> None:
    assert clean_server(address) == clean


@pytest.mark.parametrize(
    "address", ["ftp://x", "http://", "http://x:99999", "http://x/?q", "http://["]
)
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(ArcsecondInputValueError):
        clean_server(address)


def test_the_data_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_home({"ARCSECOND_HOME": "/x"}) == Path("/x")
    for platform, end in (("linux", "arcsecond"), ("darwin", "arcsecond"), ("win32", "arcsecond")):
        monkeypatch.setattr("sys.platform", platform)
        assert default_home({}).name == end
    monkeypatch.setattr("sys.platform", "linux")
    assert default_home({"XDG_DATA_HOME": "/d"}) == Path("/d/arcsecond")
