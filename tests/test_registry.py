"""One table, three faces and the schema: proven to agree."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Callable
from typing import Any

import msgspec

from arcsecond import ArcsecondAPI, errors
from arcsecond.cli.main import cli
from arcsecond.client.endpoint import Endpoint
from arcsecond.registry import BY_NAME, KEPT, RESOURCES, reserved
from arcsecond.schemas import resolve
from tests.conftest import Http

METHODS = {
    "list": {"GET"}, "read": {"GET"}, "create": {"POST"}, "update": {"PUT", "PATCH"},
    "delete": {"DELETE"},
}  # fmt: skip


def served(http: Http) -> dict[tuple[str, str], set[str]]:
    """Return resource and verb of every handler, with the methods it takes."""
    found: dict[tuple[str, str], set[str]] = {}
    for route in http.table:
        for handler in getattr(route, "route_handlers", ()):
            if "resource" in handler.opt:
                key = (handler.opt["resource"], handler.opt["verb"])
                methods = {str(m) for m in handler.http_methods} - {"OPTIONS", "HEAD"}
                found.setdefault(key, set()).update(methods)
    return found


def test_routes_are_those_of_the_table(http: Http) -> None:
    declared = {(r.name, verb): METHODS[verb] for r in RESOURCES for verb in r.verbs}
    assert served(http) == declared


def test_options_tell_every_method(http: Http) -> None:
    for route in http.table:
        methods = set(getattr(route, "methods", ()))
        answer = http.options(route.path_format.replace(":str}", "}"))
        assert answer.status_code == 204, route.path_format
        methods |= {"HEAD"} if "GET" in methods else set()
        assert set(answer.headers["allow"].split(", ")) == methods


def test_whatever_can_be_had_can_be_asked_about(http: Http, user: Callable[..., Any]) -> None:
    """As those do who look whether links lead somewhere; the feed would go on for ever."""
    ann = user("ann")
    for route in http.table:
        if "GET" not in getattr(route, "methods", ()) or "{" in route.path_format:
            continue
        told = http.head(route.path_format, headers=ann)
        assert told.content == b"", route.path_format
        if route.path_format != "/live":
            whole = http.get(route.path_format, headers=ann)
            assert told.status_code == whole.status_code, route.path_format
            assert told.headers["content-type"] == whole.headers["content-type"]
    assert http.head("/objects/M 31/").status_code == 200
    assert http.head("/objects/Nowhere/").status_code == 404
    assert http.head("/auth/login/").status_code == 405
    streamed = http.head("/live", headers={"Accept": "text/event-stream"})
    assert streamed.headers["content-type"].startswith("text/event-stream")


def test_commands_are_those_of_the_table() -> None:
    resources = {r.name for r in RESOURCES if r.command}
    others = {"register", "login", "logout", "serve", "server", "completion", "upload", "download"}
    assert set(cli.commands) == resources | others
    for resource in RESOURCES:
        if resource.command:
            options = {p.name for p in cli.commands[resource.name].params}
            assert {f.name for f in resource.fields} <= options


def test_the_help_that_is_kept_as_text_is_the_real_one() -> None:
    from pathlib import Path

    from arcsecond.cli import write_help

    kept = Path(write_help.__file__).with_name("help.txt").read_text(encoding="utf-8")
    assert kept == write_help.text(), "type `make docs`"


def test_endpoints_are_those_of_the_table() -> None:
    api = ArcsecondAPI(server="http://example.invalid", key="k")
    for resource in RESOURCES:
        name = resource.endpoint_constant.removeprefix("ENDPOINT_").lower()
        assert getattr(ArcsecondAPI, resource.endpoint_constant) == resource.name
        for alias in (name, *resource.aliases):
            endpoint = getattr(api, alias)
            assert isinstance(endpoint, Endpoint)
            assert endpoint.resource is resource
    annotations = ArcsecondAPI.__doc__ or ""
    assert "ENDPOINT_" in annotations


def test_the_schema_is_that_of_the_table(http: Http) -> None:
    schema = http.get("/schema").json()
    paths: dict[str, Any] = schema["paths"]
    for resource in RESOURCES:
        many = resource.template
        one = many if resource.key == "none" else many + "{key}/"
        for verb in resource.verbs:
            path = many if verb in ("list", "create") else one
            for method in METHODS[verb]:
                operation = paths[path][method.lower()]
                assert {"400", "401", "5XX"} < set(operation["responses"])
        assert resolve(resource.schema).__name__ in schema["components"]["schemas"]
    declared = {(p.rstrip("/") or "/", m.upper()) for p, item in paths.items() for m in item}
    real = set()
    for route in http.table:
        path = route.path_format.replace(":str}", "}").rstrip("/") or "/"
        opts = [handler.opt for handler in getattr(route, "route_handlers", ())]
        told = not path.startswith(("/static", "/login", "/appearance")) and "datafiles" not in path
        if told and not any("compat" in opt for opt in opts):
            methods = {str(m) for m in getattr(route, "methods", ())} - {"OPTIONS", "HEAD"}
            real |= {(path, method) for method in methods}
    assert declared == real


def test_fields_are_those_of_the_bodies() -> None:
    for resource in RESOURCES:
        if resource.change:
            taken = {f.name for f in msgspec.structs.fields(resolve(resource.change))}
            assert {f.name for f in resource.fields} - {"file"} <= taken, resource.name


def test_every_first_segment_is_reserved(http: Http) -> None:
    for route in http.table:
        first = route.path.strip("/").split("/")[0]
        assert not first or first in reserved(), first
    assert not set(KEPT) & set(BY_NAME)


def test_every_error_has_a_code_of_its_own() -> None:
    classes = errors._children(errors.ArcsecondError)
    assert len(classes) == len(errors.BY_CODE) == len({c.code for c in classes})
    for cls in classes:
        made = cls("what happened", fields={"name": ["why"]})
        again = errors.from_wire(cls.status, made.to_wire())
        assert type(again) is cls
        assert (again.detail, again.fields) == ("what happened", {"name": ["why"]})
        assert str(cls()) == (cls.__doc__ or "").split("\n")[0]


def cursor(content: Any) -> str:
    text = content if isinstance(content, str) else json.dumps(content)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_every_error_has_one_shape(http: Http) -> None:
    for method, path, status in (
        ("GET", "/nothing/", 404),
        ("GET", "/nothing", 404),
        ("GET", "/objects/nothing/at/all/", 404),
        ("PUT", "/objects/M31/", 405),
        ("POST", "/", 405),
        ("GET", "/datasets/nonsense/", 404),
        ("GET", "/activities/99999999999999999999999/", 404),
        ("GET", "/activities/-1/", 404),
        ("GET", "/objects/%00/", 404),
        ("GET", "/objects/%FF/", 404),
        ("GET", "/objects/?name=%00", 400),
        ("GET", "/observingruns/", 401),
        ("GET", "/exoplanets/?limit=0", 400),
        ("GET", "/exoplanets/?limit=many", 400),
        ("GET", "/exoplanets/?limit=", 400),
        ("GET", "/exoplanets/?limit=1&page_size=0", 400),
        ("GET", "/activities/?limit=0000000009999999999999999999", 400),
        ("GET", "/standardstars/?count=0000000009999999999999999999", 400),
        ("GET", "/exoplanets/?page=2", 400),
        ("GET", "/exoplanets/?cursor=nonsense", 400),
        ("GET", "/exoplanets/?cursor=e30", 400),
        ("GET", "/datasets/?limit=1&cursor=WzEsMl0", 400),
        ("GET", "/datasets/?cursor=" + cursor(["2024-01-01T00:00:00", str(uuid.uuid4())]), 400),
        ("GET", "/datasets/?cursor=" + cursor(["0001-01-01T00:00+01:00", str(uuid.uuid4())]), 400),
        ("GET", "/datasets/?cursor=" + cursor(["9999-12-31T23:59-01:00", str(uuid.uuid4())]), 400),
        ("GET", "/activities/?cursor=" + cursor([True]), 400),
        ("GET", "/activities/?cursor=" + cursor([1 << 63]), 400),
        ("GET", "/satellites/?cursor=" + cursor([1 << 31]), 400),
        ("GET", "/observingsites/?cursor=" + cursor([True]), 400),
        ("GET", "/profiles/?cursor=" + cursor(["a\0b"]), 400),
        ("GET", "/exoplanets/?cursor=" + cursor("[" * 5000), 400),
        ("GET", "/standardstars/?around=here", 400),
        ("GET", "/standardstars/?around=nan,0", 400),
        ("GET", "/standardstars/?count=-1", 400),
        ("POST", "/auth/login/", 400),
        ("POST", "/datasets/", 401),
    ):
        answer = http.request(method, path)
        assert answer.status_code == status, path
        body = answer.json()
        assert isinstance(body["detail"], str), path
        assert errors.BY_CODE[body["code"]], path


def test_every_route_errs_in_that_shape(http: Http, user: Any) -> None:
    askers = ({}, user("ann"), {"Authorization": "Token nonsense"})
    erred = set()
    for route in http.table:
        path = re.sub(r"\{[a-z_]+\}", "nonsense", route.path_format)
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "PROPFIND"):
            if (method, path) == ("GET", "/live"):
                continue  # a feed, without end
            for asker in askers:
                headers = {**asker, "Content-Type": "application/json"}
                answer = http.request(method, path, headers=headers, content=b'{"name": [')
                if answer.status_code < 400:
                    continue
                told = f"{method} {path}: {answer.status_code} {answer.text[:200]}"
                assert answer.headers["content-type"].startswith("application/json"), told
                body = answer.json()
                assert errors.BY_CODE[body["code"]].status == answer.status_code, told
                assert isinstance(body["detail"], str), told
                assert body["detail"], told
                lists = [body[name] for name in body.keys() - {"detail", "code"}]
                assert all(isinstance(text, str) for texts in lists for text in texts), told
                assert answer.status_code < 500, told
                erred.add(route.path_format)
    assert erred == {route.path_format for route in http.table}


def test_a_filter_that_is_none_is_told(http: Http, user: Any) -> None:
    for name in ("date", "telescope"):
        answer = http.get(f"/nightlogs/?{name}=nonsense", headers=user(f"ann-{name}"))
        assert (answer.status_code, next(iter(answer.json()))) == (400, name)


def test_an_activity_says_something(http: Http, user: Any) -> None:
    ann = user("ann")
    for body in ({}, {"title": " "}, {"title": "", "content": "\n", "telescope": None}):
        answer = http.post("/activities/", json=body, headers=ann)
        assert (answer.status_code, next(iter(answer.json()))) == (400, "title"), body
    assert http.post("/activities/", json={"target": "M31"}, headers=ann).status_code == 201


def test_a_fault_is_told_in_the_same_shape(http: Http, monkeypatch: Any, caplog: Any) -> None:
    from arcsecond.server.observatory import service

    monkeypatch.setattr(service, "now", lambda: 1 / 0)
    answer = http.get("/observingsites/309/tonight/")
    assert (answer.status_code, answer.json()["code"]) == (500, "server_fault")
    reference = answer.json()["detail"].split()[-1].rstrip(".")
    assert reference in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_paths_are_folded_and_slashes_kept(http: Http) -> None:
    for path in ("/objects//M31/", "/objects/M31", "/objects/M%2031/", "/objects/M31/?x=1"):
        assert http.get(path).status_code == 200, path
    assert "'a/b'" in http.get("/objects/a%2Fb/").json()["detail"]


def test_lists_in_pages(http: Http) -> None:
    first = http.get("/exoplanets/?limit=800").json()
    assert first["count"] > 3_900
    seen = list(first["results"])
    following = first["next"]
    while following:
        page = http.get(following).json()
        seen += page["results"]
        following = page["next"]
    assert len({p["name"] for p in seen}) == len(seen) == first["count"]
    bare = http.get("/observingsites/")
    assert isinstance(bare.json(), list)
    limited = http.get("/observingsites/?limit=3")
    assert len(limited.json()) == 3
    following = limited.headers["link"].split(">")[0].lstrip("<")
    assert len(http.get(following).json()) == 3
    enveloped = http.get("/observingsites/?page=1&page_size=3&code=309").json()
    assert (enveloped["count"], len(enveloped["results"])) == (1, 1)


def test_standard_stars_and_catalogues(http: Http) -> None:
    near = http.get("/standardstars/?around=83.8,-5.4&count=3").json()
    assert len(near) == 3
    distances = [star["separation"] for star in near]
    assert distances == sorted(distances)
    assert {c["id"] for c in http.get("/catalogues/").json()} == {
        "well-known", "openngc", "hipparcos", "well-known-planets", "nasa-2019",
        "spectrophotometric",
    }  # fmt: skip
    assert http.get("/catalogues/hipparcos/").json()["rows"] == 117_955
