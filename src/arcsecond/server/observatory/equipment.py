"""Sites, telescopes and instruments: found by any of their names, kept by administrators.

An instrument is mounted on a telescope, a telescope stands on a site; what others
stand on, or what records name, is not deleted. What comes with the program stays as
it is: an observatory that knows better adds its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Generic, TypeVar
from uuid import UUID, uuid4

import sqlalchemy as sa
from msgspec import UNSET

from arcsecond.errors import ConflictError, InvalidInputError, NotFoundError
from arcsecond.schemas.observatory import (
    HIGHEST_M,
    LARGEST_APERTURE_M,
    LOWEST_M,
    MOST_NAMES,
    Archive,
    Instrument,
    InstrumentChange,
    ObservingSite,
    ObservingSiteChange,
    Telescope,
    TelescopeChange,
)
from arcsecond.server.catalogues.names import fold, sought
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.db import metadata, now, one_at_a_time
from arcsecond.server.observatory import obscodes
from arcsecond.server.observatory.almanac import Place
from arcsecond.server.observatory.directory import names_of
from arcsecond.server.observatory.distances import Around, parse_around
from arcsecond.server.observatory.finding import REFERRED, WHAT, check_equipment, find, named
from arcsecond.server.observatory.site import coordinates_of, shaped, zone_info
from arcsecond.server.observatory.tables import instruments, sites, telescopes
from arcsecond.server.paging import MemoryListing, SqlListing
from arcsecond.server.parsing import clean_text
from arcsecond.server.people.visibility import administrator

T = TypeVar("T", ObservingSite, Telescope, Instrument)
Filters = Mapping[str, str]

_LONGEST_CODE, _LONGEST_SHORT = 8, 64


class _Kept(ABC, Generic[T]):
    """What sites, telescopes and instruments have in common."""

    table: sa.Table

    def list_(
        self, backend: Backend, viewer: Viewer, filters: Filters
    ) -> SqlListing[T] | MemoryListing[T]:
        """List them by name, or nearest first those around a place."""
        statement = sa.select(self.table)
        words = self.table.c.words
        if "name" in filters:
            name = f"\n{sought(filters['name'])}\n"
            statement = statement.where(words.contains(name, autoescape=True))
        if text := sought(filters.get("search", "")):
            statement = statement.where(words.contains(text, autoescape=True))
        with backend.db.read() as connection:
            statement = self._narrowed(connection, statement, filters)
        if around := parse_around(filters, partial(_place_named, backend)):
            return MemoryListing(self._near(backend, statement, around))
        order = (self.table.c.sort, self.table.c.uuid)
        return SqlListing(backend.db, statement, order, self._shaped)

    def read(self, backend: Backend, viewer: Viewer, key: str) -> T:
        """Return one by its UUID or a name."""
        with backend.db.read() as connection:
            return self._shaped(connection, [find(connection, self.table, key)])[0]

    def create(self, backend: Backend, viewer: Viewer, body: Any) -> T:
        """Add one; only administrators do."""
        administrator(viewer)
        moment = now()
        row = {"uuid": uuid4(), "builtin": False, "created_at": moment, "updated_at": moment}
        with backend.db.write() as connection:
            one_at_a_time(connection, self.table)
            row |= self._values(connection, body, None)
            row |= names_of(self.table, row)
            connection.execute(sa.insert(self.table).values(row))
            return self._shaped(connection, [find(connection, self.table, str(row["uuid"]))])[0]

    def update(self, backend: Backend, viewer: Viewer, key: str, body: Any) -> T:
        """Change one that an administrator added."""
        administrator(viewer)
        with backend.db.write() as connection:
            one_at_a_time(connection, self.table)
            row = self._own(connection, key)
            values = self._values(connection, body, row)
            before = {column.name: getattr(row, column.name) for column in self.table.c}
            values |= names_of(self.table, before | values)
            where = self.table.c.uuid == row.uuid
            changed = sa.update(self.table).where(where).values(updated_at=now(), **values)
            connection.execute(changed)
            return self._shaped(connection, [find(connection, self.table, str(row.uuid))])[0]

    def delete(self, backend: Backend, viewer: Viewer, key: str) -> None:
        """Delete one that an administrator added and nothing refers to."""
        administrator(viewer)
        with backend.db.write() as connection:
            one_at_a_time(connection, self.table)
            row = self._own(connection, key)
            self._nothing_stands_on(connection, row)
            count = sum(
                connection.scalar(_count(table).where(table.c[column] == row.uuid)) or 0
                for table, column in _records(REFERRED[self.table])
            )
            if count:
                many = "1 record names" if count == 1 else f"{count} records name"
                raise ConflictError(
                    f"{row.name} stays: {many} it, those that were deleted lately included."
                )
            connection.execute(sa.delete(self.table).where(self.table.c.uuid == row.uuid))

    def _own(self, connection: sa.Connection, key: str) -> sa.Row[Any]:
        """Return a row that may be changed, and keep others from referring to it."""
        row = find(connection, self.table, key)
        if row.builtin:
            raise ConflictError(
                f"{row.name} comes with the program and stays as it is; add one of your own."
            )
        held = sa.select(self.table.c.uuid).where(self.table.c.uuid == row.uuid)
        connection.execute(held.with_for_update())
        return row

    def _near(self, backend: Backend, statement: sa.Select[Any], around: Around) -> list[T]:
        with backend.db.read() as connection:
            within = around.box(sites.c.latitude)
            rows = connection.execute(self._located(statement).where(within)).all()
            far = {row.uuid: around.distance_km(row.longitude, row.latitude) for row in rows}
            near = [row for row in rows if far[row.uuid] <= around.radius_km]
            near.sort(key=lambda row: (far[row.uuid], row.sort))
            items = self._shaped(connection, near)
        for item, row in zip(items, near, strict=True):
            item.distance = round(far[row.uuid], 3)
        return items

    def _narrowed(
        self, connection: sa.Connection, statement: sa.Select[Any], filters: Filters
    ) -> sa.Select[Any]:
        """Return a statement for what further filters let through."""
        return statement

    @abstractmethod
    def _located(self, statement: sa.Select[Any]) -> sa.Select[Any]:
        """Return a statement that knows longitude and latitude, too."""

    def _nothing_stands_on(self, connection: sa.Connection, row: sa.Row[Any]) -> None:
        """Refuse to delete what something else stands on."""

    @abstractmethod
    def _values(
        self, connection: sa.Connection, body: Any, before: sa.Row[Any] | None
    ) -> dict[str, Any]:
        """Return the checked values of a body, to be added to what was before."""

    @abstractmethod
    def _shaped(self, connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> list[T]:
        """Return rows as they go over the wire."""


class Sites(_Kept[ObservingSite]):
    """Observing sites."""

    table = sites

    def _narrowed(
        self, connection: sa.Connection, statement: sa.Select[Any], filters: Filters
    ) -> sa.Select[Any]:
        if "code" in filters:
            code = sa.func.lower(sites.c.code) == filters["code"].strip().lower()
            statement = statement.where(code)
        return statement

    def _located(self, statement: sa.Select[Any]) -> sa.Select[Any]:
        return statement

    def _nothing_stands_on(self, connection: sa.Connection, row: sa.Row[Any]) -> None:
        _refuse_to_leave(connection, telescopes, telescopes.c.site, row)

    def _values(
        self, connection: sa.Connection, body: ObservingSiteChange, before: sa.Row[Any] | None
    ) -> dict[str, Any]:
        values = _texts(body, before, acronym=_LONGEST_SHORT, nickname=255, homepage_url=255)
        self._alone(connection, values.get("name"), before)
        values |= _texts(body, None, named=False, country=255, continent=_LONGEST_SHORT)
        if body.alternate_names is not UNSET:
            values["alternate_names"] = _alternate(body.alternate_names)
        elif before is None:
            values["alternate_names"] = []
        if body.IAUCode is not UNSET:
            values["code"] = self._code(connection, body.IAUCode, before)
        moved = _position(body, before)
        values |= moved
        if moved:
            values["precision"] = None
        if "longitude" in moved or "latitude" in moved:
            place = Place(
                moved.get("longitude", before.longitude if before else 0.0),
                moved.get("latitude", before.latitude if before else 0.0),
            )
            values |= _found_there(place, before) | values
        if body.time_zone is not UNSET:
            values["time_zone"] = _zone(body.time_zone)
        return values

    def _alone(
        self, connection: sa.Connection, name: str | None, before: sa.Row[Any] | None
    ) -> None:
        """Refuse a name that another site of one's own has: it could not be told by it."""
        same = sa.and_(~sites.c.builtin, sites.c.sort == " ".join((name or "").casefold().split()))
        for row in connection.execute(sa.select(sites.c.uuid).where(same)):
            if before is None or row.uuid != before.uuid:
                raise InvalidInputError(fields={"name": [f"There is a site {name!r} already."]})

    def _code(
        self, connection: sa.Connection, text: str | None, before: sa.Row[Any] | None
    ) -> str | None:
        code = clean_text("IAUCode", text, longest=_LONGEST_CODE, blank=True) or None
        if code is None:
            return None
        same = sa.func.lower(sites.c.code) == code.lower()
        for row in connection.execute(sa.select(sites.c.uuid, sites.c.name).where(same)):
            if before is None or row.uuid != before.uuid:
                raise InvalidInputError(fields={"IAUCode": [f"{code} is the code of {row.name}."]})
        return code

    def _shaped(
        self, connection: sa.Connection, rows: Sequence[sa.Row[Any]]
    ) -> list[ObservingSite]:
        there = _those_on(connection, telescopes, telescopes.c.site, rows)
        return [shaped(row, there[row.uuid]) for row in rows]


