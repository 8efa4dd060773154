"""The routes of resources that are looked at, and of those that people make and keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from litestar import Response, delete, get, post, route
from litestar.params import FromPath
from litestar.response import Redirect

from arcsecond.registry import BY_NAME
from arcsecond.schemas import resolve
from arcsecond.server.context import (
    AnyRequest,
    Backend,
    Viewer,
    is_form,
    read_fields,
    reading,
    to_struct,
    writing,
)
from arcsecond.server.paging import Listing, filters_of, listed


def look_routes(
    name: str,
    lister: Callable[[Backend, Viewer, dict[str, str]], Listing[Any]],
    reader: Callable[[Backend, Viewer, str], Any],
) -> list[Any]:
    """Make the routes of a resource that is only looked at; unknown filters are ignored."""
    known = BY_NAME[name].filters

    @get(f"/{name}/", opt={"resource": name, "verb": "list"})
    async def list_(request: AnyRequest) -> Any:
        filters = {k: v for k, v in request.query_params.items() if k in known}
        return await listed(request, lambda backend, viewer: lister(backend, viewer, filters))

    @get(f"/{name}/{{key:str}}/", opt={"resource": name, "verb": "read"})
    async def read(request: AnyRequest, key: FromPath[str]) -> Any:
        return await reading(request, reader, key)

    return [list_, read]


class Records(Protocol):
    """The five functions of a service whose things are made and kept by people."""

    def list_(self, backend: Backend, viewer: Viewer, filters: dict[str, str]) -> Listing[Any]:
        """List what the viewer may see."""
        ...

    def read(self, backend: Backend, viewer: Viewer, key: str) -> Any:
        """Return one."""
        ...

    def create(self, backend: Backend, viewer: Viewer, change: Any) -> Any:
        """Make one and return it."""
        ...

    def update(self, backend: Backend, viewer: Viewer, key: str, change: Any) -> Any:
        """Change the fields that are given and return it."""
        ...

    def delete(self, backend: Backend, viewer: Viewer, key: str) -> None:
        """Delete it."""
        ...


def record_routes(
    name: str,
    records: Records,
    *,
    latest: int | None = None,
    present: Callable[[AnyRequest, Any], Any] = lambda _, thing: thing,
) -> list[Any]:
    """Make the routes of a resource that people make and keep.

    PUT and PATCH are the same: a field that is missing stays as it is.

    Parameters
    ----------
    latest
        How many a bare list holds; None for all of them.
    present
        Last touch to each, such as absolute addresses.
    """
    resource = BY_NAME[name]
    change = resolve(resource.change)
    one, many = f"/{name}/{{key:str}}/", f"/{name}/"
    never_blank = {f.name for f in resource.fields if f.kind in ("number", "flag")} | {"name"}

    async def body(request: AnyRequest, *, new: bool = False) -> Any:
        fields = await read_fields(request)
        if is_form(request):  # which sends every field: what is blank may not have been given
            fields = {k: v for k, v in fields.items() if v != "" or not (new or k in never_blank)}
        return to_struct(fields, change)

    def shown(request: AnyRequest, made: Any) -> Any:
        """Lead a form to the page of what it made; everybody else gets it at once."""
        if not is_form(request):
            return present(request, made)
        key = getattr(made, "uuid", None) or made.pk
        return Redirect(f"/{name}/{key}/", status_code=303)

    @get(many, opt={"resource": name, "verb": "list"})
    async def list_(request: AnyRequest) -> Any:
        filters = filters_of(request, resource.filters)
        return await listed(
            request,
            lambda b, v: records.list_(b, v, filters),
            latest=latest,
            present=lambda thing: present(request, thing),
        )

    @post(many, opt={"resource": name, "verb": "create"})
    async def create(request: AnyRequest) -> Any:
        return shown(request, await writing(request, records.create, await body(request, new=True)))

    @get(one, opt={"resource": name, "verb": "read"})
    async def read(request: AnyRequest, key: FromPath[str]) -> Any:
        return present(request, await reading(request, records.read, key))

    @route(one, http_method=["PUT", "PATCH"], opt={"resource": name, "verb": "update"})
    async def update(request: AnyRequest, key: FromPath[str]) -> Any:
        return shown(request, await writing(request, records.update, key, await body(request)))

    @delete(one, opt={"resource": name, "verb": "delete"}, status_code=200)
    async def remove(request: AnyRequest, key: FromPath[str]) -> Response[None]:
        await writing(request, records.delete, key)
        if is_form(request):
            return Response(None, status_code=303, headers={"Location": many})
        return Response(None, status_code=204)

    return [list_, create, read, update, remove]
