"""Operations that are no resource's: accounts, keys, tasks, bytes, pictures, uploads by tus."""

from __future__ import annotations

import msgspec

from arcsecond.registry import BY_NAME, RESOURCES
from arcsecond.resource import Resource, Task
from arcsecond.schemas import people
from arcsecond.schemas.archive import FileKnown, FilesAsked, FirstRows, Reindex, Reindexed
from arcsecond.schemas.catalogues import CatalogueImport, CatalogueWork
from arcsecond.schemas.observatory import DirectoryImport
from arcsecond.schemas.packages import DataPackage
from arcsecond.schemas.trash import Restore, Restored
from arcsecond.server.transfers.downloads import BUNDLES
from arcsecond.server.web.openapi.adding import (
    CURVE,
    JSON,
    NUMBER,
    TEXT,
    TUS,
    Paths,
    Schema,
    add,
    bodies_of,
    content_of,
    ref,
    shown,
)
from arcsecond.server.web.openapi.resources import QUERY, VERSION

_MOST = (1 << 63) - 1
_TUS_BYTES: dict[str, Schema] = {
    "Upload-Offset": {"type": "integer", "minimum": 0, "maximum": _MOST},
    "Upload-Checksum": {"type": "string"},
    "Arcsecond-SHA256": {"type": "string", "pattern": "^([0-9a-fA-F]{64})?$"},
}
"""Headers that a request has to have, and those with bytes."""


def add_others(paths: Paths) -> None:
    """Add accounts, keys, an import, a chart, bytes and the feed."""
    logged_in = bodies_of(people.Credentials, ("username", "password"))
    registered = bodies_of(people.Registration, ("username", "email", "password1", "password2"))
    checked = bodies_of(people.KeyCheck, ("username", "key"))
    for path, status, body, answer, more in (
        ("/auth/registration/", "201", registered, people.SessionKey, ("403",)),
        ("/auth/login/", "200", logged_in, people.SessionKey, ()),
        ("/auth/token/", "200", logged_in, people.SessionToken, ()),
        ("/auth/key/verify/", "200", checked, people.KeyOwner, ("401",)),
    ):
        answers = {status: content_of({JSON: ref(answer)})}
        add(paths, "post", path, body=body, answers=answers, anonymous=True, more=more)
    once = {"201": content_of({JSON: ref(people.SessionToken)})}
    add(paths, "post", "/auth/once/", answers=once, signed_in=True)
    add(paths, "delete", "/auth/token/", answers={"204": {"description": "Over."}}, more=("403",))
    for name, shape in (
        ("keys", people.ApiKey),
        ("apikey", people.ApiKey),
        ("uploadkey", people.UploadKey),
    ):
        path = BY_NAME["profiles"].path + "{key}/" + name + "/"
        answers = {"200": content_of({JSON: ref(shape)})}
        add(paths, "get", path, answers=answers, signed_in=True, more=("403",))
    _add_tasks(paths)
    _add_media(paths)
    _add_downloads(paths)
    _add_uploads(paths)
    told = {"type": "array", "items": ref(FileKnown)}
    asked = {JSON: {"schema": ref(FilesAsked)}}
    for path in ("/datasets/{dataset}/known/", "/fitsfiles/known/"):
        add(paths, "post", path, body=asked, answers={"200": shown(told)}, signed_in=True)
    again = {JSON: {"schema": ref(Reindex)}}
    answers = {"200": shown(ref(Reindexed)), "303": {"description": "To the dataset's page."}}
    linked = {"200": content_of({JSON: ref(DataPackage)}), "303": {"description": "Its page."}}
    add(paths, "get", "/shared/{word}/", answers=linked, more=("404",))
    path = "/datasets/{dataset}/reindex/"
    add(paths, "post", path, body=again, answers=answers, signed_in=True)


def _add_uploads(paths: Paths) -> None:
    """Add the protocol tus, by which uploads resume."""
    none = {"description": "Done.", "headers": {"Tus-Resumable": {"schema": TEXT}}}
    length: dict[str, Schema] = {
        "Upload-Length": {"type": "integer", "minimum": 1, "maximum": _MOST},
        "Upload-Metadata": TEXT,
    }
    address = "/uploads/{upload}"
    for method, path, status, headers, body in (
        ("post", BY_NAME["uploads"].path.replace("{parent}", "{dataset}"), "201", length, None),
        ("patch", address, "204", _TUS_BYTES, {_OFFSET_STREAM: {}}),
        ("delete", address, "204", {}, None),
    ):
        add(
            paths,
            method,
            path,
            answers={status: none},
            headers=TUS | headers,
            body=body,
            signed_in=True,
            more=("409", "410", "412", "413", "415", "422", "423", "460"),
        )


_OFFSET_STREAM = "application/offset+octet-stream"
_PLAIN: dict[str, Schema] = {"text/plain": {"schema": {"type": "string"}}}
_DONE: dict[str, type[msgspec.Struct]] = {
    "catalogues": CatalogueImport,
    "satellites": DirectoryImport,
    "observingsites": DirectoryImport,
}
"""What the tasks of a resource answer with."""
_KEYED_DONE: dict[str, type[msgspec.Struct]] = {"trash": Restored, "datapackages": DataPackage}
"""What those answer with that are done with one."""


