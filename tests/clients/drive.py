"""Drive old, unmodified releases of the ``arcsecond`` package against a server.

    python drive.py [RELEASE ...]        # default: all of RELEASES

One line is printed per call: ``ok``; ``broken`` for a call that the release
itself cannot make, whatever the server does, and that ended in just that way;
``absent`` for one on a kind of thing that the server does not keep yet, refused in
a sentence; ``failed``. The exit status is 1 when a call failed.

Environment
-----------
ARCSECOND_DRIVER_URL
    The server, such as http://127.0.0.1:8000 (default). Accounts are
    registered there and data are left behind: give it one of its own.
ARCSECOND_DRIVER_VENVS
    Folder with one virtual environment per release.
ARCSECOND_DRIVER_BYTES
    Size of the larger upload; default 3 MiB.
ARCSECOND_DRIVER_MEMBER
    ``username:password:subdomain`` of an existing account that is a member of an
    organisation; without it a new account is made, and organisations are not driven.

Releases before 2.0 know two addresses, api.arcsecond.io and, with ``--debug``,
http://localhost:8000. They read ``http_proxy``, so the server they ask is given
to them as their proxy: it answers ``GET http://localhost:8000/…`` as it answers
``GET /…`` (RFC 9112, 3.2.2), on any port, without touching the client.

The module calls are in ``inside.py``, which each release's own Python runs.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RELEASES = ("0.5.4", "0.6.6", "1.3.8", "3.14.1")
URL = os.environ.get("ARCSECOND_DRIVER_URL", "http://127.0.0.1:8000").rstrip("/")
VENVS = Path(os.environ.get("ARCSECOND_DRIVER_VENVS", ".clients"))
LARGE = int(os.environ.get("ARCSECOND_DRIVER_BYTES", str(3 << 20)))
MEMBER = os.environ.get("ARCSECOND_DRIVER_MEMBER", "")
COMMAND_S = 60
MODULE_S = 300
OBJECT, PLANET = "HD 5980", "51 Peg b"
NOWHERE = "11111111-2222-4333-8444-555555555555"
ABSENT = ("observations", "calibrations", "datapackages", "targets", "targetlists")
REFUSALS = ("does not take", "keeps no", "0 items", "(None, None)")
"""What is said of things that the server does not keep yet."""

Check = Callable[[Any], str]
"""Says what is wrong with an answer, "" when nothing is."""


@dataclass
class Account:
    """An account, and what is at hand on the server."""

    username: str
    email: str
    password: str = "starlight-9"  # of accounts that are made for this
    api_key: str = ""
    upload_key: str = ""


@dataclass
class Drive:
    """One release at work: its folder, its account, its tally."""

    release: str
    work: Path
    account: Account
    things: dict[str, str]
    outcomes: Counter[str] = field(default_factory=Counter)
    files: dict[str, Path] = field(default_factory=dict)

    @property
    def old(self) -> bool:
        """Whether it knows only the fixed address."""
        return int(self.release.split(".")[0]) < 2

    def environment(self, home: str) -> dict[str, str]:
        """Return an environment of its own: its HOME, no proxy but the server."""
        folder = self.work / home
        folder.mkdir(exist_ok=True)
        own = {
            "HOME": str(folder),
            "PATH": os.environ.get("PATH", ""),
            "LANG": "C.UTF-8",
            "PYTHONWARNINGS": "ignore",
        }
        return own | {"http_proxy": URL} if self.old else own

    def tell(self, outcome: str, face: str, label: str, note: str = "") -> None:
        """Print the line of a call."""
        kind = re.split(r"[ .(]", label)[0]
        if outcome == "failed" and kind in ABSENT and any(word in note for word in REFUSALS):
            outcome = "absent"
        self.outcomes[outcome] += 1
        shown = " ".join(note.split())[:230]
        print(f"{outcome:<7}{self.release:<7}{face:<8}{label}{'  -- ' + shown if shown else ''}")
        sys.stdout.flush()

    def run(
        self,
        *arguments: str,
        check: Check,
        stdin: str = "",
        breaks: str = "",
        home: str = "command",
    ) -> Any:
        """Run a command line, tell how it went, and return its answer.

        Parameters
        ----------
        check
            Given the decoded JSON of the answer, or the text when it is none.
        breaks
            The error with which the release is known to end here.
        """
        where = ["-d"] if self.old else ["--api", "dev"]
        where = [] if arguments[0] in ("api", "version", "--version") else where
        program = [str(VENVS / self.release / "bin" / "arcsecond"), *arguments, *where]
        label = " ".join(re.sub(r"^/.*/", "", a) if a.startswith("/") else a for a in arguments)
        label = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "<uuid>", label)
        try:
            done = subprocess.run(
                program,
                input=stdin,
                capture_output=True,
                text=True,
                timeout=COMMAND_S,
                env=self.environment(home),
                cwd=self.work,
                check=False,
            )
        except subprocess.TimeoutExpired:
            self.tell("failed", "command", label, f"no answer within {COMMAND_S} s")
            return {}
        if breaks:
            found = breaks in (done.stderr if done.returncode else done.stdout)
            last = done.stderr.strip().splitlines()[-1:] or [done.stdout]
            self.tell("broken" if found else "failed", "command", label, last[0])
            return {}
        answer = decoded(done.stdout)
        if done.returncode:
            wrong = (done.stderr.strip().splitlines() or ["?"])[-1]
        else:
            wrong = check(answer)
        said = json.dumps(answer) if isinstance(answer, dict | list) else done.stdout.strip()[-200:]
        note = f"{wrong}: {said}" if wrong else ""
        self.tell("failed" if wrong else "ok", "command", label, note)
        return answer if not wrong else {}


def decoded(text: str) -> Any:
    """Return the JSON in what a command printed, after any prompt; else the text."""
    for match in re.finditer(r"^[\[{]", text, re.MULTILINE):
        try:
            return json.loads(text[match.start() :])
        except ValueError:
            continue
    return text


def has(*names: str, **values: Any) -> Check:
    """Expect an object with these keys, and these values."""

    def check(answer: Any) -> str:
        if not isinstance(answer, dict):
            return "not an object"
        if "detail" in answer and "detail" not in names:
            return "an error"
        if missing := [n for n in (*names, *values) if n not in answer]:
            return f"without {', '.join(missing)}"
        wrong = [n for n, v in values.items() if answer[n] != v]
        return f"{wrong[0]} is {answer[wrong[0]]!r}" if wrong else ""

    return check


def many(*names: str, least: int = 1) -> Check:
    """Expect a list, bare or in a page, whose items have these keys."""

    def check(answer: Any) -> str:
        items = answer.get("results") if isinstance(answer, dict) else answer
        if not isinstance(items, list):
            return "not a list"
        if len(items) < least:
            return f"{len(items)} items"
        return has(*names)(items[0]) if items else ""

    return check


def says(*words: str) -> Check:
    """Expect these words in what is printed."""

    def check(answer: Any) -> str:
        text = answer if isinstance(answer, str) else json.dumps(answer)
        missing = [w for w in words if w not in text]
        return f"{missing[0]!r} is not said" if missing else ""

    return check


def empty(answer: Any) -> str:
    """Expect the empty object that a deletion prints."""
    return "" if answer == {} else "not empty"


# --- what is prepared over HTTP, as a person does with a browser ------------------------


def ask(method: str, path: str, body: Any = None, **headers: str) -> Any:
    """Make a request of our own."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data, headers, method=method)
    request.add_header("Content-Type", "application/json")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=COMMAND_S) as answer:
        return json.loads(answer.read() or b"{}")


