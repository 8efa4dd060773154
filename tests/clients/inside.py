"""Make the module calls of one old release; run by that release's own Python.

``drive.py`` starts it with a HOME of its own and tells it what to work with in
one JSON object on stdin. Each call becomes one line on stdout: ``@@`` and
``[outcome, label, note]``. What the release itself prints comes without ``@@``.
"""

from __future__ import annotations

import builtins
import json
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

CALL_S = 45
OBJECT, PLANET = "HD 5980", "51 Peg b"
NOWHERE = "11111111-2222-4333-8444-555555555555"
TOLD: dict[str, str] = json.load(sys.stdin)
Check = Callable[[Any], str]


def tell(outcome: str, label: str, note: object = "") -> None:
    """Say how a call went."""
    print("@@" + json.dumps([outcome, label, str(note)]), flush=True)


def call(label: str, function: Callable[[], Any], check: Check, *, breaks: str = "") -> Any:
    """Make a call within its time, tell how it went, and return its answer."""

    def too_late(*_: object) -> None:
        raise TimeoutError(f"no answer within {CALL_S} s")

    signal.signal(signal.SIGALRM, too_late)
    signal.alarm(CALL_S)
    try:
        answer = function()
    except Exception as error:  # noqa: BLE001  # whatever an old release raises
        said = f"{type(error).__name__}: {error}"
        tell("broken" if breaks and breaks in said else "failed", label, said)
        return {}
    finally:
        signal.alarm(0)
    if breaks:
        tell("failed", label, f"did not end with {breaks}")
        return {}
    wrong = check(answer)
    tell("failed" if wrong else "ok", label, f"{wrong}: {str(answer)[:400]}" if wrong else "")
    return answer if not wrong else {}


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


def is_(value: Any) -> Check:
    """Expect just this value."""
    return lambda answer: "" if answer == value else f"not {value!r}"


def says(*words: str) -> Check:
    """Expect these words in the text of an answer."""
    return lambda answer: next((f"{w!r} is not said" for w in words if w not in str(answer)), "")


def paired(check: Check) -> Check:
    """Expect a pair (result, None) whose result passes a check."""

    def both(answer: Any) -> str:
        if not isinstance(answer, tuple) or len(answer) != 2:
            return "not a pair"
        return "an error" if answer[1] is not None else check(answer[0])

    return both


def refused(*words: str) -> Check:
    """Expect a pair (None, error) whose error says something."""

    def both(answer: Any) -> str:
        if not isinstance(answer, tuple) or len(answer) != 2:
            return "not a pair"
        return says(*words)(answer[1]) if answer[0] is None else "no error"

    return both


def agree() -> None:
    """Answer questions of the release, such as the one for the terms, with yes."""
    builtins.input = lambda *_: "yes"


# --- 0.5 and 0.6 ------------------------------------------------------------------------


LATER = TOLD["release"].startswith("0.6")
"""Whether methods return answers; in 0.5 they return None, and only the endpoint tells."""


def early() -> None:
    """``ArcsecondAPI(ArcsecondAPI.ENDPOINT_…, state)``; PUT; ``fitsfiles``."""
    early_accounts()
    early_looking()
    early_keeping()
    early_files()


def state() -> Any:
    """Return the state that stands for http://localhost:8000, used as a module."""
    from arcsecond.options import State

    return State(debug=True, is_using_cli=False)


def api(endpoint: str, **more: str) -> Any:
    """Return what makes the calls of an endpoint."""
    from arcsecond import ArcsecondAPI

    return ArcsecondAPI(getattr(ArcsecondAPI, "ENDPOINT_" + endpoint), state(), **more)


def both(label: str, made: Any, method: str, arguments: tuple[Any, ...], check: Check) -> Any:
    """Call the method for its answer, or in 0.5 its endpoint for the pair."""
    if LATER:
        return call(f"{label}.{method}", lambda: getattr(made, method)(*arguments), check)
    function = getattr(made.endpoint, method)
    pair = call(f"{label}.endpoint.{method}", lambda: function(*arguments), paired(check))
    return pair[0] if pair else {}


def silent(label: str, function: Callable[[], Any]) -> None:
    """Call a method of 0.5, which returns None whatever the answer is."""
    if not LATER:
        call(label, function, is_(None))