def _add_tasks(paths: Paths) -> None:
    """Add what administrators do with a resource as a whole."""
    file = {"type": "array", "items": {"type": "string", "format": "binary"}}
    force = {"force": {"type": "boolean"}}
    for resource in RESOURCES:
        for task in resource.tasks:
            if task.keyed:
                _add_keyed(paths, resource, task)
                continue
            sent = {"file": file} if task.files else {}
            shape = {"type": "object", "properties": sent | (force if task.forced else {})}
            kind = "multipart/form-data" if task.files else JSON
            body = {kind: {"schema": shape | ({"required": ["file"]} if task.files else {})}}
            plain = _PLAIN if resource.name in ("satellites", "observingsites") else {}
            done = ref(_DONE[resource.name])
            answer = done if task.files else {"type": "array", "items": done}
            addresses = [f"{resource.path}{task.name}/"]
            if task.choices:
                word = addresses[0] + "{target}/"
                addresses = [*(addresses if task.optional else []), word]
            for path in addresses:
                add(
                    paths,
                    "post",
                    path,
                    summary=f"{task.help} For administrators.",
                    body=body | plain if task.files or task.forced else None,
                    answers={"200": shown(answer)},
                    signed_in=True,
                    targets=task.choices,
                )
    work = {"type": "array", "items": ref(CatalogueWork)}
    answers = {"200": content_of({JSON: work, "text/html": {}})}
    add(paths, "get", "/catalogues/work/", answers=answers)


def _add_keyed(paths: Paths, resource: Resource, task: Task) -> None:
    """Add what the owner of one does with it."""
    add(
        paths,
        "post",
        f"{resource.path}{task.name}/{{key}}/",
        summary=task.help,
        body=bodies_of(Restore, ()) if task.fields else None,
        answers={"200": shown(ref(_KEYED_DONE[resource.name]))},
        signed_in=True,
        more=("409",) if task.fields else (),
    )


def _add_media(paths: Paths) -> None:
    """Add what answers no struct."""
    anything: Schema = {}
    for path, content, anonymous, more in (
        (_CHART, dict.fromkeys((*_PICTURES, "image/jpeg"), anything), False, {}),
        (CURVE, dict.fromkeys(_PICTURES, anything), False, {}),
        (
            _PREVIEW,
            dict.fromkeys(("image/webp", "image/png", "image/svg+xml"), anything),
            False,
            {},
        ),
        (_ROWS, {JSON: ref(FirstRows)}, False, {}),
        ("/live", {"text/event-stream": anything, "text/html": anything}, False, {}),
        ("/", {JSON: {"type": "object"}, "text/html": anything}, False, {}),
        ("/health", {JSON: {"type": "object"}}, True, {}),
        ("/schema", {JSON: {"type": "object"}}, True, {}),
    ):
        answers = {"200": content_of(content) | more}
        query = _MEDIA_QUERY.get(path, {})
        add(paths, "get", path, answers=answers, anonymous=anonymous, query=query)


def _add_downloads(paths: Paths) -> None:
    """Add the bytes of a file, and of many as one stream."""
    served = {name: {"required": True, "schema": {"type": "string"}} for name in _FILE_HEADERS}
    file: dict[str, Schema] = {"application/fits": {}, "application/octet-stream": {}}
    held = {"description": "The asker has it already, by its ETag."}
    bytes_ = content_of(file) | {"headers": served}
    add(
        paths,
        "get",
        _DOWNLOAD,
        query=VERSION | _CUTOUT,
        headers={"Range": TEXT, "If-Range": TEXT, "If-None-Match": TEXT},
        answers={"200": bytes_, "206": bytes_ | {"description": "A part."}, "304": held},
        more=("410", "416"),
    )
    filters = dict.fromkeys(BY_NAME["fitsfiles"].filters, TEXT)
    for name, (media_type, _) in BUNDLES.items():
        for path in ("/datasets/{dataset}/", BY_NAME["fitsfiles"].everywhere):
            answers = {"200": content_of({media_type: {}})}
            add(paths, "get", path + name, query=filters, answers=answers, more=("404",))


_DOWNLOAD = "/datasets/{dataset}/fitsfiles/{key}/download/"

_PREVIEW = "/datasets/{dataset}/fitsfiles/{key}/preview/{hdu}/"
_CUTOUT: dict[str, Schema] = {
    "cutout": {**TEXT, "description": "A part of an image: RA,DEC,SIZE or NAME,SIZE."},
    "hdu": {"type": "integer", "minimum": 0, "maximum": 99999, "description": "Of that HDU."},
}
_ROWS = "/datasets/{dataset}/fitsfiles/{key}/rows/{hdu}/"
_CHART = "/findingcharts/{key}/{picture}"
_PICTURES = ("image/png", "image/svg+xml", "application/pdf")
_MEDIA_QUERY: dict[str, dict[str, Schema]] = {
    _CHART: {name: QUERY[name] for name in BY_NAME["findingcharts"].filters},
    CURVE: {name: QUERY.get(name, TEXT) for name in BY_NAME["visibility"].filters},
    _PREVIEW: {
        "size": {**TEXT, "description": "`small`, `tiny`, `full` for up to 2048 pixels."},
        "format": {**TEXT, "description": "`png` for a full one as PNG."},
    },
    "/live": {"after": NUMBER},
}
_FILE_HEADERS = ("Accept-Ranges", "Content-Disposition", "ETag", "Repr-Digest")
