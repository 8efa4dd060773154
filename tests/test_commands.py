"""Every command line of the promise, against a running server and embedded."""

from __future__ import annotations

import configparser
import os
import stat
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from arcsecond.version import __version__
from tests.conftest import ASTROPY_FRAMES, PASSWORD, SHARED, Command, fits_bytes

PARANAL = "0c8dbe8d-9b50-53a3-9382-cecec71f9ec6"
KUEYEN = "5b87fc64-91bc-55ba-92c7-ba7f9fe53c9c"
TLE = """ISS (ZARYA)
1 25544U 98067A   08264.51782528 -.00002182  00000-0 -11606-4 0  2927
2 25544  51.6416 247.4627 0006703 130.5360 325.0288 15.72125391563537
"""


def ini(path: str | None = None) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(path or os.environ["ARCSECOND_CONFIG"])
    return dict(parser["main"]) if parser.has_section("main") else {}


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A browser that notes what it is asked to open."""
    notes = tmp_path / "opened.txt"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >> "{notes}"\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(browser))
    import webbrowser

    monkeypatch.setattr(webbrowser, "_tryorder", None)
    monkeypatch.setattr(webbrowser, "_browsers", {})
    return notes


class TestTheCommandItself:
    def test_alone_it_shows_its_help(self, command: Command) -> None:
        done = command()
        assert done.status == 0
        assert "Usage: arcsecond" in done.out + done.err

    def test_help_lists_the_commands(self, command: Command) -> None:
        done = command("--help")
        assert done.status == 0
        for name in ("objects", "fitsfiles", "activities", "login", "serve"):
            assert f"\n  {name}" in done.out

    def test_version_is_bare(self, command: Command) -> None:
        assert command("--version").out == __version__ + "\n"

    def test_every_command_has_help_with_an_example(self, command: Command) -> None:
        from arcsecond.cli.main import cli

        for name in cli.commands:
            done = command(name, "--help")
            assert done.status == 0
            if name != "server":  # a group: its commands have theirs
                assert "Example: arcsecond" in done.out or 'Example: eval "$(arcs' in done.out, name

    def test_a_misspelt_command_suggests_the_right_one(self, command: Command) -> None:
        done = command("objcts", "M 31")
        assert done.status == 2
        assert "Did you mean `arcsecond objects`?" in done.err

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_completion(self, shell: str, command: Command) -> None:
        assert "_ARCSECOND_COMPLETE" in command("completion", shell).out

    @pytest.mark.parametrize(
        ("words", "completed"),
        [("arcsecond obs", "observingsites"), ("arcsecond datasets cr", "create"),
         ("arcsecond satellites imp", "import"), ("arcsecond fitsfiles --fi", "--file")],
    )  # fmt: skip
    def test_words_are_completed(self, words: str, completed: str) -> None:
        asked = {"_ARCSECOND_COMPLETE": "bash_complete", "COMP_WORDS": words}
        environ = {**os.environ, **asked, "COMP_CWORD": str(len(words.split()) - 1)}
        command = [sys.executable, "-m", "arcsecond"]
        done = subprocess.run(command, env=environ, capture_output=True, text=True)
        assert completed in done.stdout

    def test_alone_help_and_version_as_whole_processes(self) -> None:
        command = [sys.executable, "-m", "arcsecond"]
        for words, said in (([], "Usage"), (["--help"], "Usage"), (["--version"], __version__)):
            done = subprocess.run([*command, *words], capture_output=True, text=True, check=True)
            assert said in done.stdout


class TestAccounts:
    def test_register_then_me_then_logout(self, world: str, command: Command) -> None:
        name = f"eve{uuid.uuid4().hex[:8]}"
        done = command(
            "register", "--username", name, "--email", f"{name}@localhost",
            "--password1", PASSWORD, "--password2", PASSWORD,
        )  # fmt: skip
        assert (done.status, done.out) == (0, ""), done.err
        assert ini()["username"] == name
        assert len(ini()["api_key"]) == 32
        assert stat.S_IMODE(Path(os.environ["ARCSECOND_CONFIG"]).stat().st_mode) == 0o600
        me = command("me")
        assert (me.status, me.json["username"]) == (0, name)
        assert command("logout").status == 0
        assert "api_key" not in ini()
        after = command("me")
        if world == "embedded":
            assert after.json["is_local_owner"]
        else:
            assert after.status == 4
            assert "arcsecond login" in after.err

    def test_login_ways(self, arcsecond: Command) -> None:
        name = f"kim{uuid.uuid4().hex[:8]}"
        arcsecond(
            "register", "--username", name, "--email", f"{name}@localhost", "--password-stdin",
            stdin=PASSWORD + "\n",
        )  # fmt: skip
        key = ini()["api_key"]
        arcsecond("logout")
        assert arcsecond("login", "--username", name, "--password", PASSWORD).status == 0
        assert ini()["api_key"] == key
        arcsecond("logout")
        done = arcsecond("login", "--username", name, "--password-stdin", stdin=PASSWORD + "\n")
        assert done.status == 0
        arcsecond("logout")
        by_mail = arcsecond("login", "--username", f"{name}@localhost", "--password", PASSWORD)
        assert by_mail.status == 0
        assert ini()["username"] == name
        arcsecond("logout")
        assert arcsecond("login", "--key", key).status == 0
        assert arcsecond("me").json["username"] == name

    def test_login_again_overwrites_the_key(self, arcsecond: Command) -> None:
        for name in (f"p{uuid.uuid4().hex[:8]}", f"q{uuid.uuid4().hex[:8]}"):
            arcsecond(
                "register", "--username", name, "--email", f"{name}@localhost",
                "--password1", PASSWORD, "--password2", PASSWORD,
            )  # fmt: skip
            assert arcsecond("me").json["username"] == name

    def test_a_failed_login_leaves_the_file_as_it_was(self, arcsecond: Command) -> None:
        path = Path(os.environ["ARCSECOND_CONFIG"])
        path.write_bytes(
            b"# mine\n[other]\nx = 1%\n" + (path.read_bytes() if path.exists() else b"")
        )
        before = path.read_bytes()
        wrong = arcsecond("login", "--username", "nobody", "--password", "wrong-wrong")
        assert wrong.status == 1
        assert "Unable to log in with provided credentials." in wrong.err
        assert arcsecond("login", "--key", "0" * 32).status == 4
        assert path.read_bytes() == before

    def test_a_key_in_the_environment_replaces_the_stored_one(
        self, arcsecond: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = f"env{uuid.uuid4().hex[:8]}"
        arcsecond(
            "register", "--username", name, "--email", f"{name}@localhost",
            "--password1", PASSWORD, "--password2", PASSWORD,
        )  # fmt: skip
        key = ini()["api_key"]
        arcsecond("logout")
        monkeypatch.setenv("ARCSECOND_KEY", key)
        assert arcsecond("me").json["username"] == name

    @pytest.mark.parametrize(
        ("field", "value", "said"),
        [
            ("--email", "nonsense", "email"),
            ("--password2", "different-9", "didn't match"),
            ("--password1", "short", "too short"),
            ("--password1", "1234567890123", "numeric"),
            ("--username", "a/b", "Letters, digits"),
        ],
    )
    def test_a_bad_registration_says_why(
        self, field: str, value: str, said: str, world: str, command: Command
    ) -> None:
        given = {
            "--username": f"z{uuid.uuid4().hex[:8]}",
            "--email": f"z{uuid.uuid4().hex[:8]}@localhost",
            "--password1": PASSWORD,
            "--password2": PASSWORD,
            field: value,
        }
        done = command("register", *[word for pair in given.items() for word in pair])
        assert done.status == 1
        assert said in done.err
        assert not Path(os.environ["ARCSECOND_CONFIG"]).exists()

    def test_a_taken_username(self, arcsecond: Command) -> None:
        given = ["--password1", PASSWORD, "--password2", PASSWORD]
        name = f"dup{uuid.uuid4().hex[:8]}"
        assert (
            arcsecond("register", "--username", name, "--email", f"{name}@localhost", *given).status
            == 0
        )
        again = arcsecond("register", "--username", name.upper(), "--email", "n@localhost", *given)
        assert again.status == 1
        assert "already exists" in again.err


class TestLookups:
    def test_objects(self, arcsecond: Command) -> None:
        found = arcsecond("objects", "HD 5980").json
        assert found["name"] == "HD 5980"
        assert found["coordinates"]["right_ascension"] == pytest.approx(14.8607, abs=2e-3)
        assert found["coordinates"]["system"] == "ICRS"

    def test_names_work_unquoted_and_by_alias(self, arcsecond: Command) -> None:
        assert arcsecond("objects", "HD", "5980").json["name"] == "HD 5980"
        assert arcsecond("o", "hd5980").json["name"] == "HD 5980"

    def test_an_unknown_object(self, arcsecond: Command) -> None:
        done = arcsecond("objects", "HD 59801")
        assert (done.status, done.out) == (1, "")
        assert "'HD 59801' not found" in done.err
        assert "HD 5980" in done.err

    def test_searching_and_looking_around(
        self, arcsecond: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = arcsecond("objects", "search", "whirl").json["results"]
        assert [item["name"] for item in found] == ["M 51"]
        found = arcsecond("objects", "--around", "83.82,-5.39", "--radius", "0.5").json["results"]
        for radius in ("30arcmin", "1800arcsec", "0.5deg", "30'"):
            words = ("objects", "--around", "83.82,-5.39", "--radius", radius)
            assert arcsecond(*words).json["results"] == found
        away = [item["separation"] for item in found]
        assert found[0]["name"] == "M 42"
        assert away == sorted(away)
        assert max(away) <= 0.5
        both = arcsecond("objects", "search", "theta1", "--around", "83.82,-5.39").json["results"]
        assert {f"theta1 Ori {c}" for c in "ABCD"} <= {item["name"] for item in both}
        assert all("theta1 Ori" in item["name"] for item in both)
        for place in ("6 45 8.9 -16 42 58", "06:45:08.9 -16:42:58", "06h45m08.9s −16°42′58″",
                      "101.287 -16.716", "101.287,-16.716"):  # fmt: skip
            there = arcsecond("objects", place).json
            assert there["name"] == "Sirius"
            assert there["separation"] < 0.001
        assert arcsecond("objects", "10:08:22 +12:01:45").json["name"] == "Regulus"
        for place in ("M42", "05h35m16.48s -05°23′22.8″", "83.82 -5.39", "83.82,-5.39"):
            near = arcsecond("objects", "--around", place, "--radius", "0.1").json["results"]
            assert "M 42" in [item["name"] for item in near]
        assert arcsecond("standardstars", "Vega", "1").json[0]["separation"] > 0
        planets = arcsecond("exoplanets", "search", "dimid").json["results"]
        assert [item["name"] for item in planets] == ["51 Peg b"]
        monkeypatch.setenv("ARCSECOND_FORCE_TTY", "1")
        assert "Away (deg)" in arcsecond("objects", "--around", "83.82,-5.39").out
        assert "Away (deg)" not in arcsecond("objects", "search", "theta1").out

    @pytest.mark.parametrize(
        ("words", "status", "said"),
        [
            (["--around", "here"], 1, "write RA,DEC"),
            (["--around", "10,100"], 1, "from -90 to 90"),
            (["--around", "nan,0"], 1, "from 0 to 360"),
            (["Jupiter"], 1, "'Jupiter' moves among the stars"),
            (["--around", "10,10", "--radius", "0"], 1, "more than 0 and at most 180"),
            (["--around", "10,10", "--radius", "5km"], 1, "30arcmin"),
            (["--around", "10,10", "--radius", "-1"], 1, "more than 0 and at most 180"),
            (["--around", "10,10", "--radius", "200"], 1, "more than 0 and at most 180"),
            (["--around", "10,10", "--radius", "wide"], 1, "more than 0 and at most 180"),
            (["--radius", "1"], 1, "needs a position"),
            (["16:16:16 -85:05:05"], 1, "the nearest is"),
            (["25:00:00 +10:00:00"], 1, "from 0 to 360"),
            (["10:61:00 +10:00:00"], 1, "60 or more"),
            (["search"], 2, "Search for what?"),
            (["M31", "--radius", "1"], 2, "goes with a list"),
            (["search", "M", "--open"], 2, "goes with a list"),
            (["x" * 10_000], 1, "not found"),
            ([""], 2, "An empty name finds nothing."),
            (["  "], 2, "An empty name finds nothing."),
            (["O'Meara / 100 %"], 1, "not found"),
        ],
    )
    def test_what_is_no_place_and_no_search(
        self, words: list[str], status: int, said: str, arcsecond: Command
    ) -> None:
        done = arcsecond("objects", *words)
        assert done.status == status
        assert said in done.err
        assert done.out == ""

    def test_what_other_catalogues_know_is_an_object_too(self, arcsecond: Command) -> None:
        host = arcsecond("objects", "kepler 186").json
        assert (host["name"], len(host["planets"])) == ("Kepler-186", 5)
        assert host["source"].startswith("NASA Exoplanet Archive")
        standard = arcsecond("objects", "feige 34").json
        assert standard["fluxes"][0]["bibcode"] != ""
        planet = arcsecond("objects", "WASP-12 b")
        assert (planet.status, planet.out) == (1, "")
        assert "'WASP-12 b' is an exoplanet" in planet.err
        assert "Nearest names: Sirius" in arcsecond("objects", "Sirus").err
        assert arcsecond("objects", "61 Cyg").json["also"] == ["HR 8086"]
        for name, planet_name in (("mu Ara c", "HD 160691 c"), ("rho1 Cnc e", "55 Cnc e")):
            assert arcsecond("exoplanets", name).json["name"] == planet_name
        assert arcsecond("exoplanets", "--method", "transit").json["count"] > 3_000
        dated = arcsecond("exoplanets", "HD 209458 b", "--transits", "--date", "9999-12-31")
        assert (dated.status, "from 1972 to 2099" in dated.err) == (1, True)
        smc = arcsecond("objects", "SMC").json
        assert smc["distance"]["bibcode"].startswith("Graczyk")
        assert smc["source"].startswith("OpenNGC")

    def test_a_list_is_one_page_or_everything(
        self, arcsecond: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        words = ("objects", "--around", "83.82,-5.39", "--radius", "4")
        page, everything = arcsecond(*words).json, arcsecond(*words, "--all").json
        assert page["count"] == len(everything) > len(page["results"])
        assert everything[: len(page["results"])] == page["results"]
        monkeypatch.setenv("ARCSECOND_FORCE_TTY", "1")
        shown = arcsecond(*words)
        assert f"{len(everything)} in all; this is the first page, --all shows" in shown.err
        quiet = arcsecond(*words, "--all", "--quiet").out.split("\n")
        assert len(quiet) == len(everything) + 1
        assert arcsecond("objects", "M31", "--all").status == 2

    def test_exoplanets(self, arcsecond: Command) -> None:
        for name in ("51 Peg b", "51 Pegasi b", "dimidium"):
            assert arcsecond("exoplanets", name).json["name"] == "51 Peg b"
        assert arcsecond("exoplanets", "51 Peg b").json["mass"]["unit"] == "M_jup"
        assert arcsecond("objects", "HD 209458").json["planets"] == ["HD 209458 b"]

    def test_exoplanets_of_a_kind(self, arcsecond: Command) -> None:
        def names(*words: str) -> list[str]:
            return [planet["name"] for planet in arcsecond("exoplanets", *words, "--all").json]

        assert names("--host", "TRAPPIST-1") == [f"TRAPPIST-1 {letter}" for letter in "bcdefgh"]
        assert names("--host", "HIP 113357") == ["51 Peg b"]
        assert "51 Eri b" in names("--method", "imaging")
        hot = names("--transiting", "true", "--period", "..1", "--mass", "2..")
        assert "WASP-18 b" in hot
        assert len(hot) < 20
        assert names("--transiting", "false", "--host", "WASP-12") == []
        assert "WASP-12 b" in names("--radius", "1.7..", "--mass", "1..2", "search", "WASP")
        for words, said in (
            (["--transiting", "maybe"], "neither true nor false"),
            (["--mass", "heavy"], "no range"),
            (["--mass", "2..1"], "ends before it begins"),
            (["--mass", ".."], "no range"),
            (["--radius", "nan"], "no range"),
        ):
            done = arcsecond("exoplanets", *words)
            assert (done.status, done.out) == (1, "")
            assert said in done.err

    def test_standard_stars(self, arcsecond: Command) -> None:
        near = arcsecond("standardstars", "83.82,-5.39", "3").json
        assert len(near) == 3
        assert [s["separation"] for s in near] == sorted(s["separation"] for s in near)
        assert len(arcsecond("standardstars", "0,-90").json) == 5
        assert arcsecond("standardstars").json
        for words, status in ((["here"], 1), (["1,2", "none"], 1), (["1,2", "3", "4"], 2)):
            assert arcsecond("standardstars", *words).status == status

    def test_catalogues(self, arcsecond: Command) -> None:
        keys = [c["key"] for c in arcsecond("catalogues").json]
        assert {"well-known", "openngc", "hipparcos", "nasa-2019"} <= set(keys)
        shown = arcsecond("catalogues", "openngc").json
        assert shown["rows"] > 13_000
        assert shown["licence"] == "CC-BY-SA-4.0"
        assert shown["age_days"] == 0
        assert arcsecond("catalogues", "nasa-2019").json["age_days"] > 2_700  # data of 2019
        assert arcsecond("catalogues", "nonsense").status == 1

    def test_findingcharts(self, arcsecond: Command) -> None:
        charts = arcsecond("findingcharts", "HD 5980").json
        assert len(charts) == 1
        assert charts[0]["image_url"].endswith("/findingcharts/HD%205980/chart.png")
        assert arcsecond("findingcharts").status == 2

    def test_satellites_start_empty_and_can_be_imported(
        self, arcsecond: Command, world: str, tmp_path: Path
    ) -> None:
        empty = arcsecond("satellites")
        assert (empty.status, empty.out) == (0, "[]\n")
        assert "arcsecond satellites import FILE" in empty.err
        elements = tmp_path / "iss.tle"
        elements.write_text(TLE)
        done = arcsecond("satellites", "import", str(elements))
        if world == "served":  # a user of somebody else's server may not
            assert done.status == 1
            assert "administrator" in done.err
            return
        assert done.json["added"] == 1
        assert arcsecond("satellites", "25544").json["name"] == "ISS (ZARYA)"
        assert arcsecond("satellites", "import", str(elements)).json["unchanged"] == 1
        elements.write_text(TLE.replace("2927", "2928"))
        wrong = arcsecond("satellites", "import", str(elements))
        assert wrong.status == 1
        assert "Line 2" in wrong.err
        assert len(arcsecond("satellites").json) == 1
        assert arcsecond("satellites", "99999").status == 1

    @pytest.mark.parametrize("name", ["observingsites", "telescopes", "instruments"])
    def test_the_directory(self, name: str, arcsecond: Command) -> None:
        listed = arcsecond(name).json
        assert len(listed) > 60
        one = arcsecond(name, listed[0]["uuid"]).json
        for each in (one, listed[0]):
            each.pop("local_time", None)
        assert one == listed[0]
        assert arcsecond(name, "read", listed[0]["uuid"]).json["uuid"] == one["uuid"]
        for wrong in ("nonsense", str(uuid.uuid4())):
            assert arcsecond(name, wrong).status == 1
        acronym = listed[0]["acronym"] or listed[0]["name"]
        assert arcsecond(name, *acronym.split()).json["uuid"] == listed[0]["uuid"]

    def test_profiles(self, arcsecond: Command) -> None:
        me = arcsecond("me").json["username"]
        assert me in [p["username"] for p in arcsecond("profiles").json["results"]]
        assert arcsecond("profiles", me).json["username"] == me
        assert arcsecond("profiles", "nobody-at-all").status == 1


class TestOpening:
    @pytest.mark.parametrize(
        ("words", "path"),
        [
            (("objects", "HD 5980", "--open"), "/objects/HD%205980/"),
            (("o", "HD 5980", "--open", "api"), "/objects/HD%205980/?format=api"),
            (("exoplanets", "51 Peg b", "--open"), "/exoplanets/51%20Peg%20b/"),
            (("exoplanets", "51 Peg b", "--open", "api"), "/exoplanets/51%20Peg%20b/?format=api"),
            (("objects", "--open", "HD", "5980"), "/objects/HD%205980/"),
        ],
    )
    def test_opens_the_page(
        self, words: tuple[str, ...], path: str, arcsecond: Command, world: str, opened: Path,
        shared_servers: object, monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        if world == "embedded":
            # Starting a server for the pages is tested once, in test_serve.py.
            monkeypatch.setattr("arcsecond.cli.browser._running", lambda api: "http://127.0.0.1:9")
        done = arcsecond(*words)
        assert done.status == 0, done.err
        address = opened.read_text().strip()
        if world == "embedded":
            from urllib.parse import parse_qs, urlsplit

            assert urlsplit(address).path == "/login"
            assert parse_qs(urlsplit(address).query)["next"] == [path]
        else:
            assert address == os.environ["ARCSECOND_SERVER"] + path

    def test_what_does_not_exist_is_not_opened(
        self, arcsecond: Command, opened: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("arcsecond.cli.browser._running", lambda api: "http://127.0.0.1:9")
        assert arcsecond("objects", "HD 59801", "--open").status == 1
        assert not opened.exists()


class TestDatasets:
    def test_from_creation_to_deletion(self, arcsecond: Command) -> None:
        name = "this is a new dataset"
        made = arcsecond("datasets", "create", "--name", name).json
        key = made["uuid"]
        assert made["name"] == name
        assert not made["is_public"]
        assert arcsecond("datasets").json[0]["uuid"] == key
        assert arcsecond("datasets", "read").json[0]["uuid"] == key
        assert arcsecond("datasets", "read", key).json == made
        assert arcsecond("datasets", key).json == made
        changed = arcsecond("datasets", "update", key, "--name", "another", "--is_public").json
        assert (changed["name"], changed["is_public"]) == ("another", True)
        assert arcsecond("datasets", "--quiet").out.split()[0] == key
        assert arcsecond("datasets", "delete", key).out == "{}\n"
        assert arcsecond("datasets", "read", key).status == 1

    @pytest.mark.parametrize("key", ["..", ".", " .. ", ""])
    def test_a_key_that_leads_elsewhere_touches_nothing(
        self, key: str, arcsecond: Command, frame: Path
    ) -> None:
        dataset = arcsecond("datasets", "create", "--name", "kept").json["uuid"]
        arcsecond("fitsfiles", dataset, "create", "--file", str(frame))
        for words in (
            ("fitsfiles", dataset, "delete", key, "--yes"),
            ("fitsfiles", dataset, "update", key, "--name", "x"),
            ("fitsfiles", dataset, "read", key),
        ):
            assert arcsecond(*words).status == 2, words
        for words in (
            ("datasets", "delete", key, "--yes"),
            ("datasets", "read", key),
            ("fitsfiles", key),
        ):
            assert arcsecond(*words).status == (1 if key else 2), words  # a name that nothing has
        assert arcsecond("datasets", dataset).json["name"] == "kept"
        assert len(arcsecond("fitsfiles", dataset).json) == 1

    def test_opening_does_not_go_with_writing(self, arcsecond: Command) -> None:
        for words in (
            ("activities", "create", "--title", "lost?", "--open"),
            ("datasets", "delete", str(uuid.uuid4()), "--open"),
        ):
            done = arcsecond(*words)
            assert done.status == 2
            assert "--open" in done.err

    def test_a_misspelt_verb_suggests_the_right_one(self, arcsecond: Command) -> None:
        done = arcsecond("datasets", "crate", "--name", "x")
        assert done.status == 2
        assert "Did you mean `create`?" in done.err
        assert arcsecond("objects", "read", "HD 5980").json["name"] == "HD 5980"

    def test_the_server_may_be_named_before_the_command(
        self, arcsecond: Command, world: str
    ) -> None:
        server = os.environ.get("ARCSECOND_SERVER", "embedded")
        assert arcsecond("--server", server, "datasets").status == 0
        assert arcsecond("--server", "http://127.0.0.1:9", "datasets").status == 4

    def test_misuse(self, arcsecond: Command) -> None:
        assert arcsecond("datasets", "create").status == 1
        for words in (
            ("datasets", "update"),
            ("datasets", "delete"),
            ("datasets", "update", str(uuid.uuid4())),
            ("datasets", "create", "stray", "--name", "x"),
            ("datasets", "read", "a", "b"),
            ("datasets", "--description", "x"),
            ("datasets", "--nonsense"),
        ):
            assert arcsecond(*words).status == 2, words
        for wrong in ("nonsense", str(uuid.uuid4())):
            done = arcsecond("datasets", "update", wrong, "--name", "x")
            assert done.status == 1
            assert "not found" in done.err

    @pytest.mark.parametrize("name", ["observingruns", "nightlogs"])
    def test_runs_and_logs(self, name: str, arcsecond: Command) -> None:
        given = ["--date", "2026-11-21"] if name == "nightlogs" else ["--name", "Winter"]
        made = arcsecond(name, "create", *given, "--journal", "clear sky").json
        assert made["journal"] == "clear sky"
        assert arcsecond(name).json[0] == made
        assert arcsecond(name, made["uuid"]).json == made
        changed = arcsecond(name, "update", made["uuid"], "--journal", "clouds").json
        assert changed["journal"] == "clouds"
        assert arcsecond(name, "delete", made["uuid"]).status == 0
        assert arcsecond(name, made["uuid"]).status == 1


class TestFiles:
    @pytest.fixture
    def dataset(self, arcsecond: Command) -> str:
        return str(arcsecond("datasets", "create", "--name", "frames").json["uuid"])

    def test_from_upload_to_deletion(
        self, arcsecond: Command, dataset: str, frame: Path, tmp_path: Path
    ) -> None:
        made = arcsecond("fitsfiles", dataset, "create", "--file", str(frame)).json
        pk = str(made["pk"])
        assert (made["name"], made["target"], made["exposure"]) == ("frame.fits", "HD 5980", 30.0)
        assert made["size"] == frame.stat().st_size
        assert [f["pk"] for f in arcsecond("fitsfiles", dataset).json] == [made["pk"]]
        read = arcsecond("fitsfiles", dataset, "read", pk).json
        assert read["hdus"][0]["header"]["OBJECT"] == "HD 5980"
        named = arcsecond("fitsfiles", dataset, "update", pk, "--name", "other.fits").json
        assert (named["pk"], named["name"]) == (made["pk"], "other.fits")
        from tests.conftest import fits_bytes

        better = tmp_path / "better.fits"
        better.write_bytes(fits_bytes(OBJECT="M 31"))
        replaced = arcsecond("fitsfiles", dataset, "update", pk, "--file", str(better)).json
        assert (replaced["pk"], replaced["name"]) == (made["pk"], "other.fits")
        assert (replaced["target"], replaced["version"]) == ("M 31", 2)
        assert arcsecond("fitsfiles", dataset, "delete", pk).status == 0
        assert arcsecond("fitsfiles", dataset, "read", pk).status == 1
        assert arcsecond("fitsfiles", dataset).json == []

    def test_the_same_file_again_is_said(
        self, arcsecond: Command, dataset: str, frame: Path
    ) -> None:
        first = arcsecond("fitsfiles", dataset, "create", "--file", str(frame))
        assert first.err == ""
        again = arcsecond("fitsfiles", dataset, "create", "--file", str(frame))
        assert again.json == first.json
        assert "was there already" in again.err

    def test_a_damaged_file_is_told(
        self, arcsecond: Command, dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "cut.fits"
        path.write_bytes(fits_bytes((100, 100))[:9000])
        for how in ([], ["--quiet"], ["--json"]):
            done = arcsecond("fitsfiles", dataset, "create", "--file", str(path), *how)
            assert done.status == 0
            assert "cut.fits is kept, and damaged: " in done.err
        monkeypatch.setenv("ARCSECOND_FORCE_TTY", "1")
        shown = arcsecond("fitsfiles", dataset, "read", "cut.fits")
        assert "Problems" in shown.out
        assert "bytes are there" in " ".join(shown.out.split())
        assert "Problems" in arcsecond("fitsfiles", dataset).out

    def test_the_option_is_named_for_a_bare_path(self, arcsecond: Command, dataset: str) -> None:
        done = arcsecond("fitsfiles", dataset, "create", "a.fits")
        assert done.status == 2
        assert "write --file a.fits" in done.err

    def test_a_name_that_is_no_text(self, arcsecond: Command, dataset: str, tmp_path: Path) -> None:
        path = os.fsencode(tmp_path) + b"/caf\xe9.fits"
        Path(os.fsdecode(path)).write_bytes(b"x")
        done = arcsecond("fitsfiles", dataset, "create", "--file", os.fsdecode(path))
        assert done.status == 2
        assert "cannot be sent" in done.err

    def test_misuse(self, arcsecond: Command, dataset: str, tmp_path: Path) -> None:
        assert arcsecond("fitsfiles").status == 2
        unknown = arcsecond("fitsfiles", str(uuid.uuid4()))
        assert "Type `arcsecond datasets`" in unknown.err
        missing = arcsecond("fitsfiles", dataset, "create", "--file", str(tmp_path / "none.fits"))
        assert missing.status == 2
        assert "No such file" in missing.err
        assert arcsecond("fitsfiles", dataset, "create", "--file", str(tmp_path)).status == 2
        assert arcsecond("fitsfiles", dataset, "create").status == 1
        assert arcsecond("fitsfiles", str(uuid.uuid4())).status == 1
        text = tmp_path / "text.fits"
        text.write_text("not a frame")
        refused = arcsecond("fitsfiles", dataset, "create", "--file", str(text))
        assert refused.status == 1
        assert "no FITS signature" in refused.err

    @pytest.mark.skipif(not SHARED.exists(), reason="shared data are not beside this clone")
    def test_a_real_frame(self, arcsecond: Command, dataset: str) -> None:
        path = SHARED / "fits" / "imagers" / "hst_acs_j94f05bgq_flt.fits"
        made = arcsecond("fitsfiles", dataset, "create", "--file", str(path)).json
        assert (made["target"], made["filter"], made["instrument"]) == ("NGC104", "F606W", "ACS")
        assert len(made["hdus"]) == 7


class TestHeaders:
    """The headers of a file: whole, of one HDU, or what a keyword says."""

    @pytest.fixture
    def of(self, arcsecond: Command) -> tuple[str, str]:
        dataset = str(arcsecond("datasets", "create", "--name", "frames").json["uuid"])
        path = str(ASTROPY_FRAMES / "o4sp040b0_raw.fits")
        made = arcsecond("fitsfiles", dataset, "create", "--file", path).json
        return dataset, str(made["pk"])

    def test_all_of_them(self, arcsecond: Command, of: tuple[str, str]) -> None:
        lines = arcsecond("fitsfiles", *of, "--header").out.splitlines()
        titles = [line for line in lines if line.startswith("# ")]
        assert titles[:3] == ["# HDU 0 PRIMARY", "# HDU 1 SCI", "# HDU 2 ERR"]
        assert "TARGNAME= 'HD101998                      ' / proposer's target name" in lines
        told = arcsecond("fitsfiles", *of, "--header", "--json").json
        assert [(h["index"], h["name"]) for h in told][:2] == [(0, "PRIMARY"), (1, "SCI")]
        assert told[0]["header"]["TARGNAME"] == "HD101998"

    @pytest.mark.parametrize("hdu", ["1", "sci"])
    def test_one_of_them(self, arcsecond: Command, of: tuple[str, str], hdu: str) -> None:
        dataset, pk = of
        shown = arcsecond("fitsfiles", dataset, "read", pk, "--hdu", hdu).out
        assert shown.startswith("XTENSION= 'IMAGE   '")
        assert "# HDU" not in shown

    def test_what_keywords_say(self, arcsecond: Command, of: tuple[str, str]) -> None:
        asked = ("--keyword", "targname", "--keyword", "SUBARRAY", "--keyword", "exptime")
        assert arcsecond("fitsfiles", *of, *asked).out == "HD101998\nF\n30.0\n"
        told = arcsecond("fitsfiles", *of, *asked, "--json").json
        assert told == {"targname": "HD101998", "SUBARRAY": False, "exptime": 30.0}
        inside = arcsecond("fitsfiles", *of, "--hdu", "4", "--keyword", "EXTVER")
        assert inside.out == "2\n"

    @pytest.mark.parametrize(
        "spelt", ["ESO.OBS.TARG.NAME", "eso obs targ name", "header.ESO.OBS.TARG.NAME"]
    )
    def test_keywords_of_several_words(
        self, arcsecond: Command, spelt: str, tmp_path: Path
    ) -> None:
        frame = tmp_path / "eso.fits"
        frame.write_bytes(fits_bytes(**{"HIERARCH ESO OBS TARG NAME": "M 31"}))
        dataset = str(arcsecond("datasets", "create", "--name", "Paranal").json["uuid"])
        arcsecond("fitsfiles", dataset, "create", "--file", str(frame))
        said = arcsecond("fitsfiles", dataset, "read", "eso.fits", "--keyword", spelt)
        assert said.out == "M 31\n"

    def test_datasets_by_name(self, arcsecond: Command, of: tuple[str, str]) -> None:
        by_name = arcsecond("fitsfiles", "frames", "--json")
        assert [str(one["pk"]) for one in by_name.json] == [of[1]]
        shown = arcsecond("fitsfiles", "frames", of[1], "--keyword", "TARGNAME")
        assert shown.out == "HD101998\n"
        assert arcsecond("fitsfiles", "frames", "reindex").status == 0
        for words in (("nothing",), ("nothing", "reindex"), ("nothing", "1", "--out", "a.png")):
            missing = arcsecond("fitsfiles", *words)
            assert missing.status == 1
            assert "Dataset 'nothing' not found." in missing.err
        renamed = arcsecond("datasets", "update", "frames", "--description", "Ours.", "--json")
        assert renamed.json["description"] == "Ours."
        assert arcsecond("datasets", "frames", "--json").json["uuid"] == renamed.json["uuid"]
        assert "Dataset 'nothing' not found." in arcsecond("datasets", "delete", "nothing").err
        assert arcsecond("datasets", "create", "--name", "frames").status == 0
        several = arcsecond("fitsfiles", "frames")
        assert several.status == 2
        assert "2 datasets are called 'frames'; name one by its UUID" in several.err
        assert "(0 files, made 20" in several.err

    def test_misuse(self, arcsecond: Command, of: tuple[str, str]) -> None:
        dataset, pk = of
        missing = arcsecond("fitsfiles", *of, "--hdu", "99")
        assert (missing.status, "has no HDU '99'" in missing.err) == (1, True)
        assert "0 PRIMARY, 1 SCI" in missing.err
        nowhere = arcsecond("fitsfiles", *of, "--keyword", "NOWHERE")
        assert (nowhere.status, "is not in its headers" in nowhere.err) == (1, True)
        some = arcsecond("fitsfiles", *of, "--keyword", "NOWHERE", "--keyword", "TARGNAME")
        assert (some.status, some.out.splitlines()[0]) == (1, "")
        assert some.out.splitlines()[1]
        for words in ((), ("delete", pk, "-y"), (pk, "--open")):
            refused = arcsecond("fitsfiles", dataset, *words, "--header")
            assert refused.status == 2
            assert "go with read of one" in refused.err
        assert arcsecond("fitsfiles", *of).status == 0


class TestActivities:
    def test_from_publication_to_deletion(self, arcsecond: Command) -> None:
        made = arcsecond(
            "activities", "create", "--title", "your title", "--content", "the activity content"
        ).json
        pk = str(made["pk"])
        assert (made["title"], made["content"]) == ("your title", "the activity content")
        assert arcsecond("activities").json[0] == made
        assert arcsecond("activities", "read").json[0] == made
        assert arcsecond("activities", "read", pk).json == made
        changed = arcsecond("activities", "update", pk, "--title", "better").json
        assert (changed["title"], changed["content"]) == ("better", "the activity content")
        assert arcsecond("activities", "delete", pk).status == 0
        assert arcsecond("activities", "read", pk).status == 1

    def test_where_and_what(self, arcsecond: Command) -> None:
        telescopes = {t["observing_site"]: t for t in arcsecond("telescopes").json}
        instruments = {i["telescope"]: i for i in arcsecond("instruments").json}
        site, telescope = next(iter(telescopes.items()))
        instrument = instruments[telescope["uuid"]]["uuid"]
        given = ["--observing_site", site, "--telescope", telescope["uuid"]]
        given += ["--instrument", instrument, "--target", "HD 5980"]
        made = arcsecond("activities", "create", *given, "--coordinates", "14.86,-72.16").json
        assert made["target_name"] == made["target"] == "HD 5980"
        assert made["instrument"] == instrument
        assert made["coordinates"] == {"right_ascension": 14.86, "declination": -72.16}
        other = next(t for t in telescopes.values() if t["observing_site"] != site)
        wrong = arcsecond(
            "activities", "create", "--observing_site", site, "--telescope", other["uuid"]
        )
        assert wrong.status == 1
        assert "is not at this site" in wrong.err
        assert arcsecond("activities", "create", "--telescope", "nonsense").status == 1
        assert arcsecond("activities", "create", "--coordinates", "here").status == 2
        assert arcsecond("activities", "create").status == 1

    def test_the_ten_latest(self, arcsecond: Command) -> None:
        for n in range(12):
            arcsecond("activities", "create", "--title", f"number {n}")
        titles = [a["title"] for a in arcsecond("activities").json]
        assert titles == [f"number {n}" for n in range(11, 1, -1)]


class TestForPeople:
    @pytest.fixture(autouse=True)
    def _watched(self, world: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ARCSECOND_FORCE_TTY", "1")

    def test_cards_and_tables(self, arcsecond: Command, frame: Path) -> None:
        card = arcsecond("objects", "HD 5980").out
        assert card.startswith("HD 5980\n")
        assert "00h59m26.59s -72°09′53.9″ ICRS" in card
        assert "Paranal Observatory" in arcsecond("observingsites", "search", "paranal").out
        dataset = arcsecond("datasets", "create", "--name", "d", "--quiet").out.strip()
        arcsecond("fitsfiles", dataset, "create", "--file", str(frame), "--quiet")
        listed = arcsecond("fitsfiles", dataset).out
        assert "frame.fits" in listed
        assert "30 s" in listed
        read = arcsecond("fitsfiles", dataset, "read", "frame.fits").out
        assert "Header and data units" in read
        assert "8 × 8" in read
        assert arcsecond("objects", "HD 5980", "--json").json["name"] == "HD 5980"

    def test_deleting_says_so(self, arcsecond: Command) -> None:
        key = arcsecond("datasets", "create", "--name", "d", "--quiet").out.strip()
        done = arcsecond("datasets", "delete", key, "--yes")
        assert (done.out, done.status) == ("", 0)
        assert f"Deleted datasets {key}." in done.err