class Telescopes(_Kept[Telescope]):
    """Telescopes."""

    table = telescopes

    def _narrowed(
        self, connection: sa.Connection, statement: sa.Select[Any], filters: Filters
    ) -> sa.Select[Any]:
        if "site" in filters:
            site = named(connection, sites, filters["site"], "site")
            statement = statement.where(telescopes.c.site == site.uuid)
        return statement

    def _located(self, statement: sa.Select[Any]) -> sa.Select[Any]:
        return statement.join(sites, sites.c.uuid == telescopes.c.site).add_columns(
            sites.c.longitude, sites.c.latitude
        )

    def _nothing_stands_on(self, connection: sa.Connection, row: sa.Row[Any]) -> None:
        _refuse_to_leave(connection, instruments, instruments.c.telescope, row)

    def _values(
        self, connection: sa.Connection, body: TelescopeChange, before: sa.Row[Any] | None
    ) -> dict[str, Any]:
        values = _texts(
            body, before, acronym=_LONGEST_SHORT, alias=255, mounting=255, optical_design=255
        )
        if body.observing_site is not UNSET or before is None:
            text = _needed("observing_site", body.observing_site)
            values["site"] = check_equipment(connection, site=text)["observing_site"]
        if body.aperture is not UNSET:
            values["aperture"] = body.aperture
            if body.aperture is not None and not 0 < body.aperture <= LARGEST_APERTURE_M:
                problem = f"An aperture is above 0 and up to {LARGEST_APERTURE_M:g} metres."
                raise InvalidInputError(fields={"aperture": [problem]})
        return values

    def _shaped(self, connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> list[Telescope]:
        mounted = _those_on(connection, instruments, instruments.c.telescope, rows)
        under = sa.select(sites).where(sites.c.uuid.in_({row.site for row in rows}))
        places = {row.uuid: row for row in connection.execute(under)}
        return [
            Telescope(
                uuid=str(row.uuid),
                name=row.name,
                acronym=row.acronym,
                alias=row.alias,
                coordinates=coordinates_of(places[row.site]),
                observing_site=str(row.site),
                observing_site_name=places[row.site].name,
                instruments=mounted[row.uuid],
                aperture=row.aperture,
                mounting=row.mounting,
                optical_design=row.optical_design,
                source=row.source,
                is_builtin=row.builtin,
            )
            for row in rows
        ]


class Instruments(_Kept[Instrument]):
    """Instruments."""

    table = instruments

    def _narrowed(
        self, connection: sa.Connection, statement: sa.Select[Any], filters: Filters
    ) -> sa.Select[Any]:
        if "telescope" in filters:
            telescope = named(connection, telescopes, filters["telescope"], "telescope")
            statement = statement.where(instruments.c.telescope == telescope.uuid)
        if "site" in filters:
            site = named(connection, sites, filters["site"], "site")
            there = sa.select(telescopes.c.uuid).where(telescopes.c.site == site.uuid)
            statement = statement.where(instruments.c.telescope.in_(there))
        return statement

    def _located(self, statement: sa.Select[Any]) -> sa.Select[Any]:
        below = statement.join(telescopes, telescopes.c.uuid == instruments.c.telescope)
        return below.join(sites, sites.c.uuid == telescopes.c.site).add_columns(
            sites.c.longitude, sites.c.latitude
        )

    def _values(
        self, connection: sa.Connection, body: InstrumentChange, before: sa.Row[Any] | None
    ) -> dict[str, Any]:
        values = _texts(body, before, acronym=_LONGEST_SHORT, kind=255, focus=255)
        if body.telescope is not UNSET or before is None:
            text = _needed("telescope", body.telescope)
            values["telescope"] = check_equipment(connection, telescope=text)["telescope"]
        return values

    def _shaped(self, connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> list[Instrument]:
        held = telescopes.c.uuid.in_({row.telescope for row in rows})
        select = sa.select(telescopes.c.uuid, telescopes.c.name).where(held)
        names = {row.uuid: row.name for row in connection.execute(select)}
        return [
            Instrument(
                uuid=str(row.uuid),
                name=row.name,
                acronym=row.acronym,
                kind=row.kind,
                focus=row.focus,
                telescope=str(row.telescope),
                telescope_name=names[row.telescope],
                archive=Archive(**row.archive) if row.archive else None,
                source=row.source,
                is_builtin=row.builtin,
            )
            for row in rows
        ]


def _found_there(place: Place, before: sa.Row[Any] | None) -> dict[str, str | None]:
    """Return time zone and country of a place, but for what somebody said otherwise before."""
    zone = obscodes.time_zone(place)
    found = {"time_zone": zone, "country": obscodes.country(place, zone)}
    if before is None:
        return found
    there = Place(before.longitude, before.latitude)
    was = obscodes.time_zone(there)
    as_found = {"time_zone": was, "country": obscodes.country(there, was)}
    return {name: value for name, value in found.items() if getattr(before, name) == as_found[name]}


def _zone(text: str | None) -> str | None:
    """Return the name of a time zone, checked."""
    name = clean_text("time_zone", text, longest=_LONGEST_SHORT, blank=True) or None
    if name is not None and zone_info(name) is None:
        problem = f"{name!r} is no time zone; write one like America/Santiago."
        raise InvalidInputError(fields={"time_zone": [problem]})
    return name


def _position(body: ObservingSiteChange, before: sa.Row[Any] | None) -> dict[str, float]:
    """Return longitude, latitude and height as far as a body tells them, checked."""
    told: dict[str, Any] = {} if body.coordinates is UNSET else dict(body.coordinates)
    for name in ("longitude", "latitude", "height"):
        if (value := getattr(body, name)) is not UNSET:
            told[name] = value
    limits: dict[str, tuple[float, float, str]] = {
        "longitude": (-180, 360, "degrees, east positive"),
        "latitude": (-90, 90, "degrees, north positive"),
        "height": (LOWEST_M, HIGHEST_M, "metres"),
    }
    found: dict[str, float] = {}
    for name, (least, most, unit) in limits.items():
        if name not in told:
            if before is None or (before.longitude is None and told):
                raise InvalidInputError(fields={name: [f"A site needs its {name}, in {unit}."]})
            continue
        value = told[name]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not least <= value <= most:
            problem = f"A {name} is from {least:g} to {most:g} {unit}, not {str(value)[:40]}."
            raise InvalidInputError(fields={name: [problem]})
        found[name] = float(value)
    if "longitude" in found and found["longitude"] > 180:
        found["longitude"] -= 360
    return found


def _place_named(backend: Backend, text: str) -> Place:
    """Return where a site is, for what lies around it."""
    with backend.db.read() as connection:
        try:
            row = find(connection, sites, text)
        except (NotFoundError, ConflictError) as error:
            problem = f"{error.detail} A place is a site, or LON,LAT in degrees."
            raise InvalidInputError(fields={"around": [problem]}) from None
    if row.longitude is None:
        raise InvalidInputError(fields={"around": [f"{row.name} has no place on the Earth."]})
    return Place(row.longitude, row.latitude)


def _alternate(given: list[str] | str) -> list[str]:
    names = given.split(",") if isinstance(given, str) else given
    cleaned = [clean_text("alternate_names", name) for name in names if name.strip()]
    if len(cleaned) > MOST_NAMES:
        problem = f"These are more than {MOST_NAMES} names."
        raise InvalidInputError(fields={"alternate_names": [problem]})
    return list(dict.fromkeys(cleaned))


def _texts(
    body: Any, before: sa.Row[Any] | None, *, named: bool = True, **longest: int
) -> dict[str, Any]:
    """Return texts that a body gives, checked; blank ones are None, but a name is needed."""
    values: dict[str, Any] = {}
    if named and (body.name is not UNSET or before is None):
        values["name"] = _name(body.name or None)
    for field, most in longest.items():
        if (value := getattr(body, field)) is not UNSET:
            values[field] = clean_text(field, value, longest=most, blank=True) or None
    return values


def _name(text: str | None) -> str:
    """Return a name, checked: it has to be found by its letters and digits."""
    name = clean_text("name", text)
    if not fold(name) or not name.isprintable():
        problem = "A name is one line, and has a letter or a digit."
        raise InvalidInputError(fields={"name": [problem]})
    return name


def _needed(field: str, value: Any) -> str:
    if not value:
        raise InvalidInputError(fields={field: ["This field may not be blank."]})
    return str(value)


def _those_on(
    connection: sa.Connection, table: sa.Table, column: sa.Column[Any], under: Sequence[sa.Row[Any]]
) -> dict[UUID, list[str]]:
    """Return UUIDs of what stands on each of some rows, by name."""
    found: dict[UUID, list[str]] = {row.uuid: [] for row in under}
    statement = sa.select(column, table.c.uuid).where(column.in_(list(found)))
    for holder, uuid in connection.execute(statement.order_by(table.c.sort, table.c.uuid)):
        found[holder].append(str(uuid))
    return found


def _refuse_to_leave(
    connection: sa.Connection, table: sa.Table, column: sa.Column[Any], row: sa.Row[Any]
) -> None:
    statement = sa.select(table.c.name).where(column == row.uuid).order_by(table.c.sort)
    if names := connection.scalars(statement).all():
        shown = ", ".join(names[:5])
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        raise ConflictError(f"{row.name} stays: {shown}{more} would lose their place.")


def _records(column: str) -> list[tuple[sa.Table, str]]:
    """Return the tables of records that name a site, a telescope or an instrument."""
    return [
        (table, column)
        for table in metadata.sorted_tables
        if table not in WHAT and column in table.c and isinstance(table.c[column].type, sa.Uuid)
    ]


def _count(table: sa.Table) -> sa.Select[Any]:
    return sa.select(sa.func.count()).select_from(table)