def early_accounts() -> None:
    """Register and log in."""
    from arcsecond import ArcsecondAPI

    name, password = TOLD["username"], TOLD["password"]
    agree()

    def login(secret: str) -> Any:
        last = (None, state()) if LATER else (state(),)
        return ArcsecondAPI.login(name, secret, *last)

    def register(who: str) -> Any:
        mail = f"{who}@example.org"
        return ArcsecondAPI.register(who, mail, password, password, state())

    if LATER:
        call("is_logged_in", lambda: ArcsecondAPI.is_logged_in(state()), is_(False))
    call("register, no key", lambda: register(TOLD["fresh"]), says(), breaks="Missing API key")
    call("login, wrong password", lambda: login("wrong"), says("Unable to log in"))
    call("login", lambda: login(password), has("api_key"))
    call("register", lambda: register(TOLD["fresh"]), has("api_key"))
    call("login again", lambda: login(password), has("api_key"))
    if LATER:
        call(
            "login, organisation",
            lambda: ArcsecondAPI.login(name, password, "none-such", state()),
            has("api_key"),
        )


def early_looking() -> None:
    """Read what is there without us."""
    name = TOLD["username"]
    both("me", api("ME"), "read", (name,), has(username=name))
    silent("me.read", lambda: api("ME").read(name))
    both("profiles", api("PROFILES"), "list", (), many("username"))
    both("profiles", api("PROFILES"), "read", (name,), has(username=name))
    both("objects", api("OBJECTS"), "read", (OBJECT,), has(name=OBJECT))
    silent("objects.read", lambda: api("OBJECTS").read(OBJECT))
    both("exoplanets", api("EXOPLANETS"), "list", (), many("name"))
    both("exoplanets", api("EXOPLANETS"), "read", (PLANET,), has(name=PLANET))
    both("findingcharts", api("FINDINGCHARTS"), "list", (OBJECT,), many("image_url"))
    for kind, key in (
        ("OBSERVINGSITES", "site"),
        ("TELESCOPES", "telescope"),
        ("INSTRUMENTS", "instrument"),
    ):
        both(kind.lower(), api(kind), "list", (), many("uuid"))
        both(kind.lower(), api(kind), "read", (TOLD[key],), has(uuid=TOLD[key]))
    both("observingruns", api("OBSERVINGRUNS"), "list", (), many(least=0))
    both("nightlogs", api("NIGHTLOGS"), "list", (), many(least=0))
    both("satellites", api("SATELLITES"), "list", (), many(least=0))
    if TOLD["satellite"]:
        both("satellites", api("SATELLITES"), "read", (TOLD["satellite"],), has("line_1"))
    if LATER:
        both("catalogues", api("CATALOGUES"), "list", (), many("id"))
        both("catalogues", api("CATALOGUES"), "read", (TOLD["catalogue"],), has("name"))
        rows = f"{TOLD['catalogue']}/rows"
        both("catalogues", api("CATALOGUES"), "read", (rows,), many())
        both("standardstars", api("STANDARDSTARS"), "list", (), many("name"))
        both("telegrams", api("TELEGRAMS_ATEL"), "list", (), many(least=0))


def early_keeping() -> None:
    """Make, change and delete records."""
    run = both("observingruns", api("OBSERVINGRUNS"), "create", ({"name": "a run"},), has("uuid"))
    uuid = run.get("uuid", NOWHERE)
    both("observingruns", api("OBSERVINGRUNS"), "read", (uuid,), has(name="a run"))
    both("observingruns", api("OBSERVINGRUNS"), "update", (uuid, {"name": "b"}), has(name="b"))
    both("observingruns", api("OBSERVINGRUNS"), "delete", (uuid,), is_({}))
    night = {"date": "2022-01-02", "telescope": TOLD["telescope"]}
    log = both("nightlogs", api("NIGHTLOGS"), "create", (night,), has(date="2022-01-02"))
    both("nightlogs", api("NIGHTLOGS"), "delete", (log.get("uuid", NOWHERE),), is_({}))
    fields: dict[str, Any] = {"title": "a title", "content": "a content"}
    fields["telescope"] = TOLD["telescope"]
    fields["target_name" if LATER else "target"] = OBJECT
    if LATER:
        fields["coordinates"] = {"right_ascension": 14.86, "declination": -72.16}
    made = both("activities", api("ACTIVITIES"), "create", (fields,), has("pk"))
    pk = str(made.get("pk", 1))
    both("activities", api("ACTIVITIES"), "list", (), many("pk"))
    both("activities", api("ACTIVITIES"), "read", (pk,), has(title="a title"))
    both(
        "activities",
        api("ACTIVITIES"),
        "update",
        (pk, {"title": "b"}),
        has(title="b", content="a content"),
    )
    both("activities", api("ACTIVITIES"), "delete", (pk,), is_({}))


