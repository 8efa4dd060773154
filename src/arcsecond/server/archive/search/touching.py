"""What touches a part of the sky: near it by the database, then by the footprints themselves."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import msgspec
import sqlalchemy as sa

from arcsecond.server.archive.index import areas
from arcsecond.server.archive.index.tables import SKY, entries
from arcsecond.server.archive.search.conditions import Condition, Found, Test
from arcsecond.server.zones import unit_vector

if TYPE_CHECKING:
    from arcsecond.server.sphere import Shape

_CLASSES = sa.select(
    *(
        sa.exists().where(entries.c.cell.between(*areas.bounds(reach))).label(f"r{reach}")
        for reach in range(areas.CLASSES)
    )
)
"""Asks of which classes there are files."""

KNOWN_S = 60.0
"""So long it is remembered: what came since is found as well, by going through all its class."""

_KNOWN: WeakKeyDictionary[sa.Engine, tuple[float, frozenset[int]]] = WeakKeyDictionary()


def _there(connection: sa.Connection) -> frozenset[int]:
    """Return those classes of which there were files lately."""
    asked, there = _KNOWN.get(connection.engine, (-math.inf, frozenset[int]()))
    if time.monotonic() - asked > KNOWN_S:
        told = connection.execute(_CLASSES).one()
        there = frozenset(reach for reach in range(areas.CLASSES) if told[reach])
        _KNOWN[connection.engine] = time.monotonic(), there
    return there


@dataclass(frozen=True, slots=True)
class Touches(Condition):
    """Its footprint has a point in common with a shape, or its position lies in it.

    Attributes
    ----------
    area
        The shape.
    shown
        Whether it has to have a footprint: then a position alone is not enough.
    """

    area: Shape
    shown: bool = False

    @property
    def shape(self) -> Hashable:
        """Whether it has to be shown, and whether all of the sky is looked through."""
        return "touches", self.shown, self._is_wide

    @property
    def _least(self) -> int:
        return areas.POINT + self.shown

    @property
    def _is_wide(self) -> bool:
        return self.area.around[2] > areas.WIDE_DEG

    def params(self, connection: sa.Connection) -> dict[str, Any]:
        """Return the circle around the area, and the strips of the sky that are near it."""
        ra_deg, dec_deg, radius_deg = self.area.around
        ranges = list(areas.cells_near(*self.area.around, _there(connection), self._least))
        told: dict[str, Any] = {}
        if connection.dialect.name == "sqlite":
            told["ranges"] = json.dumps(ranges)
        else:
            told |= {"firsts": [one[0] for one in ranges], "lasts": [one[1] for one in ranges]}
        if not self._is_wide:
            told |= zip("xyz", unit_vector(ra_deg, dec_deg), strict=True)
            radius = math.radians(radius_deg) + areas.SLACK
            told |= {"cosine": math.cos(radius), "sine": math.sin(radius)}
        return {f"{self.label}_{name}": value for name, value in told.items()}

    def probe(self) -> Test:
        """Test the circle around it, which may touch the shape where the footprint does not."""
        return self._test(entries.c)

    def _test(self, columns: Any) -> Test:
        # "+ 0" keeps the database from looking for these by their cells.
        placed: Test = columns.cell + 0 >= areas.bounds(self._least)[0]
        if self._is_wide:
            return placed
        bind = self.bind
        # The cosine of the angle between both middles, and that of the sum of both radii.
        between = columns.x * bind("x") + columns.y * bind("y") + columns.z * bind("z")
        farthest = columns.cosine * bind("cosine") - columns.sine * bind("sine")
        return sa.and_(placed, between >= farthest)

    def found(self, dialect: str) -> Found:
        """List those that are near, by the strips of the sky."""
        some = self._near(dialect)
        within = entries.c.cell.between(some.c.first, some.c.last)
        if dialect == "sqlite":
            return (
                sa.select(entries.c.start, entries.c.file)
                .select_from(some)
                .join(entries, within)
                .where(self.probe())
            )
        # Range by range, by the index: PostgreSQL thinks that a cone holds a third of all there is.
        columns = (entries.c[name] for name in SKY)
        inside = sa.select(*columns).where(within).offset(0).lateral("inside")
        listed = sa.select(inside.c.start, inside.c.file).select_from(some)
        return listed.join(inside, sa.true()).where(self._test(inside.c))

    def _near(self, dialect: str) -> sa.FromClause:
        """Return the strips as a table."""
        if dialect == "sqlite":
            ranges = sa.bindparam(f"{self.label}_ranges", type_=sa.Text())
            each = sa.func.json_each(ranges).table_valued("value")
            ends = (
                sa.cast(sa.func.json_extract(each.c.value, f"$[{n}]"), sa.BigInteger).label(name)
                for n, name in enumerate(("first", "last"))
            )
            return sa.select(*ends).subquery("near")
        array = sa.ARRAY(sa.BigInteger)
        ends_ = (sa.bindparam(f"{self.label}_{name}", type_=array) for name in ("firsts", "lasts"))
        near = sa.func.unnest(*ends_).table_valued(
            sa.column("first", sa.BigInteger), sa.column("last", sa.BigInteger)
        )
        return near.render_derived("near")

    @property
    def is_rough(self) -> bool:
        """It is: its circle may touch where its footprint does not."""
        return True

    def evidence(self) -> dict[str, sa.ColumnElement[Any]]:
        """Return its patches, and the middle of them or else its position."""
        # As text: of most that are asked for, nobody has to read it.
        told = sa.cast(entries.c.patches, sa.Text)
        return {"patches": told, **{name: entries.c[name] for name in "xyz"}}

    def holds(self, evidence: sa.RowMapping) -> bool:
        """Look at the patches themselves."""
        middle = evidence["x"], evidence["y"], evidence["z"]
        patches = msgspec.json.decode(evidence["patches"] or "null")
        if patches is None:
            return not self.shown and middle[0] is not None and self.area.holds(middle)
        if len(patches) == 1 and self.area.holds(middle):  # it is convex: its middle is in it
            return True
        return any(map(self.area.touches_corners, patches))
