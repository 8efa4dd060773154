"""One endpoint of the API: list, read, create, update, delete."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload
from urllib.parse import quote, urlsplit

from arcsecond.client.saving import write_whole
from arcsecond.client.transport import Answer, Progress, Transport
from arcsecond.errors import (
    ArcsecondError,
    ArcsecondInputValueError,
    ArcsecondInvalidEndpointError,
    ArcsecondMissingArgumentError,
    ArcsecondNotLoggedInError,
)
from arcsecond.resource import Resource

if TYPE_CHECKING:
    from arcsecond.client.inside import Inside

PAGE = 100
PAGING = ("limit", "page", "page_size", "cursor", "format")
TASK_PATIENCE_S = 900.0
"""How much longer an import or a refresh may take than a usual answer."""

PICTURES = ("png", "svg", "pdf")
PICTURE_PATIENCE_S = 30.0
"""How much longer a picture may take that comes from a survey."""

Json = dict[str, Any]


SHOWN = 20
"""Items that are shown of a list, or in a notebook."""


class LazyList(Sequence[Json]):
    """A list that fetches its next page when it is needed.

    ``len()`` and negative indices fetch all of it, ``list()`` makes a plain list, and
    ``print()`` shows the first of them.
    """

    def __init__(self, endpoint: Endpoint, first: Mapping[str, Any]) -> None:
        self._endpoint = endpoint
        self._items: list[Json] = []
        self.query = first
        self._query: Mapping[str, Any] | None = first
        self._next: str | None = None
        self._seen: set[str | None] = set()
        self.note = ""

    def total(self) -> int:
        """Return how many there are, exactly, without fetching them.

        Raises
        ------
        InvalidInputError
            Too many files would have to be looked at.
        """
        filters = {name: value for name, value in self.query.items() if name != "limit"}
        params = {**filters, "page_size": 1, "total": "exact"}
        return int(self._endpoint.answer("GET", params=params).data["count"])

    def __iter__(self) -> Iterator[Json]:
        """Go through the items, page by page."""
        index = 0
        while self._reach(index):
            yield self._items[index]
            index += 1

    @overload
    def __getitem__(self, index: int) -> Json: ...
    @overload
    def __getitem__(self, index: slice) -> list[Json]: ...
    def __getitem__(self, index: int | slice) -> Json | list[Json]:
        """Return one item, or a list of them."""
        ends = (index.start, index.stop) if isinstance(index, slice) else (index, index)
        if any(end is None or end < 0 for end in ends[1:]) or (ends[0] or 0) < 0:
            self._reach(None)
        else:
            self._reach(max(end or 0 for end in ends))
        return self._items[index]

    def __len__(self) -> int:
        """Return how many there are; fetches them all."""
        self._reach(None)
        return len(self._items)

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return self._reach(0)

    def __eq__(self, other: object) -> bool:
        """Compare with any sequence, item by item."""
        if not isinstance(other, Sequence):
            return NotImplemented
        return list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # as a list

    def __repr__(self) -> str:
        """Show the first of them; where the server does not answer, what was fetched so far."""
        there_is_more = True
        with contextlib.suppress(ArcsecondError):
            there_is_more = self._reach(SHOWN)
        shown = [*map(repr, self._items[:SHOWN]), *(["…"] if there_is_more else [])]
        return f"[{', '.join(shown)}]"

    def _reach(self, index: int | None) -> bool:
        """Fetch pages until an index is there, or to the end for None."""
        while index is None or index >= len(self._items):
            if self._query is None and self._next is None:
                return False
            answer = self._endpoint.fetch(self._next, self._query)
            self._seen.add(self._next)
            self._items += answer.items
            # A page that was there already would be asked for without end.
            self._query, self._next = None, None if answer.next in self._seen else answer.next
            self.note = self.note or answer.note
        return True


class Endpoint:
    """The calls to one resource.

    Parameters
    ----------
    resource
        Its row of the registry.
    transport
        How requests travel.
    parent
        Key of the dataset that files live in.
    """

    def __init__(
        self,
        resource: Resource,
        transport: Transport,
        parent: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.resource = resource
        self.transport = transport
        self._parent = parent
        self.progress = progress

    def __call__(self, key: str | int) -> Inside:
        """Return what lives inside one: ``api.datasets(uuid).fitsfiles``."""
        from arcsecond.client.inside import Inside  # it knows transfers, which few commands need

        as_segment(str(key))
        return Inside(self, str(key))

    def list(self, name: str | None = None, **filters: Any) -> LazyList:
        """Return the list, fetched page by page; filters go into the query string.

        Parameters
        ----------
        name
            For finding charts, the object whose charts are listed.

        Raises
        ------
        ArcsecondInputValueError
            There is no such filter: the list would be of everything.
        """
        self.refuse_unknown(filters)
        filters = {key: _joined(value) for key, value in filters.items()}
        if "list" not in self.resource.verbs:
            return LazyList(self.at(name), filters)
        if name is not None:
            filters["name"] = name
        self.check()
        return LazyList(self, {"limit": PAGE, **filters})

    def read(self, key: Any = None, **filters: Any) -> Any:
        """Return one, or the list for None; a tuple of words is one name.

        Parameters
        ----------
        **filters
            What it can be asked for, such as ``site="Paranal"`` for a visibility.

        Raises
        ------
        ArcsecondInputValueError
            It cannot be asked for that.
        """
        if key is None and self.resource.key != "none":
            return self.list(**filters)
        self.refuse_unknown(filters, [field.name for field in self.resource.of_one])
        params = {name: _joined(value) for name, value in filters.items()} or None
        return self.answer("GET", key, params=params).data

    def save(self, file: str | Path, key: Any = None, **filters: Any) -> Path:
        """Save the picture that goes with this: ``api.findingcharts.save("m42.png", "M 42")``.

        Parameters
        ----------
        file
            Where to; its ending says whether it is a PNG, an SVG or a PDF.
        key
            The object, where the endpoint does not know it already.
        **filters
            As for ``read`` and ``list``; ``survey`` saves the JPEG of that survey.

        Returns
        -------
        Path
            Of the file, which is complete; one of that name is replaced.

        Raises
        ------
        ArcsecondInputValueError
            There is no such picture, or the file cannot be written.
        """
        path = _expanded(file)
        survey = str(filters.pop("survey", "") or "")
        kind = path.suffix.lower().removeprefix(".")
        kinds = ("jpg", "jpeg") if survey else PICTURES
        if not self.resource.image or kind not in kinds:
            choices = "jpg" if survey else ", ".join(PICTURES)
            raise ArcsecondInputValueError(
                f"{path.name} does not end like a picture that can be had: {choices}."
                if self.resource.image
                else f"There is no picture of {self.resource.name}."
            )
        self.refuse_unknown(filters)
        self.check()
        name = f"{as_segment(survey)}.jpg" if survey else f"{self.resource.image}.{kind}"
        content = self.transport.fetch(
            self.path(key) + name, filters or None, patience=PICTURE_PATIENCE_S
        )
        write_whole(path, content)
        return path

    def refuse_unknown(self, filters: Mapping[str, Any], known_too: Sequence[str] = ()) -> None:
        """Refuse filters that there are not: the answer would be of something else."""
        choices = [*self.resource.filters, *known_too]
        for unknown in filters.keys() - {*choices, *PAGING}:
            known = f"it has {', '.join(choices)}" if choices else "none"
            raise ArcsecondInputValueError(
                f"{self.resource.name} have no filter {unknown!r}; {known}."
            )

    def create(self, payload: Any = None, **fields: Any) -> Any:
        """Create one and return it.

        Parameters
        ----------
        payload
            A mapping of fields, or the path of a file.
        **fields
            The same as keywords; ``file`` is the path of a file.
        """
        return self.answer("POST", None, _merged(payload, fields)).data

    def update(self, key: Any, payload: Any = None, **fields: Any) -> Any:
        """Change the fields that are given and return the whole."""
        return self.answer("PATCH", key, _merged(payload, fields)).data

    def delete(self, key: Any, **params: Any) -> Any:
        """Delete one; returns an empty mapping.

        Parameters
        ----------
        **params
            What of it, such as ``version=1`` of a file.
        """
        self.refuse_unknown(params, [field.name for field in self.resource.of_one])
        return self.answer("DELETE", key, params=params or None).data

    def at(self, key: Any) -> Endpoint:
        """Return an endpoint whose list is at the address of a key."""
        return _At(self, self.path(key))

    def answer(
        self,
        method: str,
        key: Any = None,
        fields: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        patience: float = 0.0,
    ) -> Answer:
        """Make a request and return the answer as it came.

        Parameters
        ----------
        patience
            Seconds to wait beyond the usual.
        """
        self.check()
        values = {k: v for k, v in (fields or {}).items() if v is not None}
        path = self.path(key)
        if "file" in values:
            file = Path(values.pop("file")).expanduser()
            return self.transport.request(
                method, path, fields=values, files=[file], progress=self.progress
            )
        body = None if method in ("GET", "DELETE") else values
        return self.transport.request(method, path, fields=body, params=params, patience=patience)

    def everything(self, **filters: Any) -> Answer:
        """Return the whole list as one answer, fetched page by page."""
        found = self.list(**filters)
        items = [*found]
        return Answer(200, json.dumps(items, ensure_ascii=False), items, note=found.note)

    def do(
        self, task: str, *words: str | int, files: Sequence[str | Path] = (), **fields: Any
    ) -> Answer:
        """Do one of the resource's tasks, such as ``do("import", "exoplanets", files=[path])``.

        Parameters
        ----------
        task
            Its name; ``registry.BY_NAME[name].tasks`` tells them.
        words
            What follows it in the address.
        files
            Paths of files to send.
        **fields
            What else it is told, such as ``force=True``.
        """
        self.check()
        if task not in [known.name for known in self.resource.tasks]:
            raise ArcsecondInvalidEndpointError(f"There is no {task!r} of {self.resource.name}.")
        path = self.path(None) + "".join(f"{as_segment(str(word))}/" for word in (task, *words))
        return self.transport.request(
            "POST",
            path,
            fields=fields,
            files=[Path(file).expanduser() for file in files],
            progress=self.progress,
            patience=TASK_PATIENCE_S,
        )

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return one of the resource's tasks: ``datapackages.share(uuid)``, ``trash.restore(id)``.

        It is called as ``do`` is, and returns what the API answered.
        """
        tasks = () if name == "resource" else self.resource.tasks
        if name not in [task.name for task in tasks]:
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")

        def carry_out(*words: str | int, **told: Any) -> Any:
            return self.do(name, *words, **told).data

        return carry_out

    def fetch(self, address: str | None, params: Mapping[str, Any] | None) -> Answer:
        """Fetch one page of the list."""
        if address is None:
            return self.transport.request("GET", self.path(None), params=params)
        return self.transport.request("GET", _same_server(address, self.transport.config.server))

    def path(self, key: Any) -> str:
        """Return the path of one, or of the list."""
        base = self.resource.path
        if self.resource.parent:
            if not self._parent and self.resource.whole:
                return self.resource.whole_path
            if not self._parent:
                raise ArcsecondMissingArgumentError(
                    f"{self.resource.name} belong to one of {self.resource.parent}: name it.",
                    hint=f"Write api.{self.resource.parent}('<key>').{self.resource.name}.",
                )
            base = base.replace("{parent}", as_segment(str(self._parent)))
        if key is None or self.resource.key == "none":
            return base
        text = " ".join(map(str, key)) if isinstance(key, tuple | list) else str(key)
        return f"{base}{as_segment(text)}/"

    @property
    def inside(self) -> str | None:
        """Key of what it lives in; None for all there are."""
        return self._parent

    def check(self) -> None:
        """Refuse to ask a server that nobody is signed in on, or by a link that is revoked."""
        config = self.transport.config
        if not config.embedded and not config.key and not self.transport.share:
            raise ArcsecondNotLoggedInError(f"You are not signed in on {config.server}.")
        self.transport.see_share()