def early_files() -> None:
    """Make a dataset, and files in it."""
    dataset = both("datasets", api("DATASETS"), "create", ({"name": "mine"},), has("uuid"))
    uuid = dataset.get("uuid", NOWHERE)
    both("datasets", api("DATASETS"), "list", (), many("uuid"))
    both("datasets", api("DATASETS"), "read", (uuid,), has(name="mine"))
    both("datasets", api("DATASETS"), "update", (uuid, {"name": "yours"}), has(name="yours"))
    inside = api("FITSFILES", dataset=uuid)
    if LATER:
        pk = str(
            both("fitsfiles", inside, "create", ({"file": TOLD["small"]},), has("pk")).get("pk")
        )
        both("fitsfiles", inside, "create", (TOLD["large"],), has("pk"))
        both("fitsfiles", inside, "update", (pk, {"file": TOLD["third"]}), has("pk"))
    else:
        silent("fitsfiles.create(path)", lambda: inside.create(TOLD["small"]))
        call(
            "fitsfiles.create({'file': path})",
            lambda: inside.create({"file": TOLD["large"]}),
            is_(None),
        )
        with open(TOLD["large"], "rb") as file:
            both("fitsfiles", inside, "create", ({"files": {"file": file}},), has("pk"))
        there = call("fitsfiles.endpoint.list", inside.endpoint.list, paired(many("pk")))
        pk = str(there[0][0]["pk"]) if there else "1"
        silent("fitsfiles.update(pk, path)", lambda: inside.update(pk, TOLD["third"]))
    silent("fitsfiles.create(odd name)", lambda: inside.create(TOLD["odd"]))
    listed = both("fitsfiles", inside, "list", (), many("pk", "name"))
    if not LATER:
        names = [file["name"] for file in listed or []]
        call("fitsfiles, odd name", lambda: names, says(Path(TOLD["odd"]).name))
    both("fitsfiles", inside, "read", (pk,), has("hdus", size=Path(TOLD["third"]).stat().st_size))
    both("fitsfiles", inside, "delete", (pk,), is_({}))
    both("datasets", api("DATASETS"), "delete", (uuid,), is_({}))
    if LATER:
        call("datasets.read, gone", lambda: api("DATASETS").read(uuid), says("detail"))
    else:
        call(
            "datasets.endpoint.read, gone",
            lambda: api("DATASETS").endpoint.read(uuid),
            refused("detail"),
        )


# --- 1.3 --------------------------------------------------------------------------------


