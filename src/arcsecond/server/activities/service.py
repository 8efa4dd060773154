"""Activities: what is being observed now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from arcsecond.errors import InvalidInputError, NotFoundError
from arcsecond.schemas.activities import (
    CONTENT,
    Activity,
    ActivityChange,
    ActivityCoordinates,
    Telegram,
)
from arcsecond.server.activities.tables import activities
from arcsecond.server.catalogues.places import check_position, parse_position
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.db import now
from arcsecond.server.observatory.finding import check_equipment
from arcsecond.server.paging import MemoryListing, SqlListing
from arcsecond.server.parsing import clean_text, parse_integer
from arcsecond.server.people.owned import change, find, find_own, new_row, trash, with_owner
from arcsecond.server.people.visibility import signed_in

ACTIVITY = "Activity"
CHANNEL = "arcsecond_activities"
_ORDERED = sa.text("SELECT pg_advisory_xact_lock(7215535)")


class Activities:
    """Activities."""

    def list_(
        self, backend: Backend, viewer: Viewer, filters: dict[str, str]
    ) -> SqlListing[Activity]:
        """List the activities a viewer may see, the latest first."""
        statement = with_owner(activities, viewer)
        return SqlListing(backend.db, statement, (activities.c.pk,), _shaped, descending=True)

    def read(self, backend: Backend, viewer: Viewer, key: str) -> Activity:
        """Return an activity."""
        with backend.db.read() as connection:
            row = find(connection, viewer, activities, parse_integer(key, ACTIVITY), ACTIVITY)
            return _activity(row)

    def create(self, backend: Backend, viewer: Viewer, body: ActivityChange) -> Activity:
        """Publish an activity; every open page shows it."""
        signed_in(viewer)
        with backend.db.write() as connection:
            values = _checked(connection, _values(body), None)
            if not any(v is not None and v != "" for v in values.values()):
                raise InvalidInputError(
                    fields={"title": ["Say something: a title, a content, a target or a site."]}
                )
            row = new_row(viewer, "activities:create", date=now(), **values)
            if not backend.db.local:
                # Keys must become visible in their order: a feed that stands at
                # 6 would never look back for a 5 that was committed later.
                connection.execute(_ORDERED)
            insert = sa.insert(activities).values(row).returning(activities.c.pk)
            pk = connection.execute(insert).scalar_one()
            if not backend.db.local:
                connection.execute(sa.select(sa.func.pg_notify(CHANNEL, str(pk))))
        return self.read(backend, viewer, str(pk))

    def update(self, backend: Backend, viewer: Viewer, key: str, body: ActivityChange) -> Activity:
        """Change an activity."""
        pk = parse_integer(key, ACTIVITY)
        with backend.db.write() as connection:
            action = "activities:update"
            before = find_own(connection, viewer, activities, pk, ACTIVITY, action)
            change(connection, activities, pk, **_checked(connection, _values(body), before))
        return self.read(backend, viewer, key)

    def delete(self, backend: Backend, viewer: Viewer, key: str) -> None:
        """Delete an activity."""
        with backend.db.write() as connection:
            pk = parse_integer(key, ACTIVITY)
            trash(connection, viewer, activities, pk, ACTIVITY, "activities:delete")


def newer_than(backend: Backend, viewer: Viewer, pk: int, limit: int) -> list[Activity]:
    """Return activities behind a key that a viewer may see, the oldest first."""
    statement = with_owner(activities, viewer).where(activities.c.pk > pk)
    with backend.db.read() as connection:
        ordered = statement.order_by(activities.c.pk).limit(limit)
        return [_activity(row) for row in connection.execute(ordered)]


def newest_key(backend: Backend, viewer: Viewer) -> int:
    """Return the key of the newest activity of all, 0 when there is none."""
    with backend.db.read() as connection:
        return connection.scalar(sa.select(sa.func.max(activities.c.pk))) or 0


def list_telegrams(
    backend: Backend, viewer: Viewer, filters: dict[str, str]
) -> MemoryListing[Telegram]:
    """List the telegrams at hand: none has been imported."""
    return MemoryListing([])


def read_telegram(backend: Backend, viewer: Viewer, key: str) -> Telegram:
    """Return a telegram."""
    raise NotFoundError(f"Telegram {key[:40]!r} not found; none has been imported.")


def _values(body: ActivityChange) -> dict[str, Any]:
    """Return the columns that a body gives; ``target`` is the older name of ``target_name``."""
    target = body.target if body.target_name is UNSET else body.target_name
    if isinstance(body.target, str):  # both may be given, and both are looked at
        clean_text("target", body.target, blank=True)
    given: dict[str, Any] = {
        "title": body.title,
        "content": body.content,
        "observing_site": body.observing_site,
        "telescope": body.telescope,
        "instrument": body.instrument,
        "target_name": target,
        "institute": body.organisation,
        "collaboration": body.collaboration,
    }
    values = {k: v for k, v in given.items() if not isinstance(v, UnsetType)}
    if isinstance(body.coordinates, ActivityCoordinates):
        where = body.coordinates
        position = check_position("coordinates", where.right_ascension, where.declination)
        values["ra_deg"], values["dec_deg"] = position
    elif isinstance(body.coordinates, str):  # clients of 0.6 to 1.3 send RA,DEC
        values["ra_deg"], values["dec_deg"] = parse_position("coordinates", body.coordinates)
    elif body.coordinates is None:
        values["ra_deg"] = values["dec_deg"] = None
    return values


def _checked(connection: sa.Connection, values: dict[str, Any], before: Any) -> dict[str, Any]:
    """Check values against one another and against what they are added to."""
    checked = dict(values)
    for name, longest in (("title", 255), ("content", CONTENT)):
        if name in values:
            checked[name] = clean_text(name, values[name], longest=longest, blank=True)
    for name in ("target_name", "institute", "collaboration"):
        if name in values:
            checked[name] = clean_text(name, values[name], blank=True) or None
    places = ("observing_site", "telescope", "instrument")
    if any(name in values for name in places):
        site, telescope, instrument = (_key(values, before, name) for name in places)
        uuids = check_equipment(connection, site=site, telescope=telescope, instrument=instrument)
        checked |= {name: uuids[name] for name in places}
    return checked


def _key(values: dict[str, Any], before: Any, name: str) -> str | None:
    value = values[name] if name in values else getattr(before, name, None)
    return None if value is None else str(value)


def _shaped(_connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> list[Activity]:
    return [_activity(row) for row in rows]


def _activity(row: sa.Row[Any]) -> Activity:
    def text(value: Any) -> str | None:
        return None if value is None else str(value)

    located = row.ra_deg is not None and row.dec_deg is not None
    return Activity(
        pk=row.pk,
        id=row.pk,
        creation_date=row.created_at,
        date=row.date,
        title=row.title,
        content=row.content,
        profile=row.profile,
        observing_site=text(row.observing_site),
        telescope=text(row.telescope),
        instrument=text(row.instrument),
        target=row.target_name,
        target_name=row.target_name,
        coordinates=ActivityCoordinates(right_ascension=row.ra_deg, declination=row.dec_deg)
        if located
        else None,
        organisation=row.institute,
        collaboration=row.collaboration,
    )