def endpoint_of(
    resource: Resource,
    transport: Transport,
    parent: str | None = None,
    progress: Progress | None = None,
) -> Endpoint:
    """Return the endpoint of a resource, with the calls that it alone has."""
    if resource.everywhere:
        from arcsecond.client.frames import Frames  # most commands need none

        return Frames(resource, transport, parent, progress)
    return Endpoint(resource, transport, parent, progress)


class _At(Endpoint):
    """An endpoint whose list has another address."""

    def __init__(self, endpoint: Endpoint, path: str) -> None:
        super().__init__(endpoint.resource, endpoint.transport)
        self._path = path

    def path(self, key: Any) -> str:
        """Return that address."""
        return self._path


def _expanded(file: str | Path) -> Path:
    try:
        return Path(file).expanduser()
    except RuntimeError as error:
        raise ArcsecondInputValueError(f"The file {file} cannot be written: {error}.") from None


def _merged(payload: Any, fields: Mapping[str, Any]) -> dict[str, Any]:
    match payload:
        case None:
            return dict(fields)
        case str() | Path():
            return {"file": payload, **fields}
        case Mapping():
            return {**payload, **fields}
    raise ArcsecondInputValueError("Give fields as a mapping, or the path of a file.")


def _joined(value: Any) -> Any:
    """Return a pair of numbers, such as a position, as it stands in an address."""
    numbers = isinstance(value, tuple | list) and all(isinstance(v, int | float) for v in value)
    return ",".join(map(str, value)) if numbers else value


def as_segment(text: str) -> str:
    """Return a key as one segment of a path; "." and ".." would lead to another thing."""
    if not text.strip():
        raise ArcsecondInputValueError("An empty name finds nothing.")
    if text.strip() in (".", ".."):
        raise ArcsecondInputValueError(f"{text!r} is no name of anything.")
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise ArcsecondInputValueError(f"{text!r} is no text in UTF-8.") from None


def _same_server(address: str, server: str) -> str:
    """Return path and query: the key goes to the server that is known, never elsewhere."""
    parts = urlsplit(address)
    path = parts.path.removeprefix(urlsplit(server).path)
    return f"{path}?{parts.query}" if parts.query else path