def one_three() -> None:
    """``ArcsecondAPI.<endpoint>(debug=True)``; pairs; an uploader for files."""
    from arcsecond import ArcsecondAPI

    agree()
    name, password = TOLD["username"], TOLD["password"]
    dev = {"debug": True}

    def api(endpoint: str, **more: Any) -> Any:
        return getattr(ArcsecondAPI, endpoint)(**dev, **more)

    call("is_logged_in", lambda: ArcsecondAPI.is_logged_in(**dev), is_(False))
    mail = f"{TOLD['fresh']}@example.org"
    call(
        "register",
        lambda: ArcsecondAPI.register(TOLD["fresh"], mail, password, password, **dev),
        paired(has("api_key")),
    )
    call(
        "register, taken",
        lambda: ArcsecondAPI.register(TOLD["fresh"], mail, password, password, **dev),
        refused("already exists"),
    )
    call(
        "login, wrong password", lambda: ArcsecondAPI.login(name, "wrong", **dev), refused("log in")
    )
    call("login, no keys", lambda: ArcsecondAPI.login(name, password, **dev), paired(has("token")))
    call(
        "login, upload_key",
        lambda: ArcsecondAPI.login(TOLD["email"], password, upload_key=True, **dev),
        paired(has("upload_key")),
    )
    call(
        "login, api_key",
        lambda: ArcsecondAPI.login(name, password, api_key=True, **dev),
        paired(has("api_key")),
    )
    call(
        "login, shared_keys",
        lambda: ArcsecondAPI.login(name, password, shared_keys=True, organisation="any", **dev),
        says(),
        breaks="You must override this method",
    )
    call("username", lambda: ArcsecondAPI.username(**dev), is_(name))
    call("api_key", lambda: ArcsecondAPI.api_key(**dev), is_(TOLD["api_key"]))
    call("upload_key", lambda: ArcsecondAPI.upload_key(**dev), is_(TOLD["upload_key"]))
    call(
        "memberships",
        lambda: ArcsecondAPI.memberships(**dev),
        lambda a: "" if isinstance(a, dict) else "no",
    )

    def do(label: str, function: Callable[[], Any], check: Check) -> Any:
        pair = call(label, function, paired(check))
        return pair[0] if pair else {}

    def keep(kind: str, fields: dict[str, Any], change: dict[str, Any]) -> None:
        """Create, read, list, change and delete."""
        made = do(f"{kind}.create", lambda: api(kind).create(dict(fields)), has("uuid"))
        uuid = made.get("uuid", NOWHERE)
        do(f"{kind}.list", lambda: api(kind).list(), many("uuid"))
        do(f"{kind}.read", lambda: api(kind).read(uuid), has(uuid=uuid))
        do(f"{kind}.update", lambda: api(kind).update(uuid, dict(change)), has(**change))
        do(f"{kind}.delete", lambda: api(kind).delete(uuid), is_({}))

    do("me.read", lambda: api("me").read(name), has(username=name, email=TOLD["email"]))
    do("profiles.list", lambda: api("profiles").list(), many("username"))
    do("profiles.list(search=)", lambda: api("profiles").list(search=name), many("username"))
    do("profiles.read", lambda: api("profiles").read(name), has(username=name))
    do("objects.read", lambda: api("objects").read(OBJECT), has(name=OBJECT))
    do("objects.read, tuple", lambda: api("objects").read(("HD", "5980")), has(name=OBJECT))
    call("objects.list", lambda: api("objects").list(), says(), breaks="You must override")
    do("exoplanets.list", lambda: api("exoplanets").list(), many("name"))
    do("exoplanets.read", lambda: api("exoplanets").read(PLANET), has(name=PLANET))
    do(
        "findingcharts.list(name=)",
        lambda: api("findingcharts").list(name=OBJECT),
        many("image_url"),
    )
    for kind, key in (
        ("observingsites", "site"),
        ("telescopes", "telescope"),
        ("instruments", "instrument"),
    ):
        do(f"{kind}.list", api(kind).list, many("uuid"))
        do(f"{kind}.read", partial(api(kind).read, TOLD[key]), has("uuid"))
    do("satellites.list", lambda: api("satellites").list(), many(least=0))
    if TOLD["satellite"]:
        do("satellites.read", lambda: api("satellites").read(TOLD["satellite"]), has("line_1"))
    do("catalogues.list", lambda: api("catalogues").list(), many("id"))
    do("catalogues.read", lambda: api("catalogues").read(TOLD["catalogue"]), has("name"))
    do(
        "catalogues.read(id/rows)",
        lambda: api("catalogues").read(TOLD["catalogue"] + "/rows"),
        many(),
    )
    do("standardstars.list", lambda: api("standardstars").list(), many("name"))
    do(
        "standardstars.list(around=)",
        lambda: api("standardstars").list(around="14.86,-72.16", count=3),
        many("name"),
    )
    do("telegrams_atel.list", lambda: api("telegrams_atel").list(), many(least=0))
    do("organisations.list", lambda: api("organisations").list(), many(least=0))
    keep("observingruns", {"name": "a run"}, {"name": "another"})
    night = {"date": "2022-01-02", "telescope": TOLD["telescope"]}
    keep("nightlogs", night, {"journal": "clear"})
    do("nightlogs.list(date=)", lambda: api("nightlogs").list(**night), many(least=0))
    log = do("nightlogs.create", lambda: api("nightlogs").create(dict(night)), has("uuid"))
    inside = {"night_log": log.get("uuid", NOWHERE)}
    keep("observations", inside | {"name": "one", "target_name": OBJECT}, {"name": "two"})
    keep("calibrations", inside | {"name": "one", "type": "Flats"}, {"name": "two"})
    do("observations.list(night_log=)", lambda: api("observations").list(**inside), many(least=0))
    fields = {
        "title": "a title",
        "content": "a content",
        "target_name": OBJECT,
        "coordinates": {"right_ascension": 14.86, "declination": -72.16},
    }
    made = do("activities.create", lambda: api("activities").create(fields), has("pk"))
    pk = made.get("pk", 1)
    do("activities.list", lambda: api("activities").list(), many("pk"))
    do("activities.read", lambda: api("activities").read(pk), has(title="a title"))
    do(
        "activities.update",
        lambda: api("activities").update(pk, {"title": "b"}),
        has(title="b", content="a content"),
    )
    do("activities.delete", lambda: api("activities").delete(pk), is_({}))
    keep("datasets", {"name": "mine"}, {"name": "yours"})
    tags = ["oort|folder|x", "oort|telescope|y"]
    dataset = do(
        "datasets.create, tags",
        lambda: api("datasets").create({"name": "of files", "tags": tags}),
        has(tags=tags),
    )
    uuid = dataset.get("uuid", NOWHERE)
    do("datasets.list(name=)", lambda: api("datasets").list(name="of files"), many("uuid"))
    do("datasets.list(tags=)", lambda: api("datasets").list(tags=",".join(tags)), many("uuid"))
    files = api("datafiles", dataset=uuid)
    percents: list[float] = []

    def uploaded(begin: Callable[[], Any]) -> Any:
        uploader, error = begin()
        if error is not None:
            return None, error
        uploader.start()
        return uploader.finish()

    pk = str(
        do(
            "datafiles.create, uploader",
            lambda: uploaded(lambda: files.create({"file": TOLD["small"]})),
            has("pk"),
        ).get("pk", 1)
    )
    do(
        "datafiles.create, callback",
        lambda: uploaded(
            lambda: files.create(
                {"file": TOLD["large"]}, callback=lambda _event, percent: percents.append(percent)
            )
        ),
        has("pk", size=Path(TOLD["large"]).stat().st_size),
    )
    call("datafiles.create, progress", lambda: max(percents, default=0), is_(100.0))
    do(
        "datafiles.create, the same",
        lambda: uploaded(lambda: files.create({"file": TOLD["small"]})),
        has("pk"),
    )
    call(
        "datafiles.create(path)",
        lambda: files.create(TOLD["third"]),
        says(),
        breaks="AttributeError",
    )
    do(
        "datafiles.create, instrument",
        lambda: uploaded(
            lambda: files.create({"file": TOLD["third"], "instrument": TOLD["instrument"]})
        ),
        has("pk"),
    )
    do("datafiles.list", lambda: files.list(), many("pk"))
    do("datafiles.list(name=)", lambda: files.list(name="small.fits"), many("pk"))
    do("datafiles.read", lambda: files.read(pk), has("hdus", "file"))
    do("datafiles.read, by name", lambda: files.read("small.fits"), has("pk"))
    call("datafiles.read, none", lambda: files.read("nothing.fits"), refused("ot found"))
    do(
        "datafiles.update, file",
        lambda: uploaded(lambda: files.update(pk, {"file": TOLD["small"]})),
        has("pk"),
    )
    do(
        "datafiles.update, tags",
        lambda: files.update("small.fits", {"tags": ["a", "b"]}),
        has(tags=["a", "b"]),
    )
    call("datafiles.create, no file", lambda: files.create({"name": "x"}), refused("file"))
    upload = {"api_key": None, "upload_key": TOLD["upload_key"]}
    do("upload key: datasets.list", lambda: api("datasets", **upload).list(), many("uuid"))
    do(
        "upload key: datafiles.list",
        lambda: api("datafiles", dataset=uuid, **upload).list(),
        many("pk"),
    )
    do(
        "upload key: datafiles.update",
        lambda: api("datafiles", dataset=uuid, **upload).update("small.fits", {"tags": ["c"]}),
        has(tags=["c"]),
    )
    do("datafiles.delete", lambda: files.delete(pk), is_({}))
    do("datasets.delete", lambda: api("datasets").delete(uuid), is_({}))
    if subdomain := TOLD["organisation"]:
        do("organisations.read", lambda: api("organisations").read(subdomain), has("subdomain"))
        do("members.list", lambda: api("members", organisation=subdomain).list(), many("username"))
        do(
            "uploadkeys.list",
            lambda: api("uploadkeys", organisation=subdomain).list(),
            many(least=0),
        )
        do(
            "datasets.list, organisation",
            lambda: api("datasets", organisation=subdomain).list(),
            many(least=0),
        )


