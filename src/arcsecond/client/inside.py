"""What lives inside one resource: the files of a dataset, sent and fetched as a whole."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from arcsecond.client.bundling import bundle
from arcsecond.client.downloading import Chosen, fetch_into
from arcsecond.client.endpoint import TASK_PATIENCE_S, Endpoint, endpoint_of
from arcsecond.client.following import Follower
from arcsecond.client.journal import Journal, journal_path
from arcsecond.client.naming import NAMED, uuid_of
from arcsecond.client.plan import Plan, ask, look_again, make_plan
from arcsecond.client.running import JOBS, Manner, Progress, Summary, Told
from arcsecond.client.searching import query_of
from arcsecond.client.transport import Transport
from arcsecond.client.uploading import carry_out
from arcsecond.client.watching import Watch
from arcsecond.errors import ArcsecondInputValueError, ArcsecondInvalidEndpointError
from arcsecond.folders import find
from arcsecond.registry import BY_NAME


class Inside:
    """What lives inside one resource, such as the files of a dataset."""

    def __init__(self, endpoint: Endpoint, key: str) -> None:
        self._endpoint = endpoint
        self._given = key

    @functools.cached_property
    def _key(self) -> str:
        """Its UUID, where it was called by its name."""
        resource = self._endpoint.resource.name
        if resource not in NAMED:
            return self._given
        return uuid_of(self._endpoint.transport, resource, self._given)

    def __getattr__(self, name: str) -> Endpoint:
        """Return the endpoint of what lives inside."""
        resource = BY_NAME.get(name)
        if resource is None or resource.parent != self._endpoint.resource.name:
            raise ArcsecondInvalidEndpointError(f"{self._endpoint.resource.name} hold no {name!r}.")
        inner = self._endpoint
        return endpoint_of(resource, inner.transport, self._key, inner.progress)

    def download(
        self,
        folder: str | Path,
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        replace: bool = False,
        jobs: int = JOBS,
        progress: Progress | None = None,
        told: Told | None = None,
        **filters: Any,
    ) -> Summary:
        """Fetch the files of a dataset into a folder; what is there already is not fetched.

        It resumes by itself: after any interruption, call it again. A file bears its name
        once it is whole, has the right digest, and is on the disk.

        Parameters
        ----------
        folder
            Where to; made when it is not there. Files keep their folders.
        include, exclude
            Patterns such as ``*.fits``, of names or of paths inside the dataset.
        replace
            Whether a file here is replaced that has other content.
        jobs
            How many requests are under way at a time.
        progress
            Called with how far it is whenever something moved, from several threads, one
            at a time.
        told
            Called with each outcome, in the same way.
        **filters
            As for a search of the files: ``tags``, ``night``, ``kind`` and others.

        Returns
        -------
        Summary
            ``ok`` when every file is here; ``done``, ``there`` and ``failed``, each with
            its reason.

        Raises
        ------
        ArcsecondError
            The server cannot be asked, or there is no such dataset.
        """
        transport = self._held()
        endpoint_of(BY_NAME["fitsfiles"], transport).refuse_unknown(filters)
        manner = Manner(jobs, progress=progress, told=told)
        chosen = Chosen(include, exclude, replace=replace)
        return fetch_into(transport, self._key, folder, query_of(filters), chosen, manner)

    def archive(self, path: str | Path, **filters: Any) -> bool:
        """Fetch the files of a dataset as one file: ``.zip``, ``.tar``, ``.sh`` or SHA256SUMS.

        Parameters
        ----------
        path
            Where to; its name tells what it is to be, and one that is there is replaced.
        **filters
            As for a search of the files.

        Returns
        -------
        bool
            Whether the bytes of all files are in it; those that the server has lost stand in
            ``MISSING.txt``.

        Raises
        ------
        ArcsecondError
            It did not arrive whole: nothing is kept of it.
        """
        transport = self._held()
        endpoint_of(BY_NAME["fitsfiles"], transport).refuse_unknown(filters)
        return bundle(transport, self._key, Path(path).expanduser(), query_of(filters))

    def reindex(
        self, *, everything: bool = False, progress: Callable[[int, int], None] | None = None
    ) -> tuple[int, int]:
        """Read the headers of a dataset's files again, by the rules that are in force now.

        Whoever is interrupted calls it again: what was read by these rules is left out.

        Parameters
        ----------
        everything
            Whether what was read by these rules already is read again, too.
        progress
            Called with how many were read, and of how many.

        Returns
        -------
        tuple
            How many were read, and of how many it means something else now; older
            versions of files count, too.

        Raises
        ------
        ArcsecondError
            There is no such dataset, or it is somebody else's.
        """
        transport = self._held()
        path = f"/datasets/{quote(self._key, safe='')}/reindex/"
        fields: dict[str, Any] = {"everything": everything}
        read = changed = left = 0
        while True:
            told = transport.request("POST", path, fields=fields, patience=TASK_PATIENCE_S).data
            read, changed = read + told["read"], changed + told["changed"]
            left = left if told["left"] is None else told["left"]
            if progress is not None:
                progress(read, max(left, read))
            if told["next"] is None:
                return read, changed
            fields["after"] = told["next"]

    def _held(self) -> Transport:
        """Return the transport, where this holds files."""
        if self._endpoint.resource.name != "datasets":
            raise ArcsecondInvalidEndpointError(f"{self._endpoint.resource.name} hold no files.")
        self._endpoint.check()
        return self._endpoint.transport

    def plan(
        self,
        paths: str | Path | Sequence[str | Path],
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        replace: bool = False,
        **given: Any,
    ) -> Plan:
        """Tell what an upload would do, and send nothing.

        Parameters
        ----------
        paths, include, exclude, replace, **given
            As for ``upload``, which takes the plan in place of paths.

        Returns
        -------
        Plan
            ``sending``, ``there`` and ``taken`` are its files, ``unreadable`` and
            ``left_out`` are told with reasons; ``bytes_to_send`` is what has to travel, and
            ``save`` writes it to a file.

        Raises
        ------
        ArcsecondError
            The server cannot be asked, or there is no such dataset.
        """
        plan = self._empty_plan(given, replace=replace)
        self._endpoint.read(self._key)  # which has to be there, also where nothing is planned
        with self._journal() as journal:
            return make_plan(
                self._endpoint.transport,
                plan,
                find(_many(paths), include, exclude),
                journal,
                stopping=threading.Event(),
            )

    def load_plan(self, path: str | Path) -> Plan:
        """Return a plan that was saved, for ``upload``.

        Raises
        ------
        ArcsecondInputValueError
            It cannot be read, or is of another server or dataset.
        """
        plan = Plan.load(Path(path))
        self._refuse_other(plan)
        return plan

    def upload(
        self,
        paths: str | Path | Sequence[str | Path] | Plan,
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        replace: bool = False,
        jobs: int = JOBS,
        progress: Progress | None = None,
        told: Told | None = None,
        **given: Any,
    ) -> Summary:
        """Send files and folders into a dataset; what is there already is not sent.

        It resumes by itself: after any interruption, call it again.

        Parameters
        ----------
        paths
            Files and folders. A file is named by its path below the folder; of several
            folders, each keeps its own name in front. Or what ``plan`` returned, which
            is compared with the files and the server once more.
        include, exclude
            Patterns such as ``*.fits``, of names or of paths inside the dataset.
        replace
            Whether a file whose name has other content there becomes a new version of it.
        jobs
            How many requests are under way at a time.
        progress
            Called with how far it is whenever something moved, from several threads, one
            at a time.
        told
            Called with each outcome, in the same way.
        **given
            What every file gets: ``tags``, ``is_raw``.

        Returns
        -------
        Summary
            ``ok`` when every file is on the server; ``done``, ``there``, ``failed``,
            each with its reason, and ``left_out``.

        Raises
        ------
        ArcsecondError
            The server cannot be asked, or there is no such dataset.
        """
        transport, manner = self._held(), Manner(jobs, progress=progress, told=told)
        if isinstance(paths, Plan):
            if include or exclude or replace or given:
                raise ArcsecondInputValueError("A plan knows its files and what they get already.")
            plan = paths
            self._refuse_other(plan)
            with self._journal() as journal:
                look_again(plan, journal)
                ask(transport, plan, journal, manner.stopping)
                return carry_out(transport, plan, journal, manner)
        plan = self._empty_plan(given, replace=replace)
        with self._journal() as journal:
            found = find(_many(paths), include, exclude)
            make_plan(transport, plan, found, journal, stopping=manner.stopping)
            return carry_out(transport, plan, journal, manner)

    def watch(
        self,
        paths: str | Path | Sequence[str | Path],
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        replace: bool = False,
        jobs: int = JOBS,
        progress: Progress | None = None,
        told: Told | None = None,
        say: Callable[[str], None] | None = None,
        stopping: threading.Event | None = None,
        **given: Any,
    ) -> Summary:
        """Keep a dataset in step with folders that grow, until it is ended.

        Files are sent once they are complete, and renamed there when they are renamed here;
        nothing is sent twice after a restart. What may pass, such as a server that is away,
        is waited for.

        Parameters
        ----------
        paths, include, exclude, replace, jobs, progress, **given
            As for ``upload``. A folder may come later.
        told
            Called with what became of each file, but for those that are tried again.
        say
            Called with a sentence when there is something else to say, such as why a file is
            not sent yet, or that it was renamed.
        stopping
            Ends it when it is set. So does Ctrl-C in the main thread.

        Returns
        -------
        Summary
            As of ``upload``; ``waiting`` are paths of files that were not sent yet.

        Raises
        ------
        ArcsecondError
            The server refuses, and will go on doing so.
        """
        ends = stopping or threading.Event()
        manner = Manner(jobs, ends, progress)
        plan = self._empty_plan(given, replace=replace)
        said = say or (lambda _sentence: None)
        with self._journal() as journal:
            follower = Follower(
                self._endpoint.transport,
                Watch(_many(paths), include, exclude, said),
                journal,
                lambda plan: carry_out(self._endpoint.transport, plan, journal, manner),
                told,
                said,
                ends,
            )

            def begin() -> Plan:
                self._endpoint.read(self._key)  # which has to be there
                return plan

            return follower.follow(begin)

    def _empty_plan(self, given: dict[str, Any], *, replace: bool) -> Plan:
        """Return a plan without files yet."""
        server = self._held().config.server
        given = {name: value for name, value in given.items() if value is not None}
        if stray := given.keys() - {"tags", "is_raw"}:
            raise ArcsecondInputValueError(f"Files take tags and is_raw, not {min(stray)!r}.")
        return Plan(server, self._key, "", replace=replace, given=given)

    def _refuse_other(self, plan: Plan) -> None:
        """Refuse a plan of another server or dataset."""
        plan.refuse_other(self._held().config.server)
        if plan.dataset != self._key:
            of = plan.dataset or f"{plan.name!r}, which was to be made"
            raise ArcsecondInputValueError(f"This plan was made for dataset {of}.")

    def _journal(self) -> contextlib.closing[Journal]:
        return contextlib.closing(Journal(journal_path(self._endpoint.transport.config.home)))


def _many(paths: str | Path | Sequence[str | Path]) -> Sequence[str | Path]:
    return [paths] if isinstance(paths, str | Path) else paths