def new_account(word: str) -> Account:
    """Name an account that does not exist."""
    name = f"{word}{secrets.token_hex(4)}"
    return Account(name, f"{name}@example.org")


def registered(word: str) -> Account:
    """Register an account, or take the one that was given, and fetch its keys."""
    account = new_account(word)
    if MEMBER:
        account.username, account.password, _ = MEMBER.split(":")
        secret = {"username": account.username, "password": account.password}
        token = {"key": ask("POST", "/auth/token/", secret)["token"]}
    else:
        secret = {"password1": account.password, "password2": account.password}
        body = {"username": account.username, "email": account.email, **secret}
        token = ask("POST", "/auth/registration/", body)
    authorization = {"Authorization": f"Token {token['key']}"}
    own = f"/profiles/{account.username}"
    account.api_key = ask("GET", f"{own}/apikey/", **authorization)["api_key"]
    account.upload_key = ask("GET", f"{own}/uploadkey/", **authorization)["upload_key"]
    account.email = ask("GET", f"{own}/", **authorization)["email"]
    return account


def file_through_http(account: Account, dataset: str, path: Path) -> str:
    """Upload a file, for a release whose command cannot, and return its pk."""
    rim = secrets.token_hex(16)
    head = f'--{rim}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n\r\n'
    body = head.encode() + path.read_bytes() + f"\r\n--{rim}--\r\n".encode()
    request = urllib.request.Request(f"{URL}/datasets/{dataset}/fitsfiles/", body)
    request.add_header("Content-Type", f"multipart/form-data; boundary={rim}")
    request.add_header("X-Arcsecond-API-Authorization", f"Key {account.api_key}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=COMMAND_S) as answer:
        return str(json.loads(answer.read())["pk"])


def first(path: str, name: str) -> str:
    """Return the identifier of the first thing of a list, "" when there is none."""
    try:
        answer = ask("GET", path)
    except urllib.error.HTTPError:
        return ""
    items = answer["results"] if isinstance(answer, dict) else answer
    return str(items[0][name]) if items else ""


def things() -> dict[str, str]:
    """Find something of each kind that is there without us."""
    telescopes = ask("GET", "/telescopes/")
    scope = next(t for t in telescopes if t["instruments"])
    return {
        "telescope": scope["uuid"],
        "site": scope["observing_site"],
        "instrument": scope["instruments"][0],
        "satellite": first("/satellites/", "norad_catalog_number"),
        "catalogue": first("/catalogues/", "id"),
        "telegram": first("/telegrams/ATel/", "identifier"),
        "organisation": MEMBER.rpartition(":")[2],
    }


def frame(path: Path, *, side: int, name: str = OBJECT) -> Path:
    """Write a FITS file with one square image of 16-bit pixels."""
    cards = [
        "SIMPLE  =                    T",
        "BITPIX  =                   16",
        "NAXIS   =                    2",
        f"NAXIS1  = {side:>20}",
        f"NAXIS2  = {side:>20}",
        f"OBJECT  = '{name:<8}'",
        "DATE-OBS= '2022-01-02T03:04:05'",
        "EXPTIME =                 30.0",
        "END",
    ]
    header = "".join(card.ljust(80) for card in cards).encode()
    header = header.ljust(-(-len(header) // 2880) * 2880)
    pixels = os.urandom(side * side * 2)
    path.write_bytes(header + pixels + bytes(-len(pixels) % 2880))
    return path


# --- the command lines ----------------------------------------------------------------


def early_commands(drive: Drive) -> None:
    """0.5 and 0.6: ``fitsfiles``, PUT, lists only for most things."""
    run, account, there = drive.run, drive.account, drive.things
    later = drive.release.startswith("0.6")
    fresh = new_account("fresh")
    yes = "y\n" if later else ""

    def register(who: Account, home: str, **expected: Any) -> None:
        run(
            "register",
            "--username",
            who.username,
            "--email",
            who.email,
            "--password1",
            who.password,
            "--password2",
            who.password,
            stdin=yes,
            home=home,
            **expected,
        )

    register(fresh, "nobody", check=says(), breaks="Missing API key")
    run(
        "login",
        "--username",
        account.username,
        "--password",
        "wrong",
        check=says("Unable to log in"),
    )
    run("login", "--username", account.username, "--password", " ", check=says("may not be blank"))
    run(
        "login",
        "--username",
        account.username,
        "--password",
        account.password,
        check=stored(drive) if later else has("api_key"),
    )
    register(fresh, "command", check=stored(drive, username=fresh.username))
    register(fresh, "command", check=says(), breaks="AttributeError")
    run(
        "login",
        "--username",
        account.email,
        "--password",
        account.password,
        home="email",
        check=stored(drive, "email"),
    )
    run(
        "login",
        "--username",
        account.username,
        "--password",
        account.password,
        check=stored(drive, username=account.username),
    )
    run("me", check=has(username=account.username, email=account.email))
    if not later:
        run("profiles", check=many("username"))
        run("profiles", account.username, check=has(username=account.username))
    looking(drive)
    run("runs", check=many(least=0))
    run("logs", check=many(least=0))
    if later:
        catalogues(drive)
        run("telegrams", check=many(least=0))
        telegram = there["telegram"] or "1"
        run("telegrams", telegram, check=has("title") if there["telegram"] else has("detail"))
    activities(drive, target="--target_name" if later else "--target", coordinates=later)
    datasets(drive)
    uuid = run("datasets", "create", "--name", "of files", check=has("uuid")).get("uuid", NOWHERE)
    file = str(drive.files["small"])
    if not later:
        run("fitsfiles", uuid, "create", "--file", file, check=says(), breaks="No file")
        pk = file_through_http(account, uuid, drive.files["small"])
        run("fitsfiles", uuid, "read", pk, check=has("hdus", "file"))
        run("fitsfiles", uuid, "update", pk, "--file", file, check=has("pk"))  # sends nothing
        run("fitsfiles", uuid, check=many("pk", "name"))
        run("fitsfiles", uuid, "delete", pk, check=empty)
    else:
        pk = str(run("fitsfiles", uuid, "create", "--file", file, check=has("pk")).get("pk", 1))
        run("fitsfiles", uuid, check=many("pk", "name"))
        run("fitsfiles", uuid, "read", pk, check=has("hdus", "file"))
        run("fitsfiles", uuid, "update", pk, "--file", str(drive.files["large"]), check=has("pk"))
        odd = drive.files["odd"]
        run("fitsfiles", uuid, "create", "--file", str(odd), check=has(name=odd.name))
        run("fitsfiles", uuid, "delete", pk, check=empty)
    run("fitsfiles", uuid, check=many(least=0))
    if later:
        organisation(drive, "fitsfiles")


def commands_1_3(drive: Drive) -> None:
    """1.3: ``datafiles``, PATCH, organisations, keys."""
    run, account, there = drive.run, drive.account, drive.things
    fresh = new_account("fresh")
    asked = (
        "--username",
        fresh.username,
        "--email",
        fresh.email,
        "--password1",
        fresh.password,
        "--password2",
        fresh.password,
    )
    run(
        "register",
        *asked,
        stdin="y\n",
        home="nobody",
        check=stored(drive, "nobody", username=fresh.username),
    )
    run("register", *asked, stdin="y\n", home="nobody", check=says("already exists"))
    login = ("login", "--username", account.username, "--password")
    run(*login, "wrong", stdin="\n", check=says("Unable to log in"))
    run(*login, " ", stdin="\n", check=says("may not be blank"))
    run(
        "login",
        "--username",
        account.email,
        "--password",
        account.password,
        stdin="\n",
        home="email",
        check=stored(drive, "email", username=account.username),
    )
    run(*login, account.password, stdin="\n", check=stored(drive, username=account.username))
    run("me", check=has(username=account.username, email=account.email))
    looking(drive)
    catalogues(drive)
    run("telegrams", check=says(), breaks="AttributeError")
    made = run("runs", "create", "--name", "a run", check=has("uuid")).get("uuid", NOWHERE)
    run("runs", check=many("uuid"))
    run("runs", "read", made, check=has(name="a run"))
    run("runs", "update", made, "--name", "another", check=has(name="another"))
    run("runs", "delete", made, check=empty)
    made = run("logs", "create", "--name", "2022-01-02", check=has("uuid")).get("uuid", NOWHERE)
    run("logs", check=many(least=0))
    run("logs", "read", made, check=has("date"))
    run("logs", "update", made, "--name", "a log", check=has("uuid"))
    run("logs", "delete", made, check=empty)
    for kind in ("observations", "calibrations"):
        run(kind, check=many(least=0))
        made = run(kind, "create", check=has("uuid")).get("uuid", NOWHERE)
        run(kind, "read", made, check=has("uuid"))
        run(kind, "delete", made, check=empty)
    activities(drive, target="--target_name", coordinates=True)
    datasets(drive)
    uuid = run("datasets", "create", "--name", "of files", check=has("uuid")).get("uuid", NOWHERE)
    files = ("datafiles", uuid)
    small, large = str(drive.files["small"]), str(drive.files["large"])
    pk = str(run(*files, "create", "--file", small, check=has("pk")).get("pk", 1))
    run(*files, "create", "--file", small, check=has("pk"))
    run(*files, check=many("pk", "name"))
    run(*files, "read", pk, check=has("hdus", "file"))
    run(*files, "update", pk, "--file", large, check=has("pk"))
    run(
        *files,
        "create",
        "--file",
        large,
        "-v",
        check=has("pk", size=drive.files["large"].stat().st_size),
    )
    run(
        *files,
        "create",
        "--file",
        str(drive.files["third"]),
        "--instrument",
        there["instrument"],
        check=has("pk"),
    )
    run(*files, "update", pk, "--instrument", there["instrument"], check=has("pk"))
    odd = drive.files["odd"]
    run(*files, "create", "--file", str(odd), check=has(name=odd.name))
    run(*files, "delete", pk, check=empty)
    run("organisations", check=many(least=0))
    organisation(drive, "datafiles")


def commands_3_14(drive: Drive) -> None:
    """3.14: a pasted key, a folder to upload."""
    run, account, there = drive.run, drive.account, drive.things
    run("api", "dev", URL, check=says("Registering", URL))
    login = ("login", "--username", account.username, "--type")
    run(*login, "access", "--key", "0" * 32, check=says("detail"))
    run(*login, "access", "--key", account.api_key, check=stored(drive, key="access_key"))
    run(
        "login",
        "--username",
        account.email,
        "--type",
        "upload",
        "--key",
        account.upload_key,
        check=stored(drive, key="upload_key"),
    )
    run(*login, "upload", "--key", account.upload_key, check=stored(drive, key="upload_key"))
    run("me", check=has(username=account.username))
    run("datasets", check=says("Found"))
    run("telescopes", check=says("Found", there["telescope"]))
    folder = str(drive.files["folder"])
    upload = ("upload-data", folder, "-t", there["telescope"], "-d")
    run(*upload, "a new one", stdin="\n", check=says())
    run(*upload, "a new one", stdin="\n", check=says("appended to existing"))
    run("datasets", check=says("Found", '"a new one"', "(files: 2)"))
    run(*upload, "raw ones", "--raw", "false", stdin="\n", check=says("NOT RAW"))
    mixed = ("upload-data", str(drive.files["mixed"]), "-t", there["telescope"], "-d", "mixed")
    # It gives up the whole folder at the first file that is refused (walker.py:67).
    run(*mixed, stdin="\n", check=says(), breaks="no FITS signature")
    run(*upload, "tagged", "--tags", "a,b", stdin="\n", check=says(), breaks="custom_tags must be")
    run(*upload, NOWHERE, stdin="\n", check=says(), breaks="Invalid / unknown dataset")
    if organisation := there["organisation"]:
        run("datasets", "-p", organisation, check=says("Found"))
        run("telescopes", "-p", organisation, check=says("Found"))
        run(*upload, "of the portal", "-p", organisation, stdin="\n", check=says("Uploading to"))
    # A second home with nothing but the upload key, as an observatory's machine has it.
    run("api", "dev", URL, home="machine", check=says("Registering"))
    run(
        *login,
        "upload",
        "--key",
        account.upload_key,
        home="machine",
        check=stored(drive, "machine", key="upload_key"),
    )
    run("me", home="machine", check=has(username=account.username))
    run("datasets", home="machine", check=says("Found", '"raw ones"'))
    run(*upload, "by machine", stdin="\n", home="machine", check=says("Upload key"))
    run("datasets", check=says("Found", '"by machine"'))


def stored(
    drive: Drive, home: str = "command", *, key: str = "api_key", username: str = ""
) -> Check:
    """Expect that the release has stored a key."""

    def check(_: Any) -> str:
        folder = drive.work / home
        names = (".arcsecond.ini", ".config/arcsecond/config.ini")
        text = "".join((folder / n).read_text() for n in names if (folder / n).exists())
        if not re.search(rf"^{key} = \S+$", text, re.MULTILINE):
            return f"no {key} was stored"
        return "" if f"username = {username}" in text else f"not {username} was stored"

    return check


def looking(drive: Drive) -> None:
    """Look at what everybody can see; the same commands from 0.5 to 1.3."""
    run, satellite = drive.run, drive.things["satellite"]
    run("objects", *OBJECT.split(), check=has("ICRS_coordinates", name=OBJECT))
    run("objects", "no such object", check=has("detail"))
    run("exoplanets", *PLANET.split(), check=has("coordinates", name=PLANET))
    run("findingcharts", OBJECT, check=says(), breaks="TypeError")
    run("sites", check=many("uuid", "coordinates"))
    run("telescopes", check=many("uuid", "observing_site"))
    run("instruments", check=says(), breaks="TypeError")
    run("satellites", check=many(least=0))
    run("satellites", satellite or "1", check=has("line_1") if satellite else has("detail"))


def catalogues(drive: Drive) -> None:
    """Catalogues and standard stars; 0.6.4 to 1.3."""
    run, catalogue = drive.run, drive.things["catalogue"]
    run("catalogues", check=many("id"))
    run("catalogues", catalogue, check=has("name"))
    run("catalogues", catalogue, "--rows", check=many())
    run("standardstars", "14.86,72.16", check=many("name"))


def activities(drive: Drive, *, target: str, coordinates: bool) -> None:
    """Create, read, update and delete an activity."""
    run, there = drive.run, drive.things
    fields = ["--title", "a title", "--content", "a content", target, OBJECT]
    fields += ["--observing_site", there["site"], "--telescope", there["telescope"]]
    fields += ["--instrument", there["instrument"], "--collaboration", "ours"]
    if coordinates:
        fields += ["--coordinates", "14.86,72.16"]
    made = run("activities", "create", *fields, check=has("pk", title="a title"))
    pk = str(made.get("pk", 1))
    if coordinates:
        run(
            "activities",
            "create",
            "--title",
            "south",
            "--coordinates",
            "14.86,-72.16",
            check=says(),
            breaks="Invalid coordinates format",
        )
        run("activities", "update", pk, "--coordinates", "14.86,72.16", check=has("coordinates"))
    run("activities", check=many("pk", "title"))
    run("activities", "read", pk, check=has(title="a title", content="a content"))
    run(
        "activities",
        "update",
        pk,
        "--title",
        "changed",
        check=has(title="changed", content="a content"),
    )
    run("activities", "delete", pk, check=empty)
    run("activities", "read", pk, check=has("detail"))


def datasets(drive: Drive) -> None:
    """Create, read, update and delete a dataset."""
    run = drive.run
    uuid = run("datasets", "create", "--name", "first light", check=has("uuid")).get(
        "uuid", NOWHERE
    )
    run("datasets", check=many("uuid", "name"))
    run("datasets", "read", uuid, check=has(name="first light", uuid=uuid))
    run("datasets", "update", uuid, "--name", "second light", check=has(name="second light"))
    run("datasets", "delete", uuid, check=empty)
    run("datasets", "read", uuid, check=has("detail"))
    run("datasets", "create", check=says("name"))


def organisation(drive: Drive, files: str) -> None:
    """Act as a member of an organisation, where the account is one."""
    run, subdomain, small = drive.run, drive.things["organisation"], str(drive.files["small"])
    if not subdomain:
        return
    for_it = ("--organisation", subdomain)
    made = run("datasets", "create", "--name", "of all", *for_it, check=has("uuid"))
    uuid = made.get("uuid", NOWHERE)
    run("datasets", *for_it, check=many("uuid"))
    run(files, uuid, "create", "--file", small, *for_it, check=has("pk"))
    run(files, uuid, *for_it, check=many("pk"))
    if files == "datafiles":
        run("organisations", subdomain, check=has("subdomain"))
        run("members", subdomain, check=many("username"))
        run("uploadkeys", subdomain, check=many(least=0))


COMMANDS = {
    "0.5": early_commands,
    "0.6": early_commands,
    "1.3": commands_1_3,
    "3.14": commands_3_14,
}


# --- the module -----------------------------------------------------------------------


def module(drive: Drive) -> None:
    """Let the release's own Python make the module calls of ``inside.py``."""
    told = {
        "url": URL,
        "release": drive.release,
        "username": drive.account.username,
        "email": drive.account.email,
        "api_key": drive.account.api_key,
        "upload_key": drive.account.upload_key,
        "password": drive.account.password,
        "fresh": new_account("fresh").username,
        **drive.things,
        **{name: str(path) for name, path in drive.files.items()},
    }
    script = Path(__file__).with_name("inside.py")
    program = [str(VENVS / drive.release / "bin" / "python"), str(script)]
    environment = drive.environment("module")
    process = subprocess.Popen(
        program,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
        cwd=drive.work,
    )
    try:
        out, _ = process.communicate(json.dumps(told), timeout=MODULE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        out, _ = process.communicate()
        drive.tell("failed", "module", "", f"not done within {MODULE_S} s")
    for line in out.splitlines():
        if line.startswith("@@"):
            outcome, label, note = json.loads(line[2:])
            drive.tell(outcome, "module", label, note)
    if process.returncode:
        drive.tell("failed", "module", "", f"ended with status {process.returncode}")


def drive_release(release: str) -> int:
    """Drive one release and return how many calls failed."""
    with tempfile.TemporaryDirectory(prefix="drive-") as folder:
        work = Path(folder)
        drive = Drive(release, work, registered("driver"), things())
        drive.files = {
            "small": frame(work / "small.fits", side=32),
            "third": frame(work / "third.fits", side=40),
            "large": frame(work / "large.fits", side=int((LARGE // 2) ** 0.5)),
            "odd": frame(work / "Größe 100% M31;a=b.fits", side=36),
            "folder": work / "folder",
            "mixed": work / "mixed",
        }
        (work / "folder" / "night").mkdir(parents=True)
        (work / "mixed").mkdir()
        frame(work / "mixed" / "frame.fits", side=22)
        (work / "mixed" / "notes.txt").write_text("clear, no wind\n")
        frame(work / "folder" / "one.fits", side=24)
        frame(work / "folder" / "night" / "two.fits", side=28)
        COMMANDS[".".join(release.split(".")[:2])](drive)
        module(drive)
        counted = ", ".join(f"{n} {outcome}" for outcome, n in sorted(drive.outcomes.items()))
        print(f"{release}: {drive.outcomes.total()} calls: {counted}.")
        return drive.outcomes["failed"]


def main() -> int:
    """Drive the releases that are asked for."""
    failed = sum([drive_release(release) for release in sys.argv[1:] or RELEASES])
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