# --- 3.14 -------------------------------------------------------------------------------


def three_fourteen() -> None:
    """``ArcsecondAPI(ArcsecondConfig(api_name=…))``; pairs; no password."""
    from arcsecond import (
        ArcsecondAPI,
        ArcsecondAPIEndpoint,
        ArcsecondConfig,
        DatasetFileUploader,
        DatasetUploadContext,
        plan_target_payload,
        walk_folder_and_upload_files,
    )

    config = ArcsecondConfig(api_name="dev")
    config.api_server = TOLD["url"]
    api = ArcsecondAPI(config)
    name = TOLD["username"]

    def do(label: str, function: Callable[[], Any], check: Check) -> Any:
        pair = call(label, function, paired(check))
        return pair[0] if pair else {}

    def keep(kind: str, fields: dict[str, Any], change: dict[str, Any], key: str = "uuid") -> None:
        """Create, read, list, change, find, put and delete."""
        endpoint = getattr(api, kind)
        made = do(f"{kind}.create", lambda: endpoint.create(json=fields), has(key))
        one = made.get(key, NOWHERE)
        do(f"{kind}.list", lambda: endpoint.list(), many(key))
        do(f"{kind}.read", lambda: endpoint.read(one), has(key))
        do(f"{kind}.update", lambda: endpoint.update(one, json=change), has(**change))
        do(f"{kind}.find_one", lambda: endpoint.find_one(**change), has(key))
        do(
            f"{kind}.upsert",
            lambda: endpoint.upsert(next(iter(change)), json=change),
            has(**{key: one}),
        )
        do(f"{kind}.delete", lambda: endpoint.delete(one), is_({}))

    call("login, wrong key", lambda: api.login(name, access_key="0" * 32), refused("detail"))
    call(
        "login, upload_key",
        lambda: api.login(name, upload_key=TOLD["upload_key"]),
        paired(is_(True)),
    )
    do("upload key: profiles.read", lambda: api.profiles.read(name), has(username=name))
    do("upload key: datasets.list", lambda: api.datasets.list(), many(least=0))
    do("upload key: telescopes.read", lambda: api.telescopes.read(TOLD["telescope"]), has("name"))
    call(
        "login, access_key", lambda: api.login(name, access_key=TOLD["api_key"]), paired(is_(True))
    )
    do("fetch_full_profile", api.fetch_full_profile, has(username=name, email=TOLD["email"]))
    call("fetch_email", api.fetch_email, says(), breaks="AttributeError")
    do("profiles.list", lambda: api.profiles.list(), many("username"))
    do("organisations.list", lambda: api.organisations.list(), many(least=0))
    do("observingsites.list", lambda: api.observingsites.list(), many("uuid"))
    do("observingsites.read", lambda: api.observingsites.read(TOLD["site"]), has("name"))
    do("telescopes.list", lambda: api.telescopes.list(), many("uuid", "name", "observing_site"))
    for path, key in (
        ("objects", OBJECT),
        ("exoplanets", PLANET),
        ("satellites", TOLD["satellite"]),
    ):
        if key:
            do(
                f"endpoint({path}).read",
                partial(ArcsecondAPIEndpoint(config, path).read, key),
                has("name"),
            )
    do(
        "endpoint(activities).create",
        lambda: ArcsecondAPIEndpoint(config, "activities").create(
            title="a title", target_name=OBJECT
        ),
        has("id"),
    )
    keep("datasets", {"name": "mine", "telescope": TOLD["telescope"]}, {"name": "yours"})
    night = {"date": "2022-01-02", "telescope": TOLD["telescope"]}
    keep("nightlogs", night, {"name": "a log"})
    log = do("nightlogs.create", lambda: api.nightlogs.create(**night), has("uuid"))
    inside = {"night_log": log.get("uuid", NOWHERE)}
    keep("observations", inside | {"name": "one", "target_name": OBJECT}, {"name": "two"})
    keep("calibrations", inside | {"name": "one", "type": "Flats"}, {"name": "two"})
    keep("datapackages", {"name": "a package"}, {"name": "another"})
    target = plan_target_payload(
        name=OBJECT, coordinates={"right_ascension": 14.86, "declination": -72.16}
    ).payload
    keep("targets", dict(target), {"name": "another"}, key="id")
    lists = api.targetlists
    made = do(
        "targetlists.create", lambda: lists.create(name="mine", targets=[target]), has("targets")
    )
    one = made.get("uuid", NOWHERE)
    do("targetlists.list", lambda: lists.list(), many("uuid"))
    do(
        "targetlists.add_target",
        lambda: lists.add_target(one, {"name": "M 31", "target_class": "AstronomicalObject"}),
        lambda a: "" if len(a["targets"]) == 2 else "not two targets",
    )
    do("targetlists.clear_targets", lambda: lists.clear_targets(one), has(targets=[]))
    do("targetlists.delete", lambda: lists.delete(one), is_({}))

    dataset = do(
        "datasets.create",
        lambda: api.datasets.create(name="of files", telescope=TOLD["telescope"]),
        has("uuid"),
    )
    uuid = dataset.get("uuid", NOWHERE)

    def posted(path: str, **fields: str) -> Any:
        with open(path, "rb") as file:
            part = (Path(path).name, file, "application/octet-stream")
            return api.datafiles.create(json={"dataset": uuid, **fields}, files={"file": part})

    made = do(
        "datafiles.create",
        lambda: posted(TOLD["small"], is_raw="True", tags="a, b"),
        has("pk", "id"),
    )
    pk = made.get("pk", 1)
    call("datafiles.create, tags", lambda: made.get("tags"), is_(["a", "b"]))
    call("datafiles.create, is_raw", lambda: made.get("is_raw"), is_(True))
    do("datafiles.create, the same", lambda: posted(TOLD["small"]), has(pk=pk))
    do("datafiles.list(dataset=)", lambda: api.datafiles.list(dataset=uuid), many("pk"))
    do("datafiles.list(name=)", lambda: api.datafiles.list(name="small.fits"), many("pk"))
    do("datafiles.read", lambda: api.datafiles.read(pk), has("hdus", dataset=uuid))
    do(
        "datafiles.update",
        lambda: api.datafiles.update(pk, tags=["c"], is_raw=False),
        has(tags=["c"]),
    )
    do("datafiles.find_one", lambda: api.datafiles.find_one(dataset=uuid), has(pk=pk))

    def context(dataset: str, tags: list[str] | None = None, raw: bool = True) -> Any:
        made = DatasetUploadContext(config, dataset, TOLD["telescope"], None, raw, tags)
        made.validate()
        return made

    def sent(into: Any, path: str) -> str:
        return str(DatasetFileUploader(into, path).upload_file()[0].value)

    by_name = call(
        "upload context, new dataset", lambda: context("by name", ["x", "y"]), says("Context")
    )
    call("upload_file", lambda: sent(by_name, TOLD["large"]), is_("OK"))
    call("upload_file, the same", lambda: sent(by_name, TOLD["large"]), says())
    call("upload context, by uuid", lambda: sent(context(uuid), TOLD["third"]), is_("OK"))
    call("upload_file, odd name", lambda: sent(by_name, TOLD["odd"]), is_("OK"))
    call(
        "walk_folder_and_upload_files",
        lambda: walk_folder_and_upload_files(
            DatasetFileUploader, context("of a folder"), TOLD["folder"]
        ),
        is_(None),
    )
    do(
        "datasets.find_one(name=)",
        lambda: api.datasets.find_one(name="of a folder"),
        has(data_files_count=2),
    )
    do("datafiles.delete", lambda: api.datafiles.delete(pk), is_({}))
    do("datasets.delete", lambda: api.datasets.delete(uuid), is_({}))
    call("is_logged_in", lambda: config.is_logged_in, is_(True))
    if subdomain := TOLD["organisation"]:
        portal = ArcsecondAPI(config, subdomain)
        do("organisations.read", lambda: portal.organisations.read(subdomain), has("subdomain"))
        do("members.list", lambda: portal.members.list(), many("username"))
        do("datasets.list, portal", lambda: portal.datasets.list(), many(least=0))
        do("telescopes.list, portal", lambda: portal.telescopes.list(), many(least=0))


CALLS = {"0.5": early, "0.6": early, "1.3": one_three, "3.14": three_fourteen}

if __name__ == "__main__":
    CALLS[".".join(TOLD["release"].split(".")[:2])]()
    sys.stdout.flush()
    os._exit(0)  # a thread of an old release may still wait for an answer
