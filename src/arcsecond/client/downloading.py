"""Fetch many files, several at a time: what is here already is not fetched, the rest is verified.

A file bears its name once all of it is here, has the right digest and is on the disk.
Until then it lies beside, as ``.<name>.<digest>.part``, and is gone on with from there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arcsecond.client.fetching import Fetching, Remote
from arcsecond.client.journal import Journal, hash_open, journal_path
from arcsecond.client.patience import all_of
from arcsecond.client.running import (
    DONE,
    FAILED,
    THERE,
    Manner,
    Moved,
    Outcome,
    Run,
    Summary,
    failed,
    outcome_of,
)
from arcsecond.client.together import fetch_together, groups
from arcsecond.client.transport import Transport
from arcsecond.errors import (
    ArcsecondError,
    ArcsecondInputValueError,
    InvalidInputError,
    NoSpaceError,
)
from arcsecond.filenames import Folders, clean_path
from arcsecond.folders import Item, item_of, matches, reason

_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(slots=True)
class Wanted:
    """What a download would do.

    Attributes
    ----------
    refused
        What cannot be fetched, by name, and why.
    """

    dataset: str
    folder: str
    replace: bool
    items: list[Remote] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)

    @property
    def there(self) -> list[Remote]:
        """Those that are here already."""
        return [item for item in self.items if item.state == "there"]

    @property
    def taken(self) -> list[Remote]:
        """Those whose name has other content here, which nobody wants to replace."""
        return [] if self.replace else [item for item in self.items if item.state == "other"]

    @property
    def fetching(self) -> list[Remote]:
        """Those that are to be fetched."""
        left_out = ("there",) if self.replace else ("there", "other")
        return [item for item in self.items if item.state not in left_out]

    @property
    def bytes_to_fetch(self) -> int:
        """How many bytes have to travel."""
        return sum(item.size for item in self.fetching)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which of the files that were found are fetched.

    Attributes
    ----------
    include, exclude
        Patterns such as ``*.fits``, of names or of paths inside the dataset.
    replace
        Whether a file here is replaced that has other content.
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    replace: bool = False


def seek(
    transport: Transport,
    dataset: str | None,
    folder: str | Path,
    journal: Journal,
    *,
    filters: Mapping[str, Any],
    chosen: Chosen,
    stopping: threading.Event,
) -> Wanted:
    """Ask what there is, and look what is here already.

    Parameters
    ----------
    dataset
        UUID; None for the files of all of them, each dataset in a folder of its own.
    filters
        As for a search of files.
    """
    include, exclude = chosen.include, chosen.exclude
    wanted = Wanted(dataset or "", os.path.abspath(folder), chosen.replace)  # a text

    def look_up(uuid: str) -> tuple[str, int]:
        name = transport.request("GET", f"/datasets/{uuid}/").data["name"]
        return name, len(transport.request("GET", "/datasets/", params={"name": name}).data)

    folders = Folders(look_up)
    listed = f"/datasets/{dataset}/fitsfiles/" if dataset else "/fitsfiles/"
    # What is asked for by its number has to be there.
    asked = re.findall(r"\d+", str(filters["pk"])) if filters.keys() == {"pk"} else []
    missing = {int(number) for number in asked}
    for file in all_of(transport, listed, stopping, filters):
        missing.discard(file["pk"])
        name = file["name"] if dataset else f"{folders.of(file['dataset'])}/{file['name']}"
        if (include and not matches(name, include)) or matches(name, exclude):
            continue
        try:
            safe = clean_path(name) == name
        except InvalidInputError:
            safe = False
        if not safe or any(part.startswith(".") for part in name.split("/")):
            wanted.refused.append((name, "its name cannot be kept here"))
            continue
        # By its version: what replaces it meanwhile is another file.
        one = f"/datasets/{file['dataset']}/fitsfiles/{file['pk']}"
        address = f"{one}/download/?version={file['version']}"
        path = os.path.join(wanted.folder, *name.split("/"))  # a text
        wanted.items.append(Remote(path, name, file["size"], file["pk"], file["sha256"], address))
    why = "there is none of that number here"
    wanted.refused += [(f"file {pk}", why) for pk in sorted(missing)]
    _compare(wanted.items, journal)
    return wanted


def fetch_into(
    transport: Transport,
    dataset: str | None,
    folder: str | Path,
    filters: Mapping[str, Any],
    chosen: Chosen,
    manner: Manner,
) -> Summary:
    """Fetch files of a dataset, or of all of them, into a folder."""
    with contextlib.closing(Journal(journal_path(transport.config.home))) as journal:
        wanted = seek(
            transport,
            dataset,
            folder,
            journal,
            filters=filters,
            chosen=chosen,
            stopping=manner.stopping,
        )
        return fetch(transport, wanted, manner)


def _compare(items: Sequence[Remote], journal: Journal) -> None:
    """Look which files are here already, by their content."""
    here: list[tuple[Remote, Item]] = []
    for item in items:
        try:
            told = os.stat(item.path)
        except OSError:
            if os.path.lexists(item.path):  # a link that leads nowhere
                item.state = "other"
            continue
        if told.st_size != item.size:
            item.state = "other"
            continue
        here.append((item, item_of(item.path, item.name, told)))
    journal.recall([local for _, local in here])
    for item, local in here:
        if not local.sha256:
            try:
                with open(local.path, "rb", buffering=0) as file:
                    hash_open(file, local, journal)
            except OSError:
                item.state = "other"
                continue
        item.state = "there" if local.sha256 == item.sha256 else "other"


def fetch(transport: Transport, wanted: Wanted, manner: Manner) -> Summary:
    """Fetch what is wanted.

    Raises
    ------
    KeyboardInterrupt
        Somebody ended it: what has arrived waits for the rest.
    """
    return _Download(transport, wanted, manner).begin()


class _Download(Run[Remote]):
    """One download of many files."""

    def __init__(self, transport: Transport, wanted: Wanted, manner: Manner) -> None:
        super().__init__(Summary(wanted.dataset), manner)
        self._transport = transport
        self._wanted = wanted

    def begin(self) -> Summary:
        """Tell of those that are not fetched, and fetch the others."""
        wanted = self._wanted
        for name, why in wanted.refused:
            self.ended(Outcome("", name, 0, FAILED, f"It cannot be fetched: {why}."))
        for item in wanted.there:
            self.ended(outcome_of(item, THERE))
        for item in wanted.taken:
            self.ended(
                failed(item, "There is another file of that name; --replace takes its place.")
            )
        if wanted.fetching:
            try:
                Path(wanted.folder).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ArcsecondInputValueError(
                    f"{wanted.folder} cannot be used: {reason(error)}."
                ) from None
        return self.work(groups(wanted.fetching), len(wanted.fetching), wanted.bytes_to_fetch)

    def move(self, unit: Sequence[Remote], moved: Moved) -> Iterator[Outcome]:
        """Fetch some files together, and those one by one that do not come so."""
        left = unit
        if len(unit) > 1:
            came = fetch_together(
                self._transport, unit, moved, self.stopping, replace=self._wanted.replace
            )
            yield from (outcome_of(item, DONE) for item in came)
            pks = {item.pk for item in came}
            left = [item for item in unit if item.pk not in pks]
        for item in left:
            yield from self._one(item, moved if len(unit) == 1 else lambda _: None)

    def _one(self, item: Remote, moved: Moved) -> Iterator[Outcome]:
        fetching = Fetching(
            self._transport,
            item,
            moved,
            self.stopping,
            replace=self._wanted.replace,
            patience=self.patience(),
        )
        try:
            fetching.fetch()
        except ArcsecondError as error:
            if fetching.answered:  # it is this file, not the server
                yield failed(item, error.detail, again=error.passes)
            else:
                yield self.refused(item, error)
        except OSError as error:
            if error.errno in _FULL:
                self.hopeless = NoSpaceError("The disk here is full.")
            yield failed(item, f"It cannot be written: {reason(error)}.", again=True)
        else:
            yield outcome_of(item, DONE)
