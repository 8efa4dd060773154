"""Datasets and FITS files, as the API gives and takes them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from arcsecond.filenames import LONGEST_PATH
from arcsecond.schemas.fields import Day, Name, Reference, Tags, told

DESCRIPTION = 100_000
"""Longest description, in characters."""

MOST_ASKED = 1_000
"""Files of which it is asked at once whether they are there."""

MOST_BYTES = (1 << 63) - 1

FileName = Annotated[str, told(pattern=r"^[^/\\]+(/[^/\\]+)*$", maxLength=LONGEST_PATH)]
"""The name of a file in its dataset, with its folders: at most 255 bytes of UTF-8 each."""

Digest = Annotated[str, told(pattern="^[0-9a-f]{64}$")]
"""A SHA-256 in hexadecimal."""


class Dataset(msgspec.Struct, kw_only=True):
    """A dataset: a named set of files. Volume is in bytes.

    One with an ``embargo`` is public from the beginning of that day (UTC) on, if it is public.
    ``datapackages`` are the UUIDs of those data packages of its owner that hold it, as far as
    they may be seen; ``is_published`` tells whether everyone sees it now, by itself or by one
    of them.
    """

    uuid: str
    name: str
    description: str = ""
    profile: str
    is_public: bool
    embargo: date | None = None
    is_published: bool
    datapackages: list[str]
    creation_date: datetime
    last_update: datetime
    telescope: str | None = None
    instrument: str | None = None
    tags: list[str]
    tag_array: list[str]
    data_files_count: int
    data_files_volume: int


class DatasetChange(msgspec.Struct, kw_only=True):
    """Body of a create or an update; what is missing stays as it is.

    With ``only_new`` a create is refused where its owner has a dataset of that name.
    """

    only_new: bool | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    description: Annotated[str, told(maxLength=DESCRIPTION)] | UnsetType = UNSET
    telescope: Reference | UnsetType | None = UNSET
    instrument: Reference | UnsetType | None = UNSET
    tags: Tags | UnsetType = UNSET
    is_public: bool | UnsetType = UNSET
    embargo: Day | UnsetType | None = UNSET


class Hdu(msgspec.Struct, kw_only=True):
    """One header and data unit.

    ``data_type`` is img, bintab, ascitab, groups, any or undef; ``shape`` is in
    FITS order, NAXIS1 first. ``header`` and ``header_string`` (cards of 80
    characters) come with a single file, not in lists.
    """

    index: int
    name: str
    data_type: str
    shape: list[int]
    dimension_x: int | None = None
    dimension_y: int | None = None
    dimension_z: int | None = None
    compression: str | None = None
    header: dict[str, Any] | None = None
    header_string: str | None = None


class Position(msgspec.Struct, kw_only=True):
    """A position in ICRS, degrees; ``source`` says whether WCS or pointing gave it."""

    system: str = "ICRS"
    right_ascension: float
    declination: float
    source: str


class Footprint(msgspec.Struct, kw_only=True):
    """The part of the sky that the images of a file show.

    ``polygons`` are convex, their sides great circles, their corners right ascension and
    declination (ICRS, degrees); together they are what is seen. ``moc`` is the same as a
    Multi-Order Coverage map (IVOA MOC 2.0, as text). Around all of it there is a circle, whose
    centre and ``radius`` are in degrees.
    """

    right_ascension: float
    declination: float
    radius: float
    polygons: list[list[list[float]]]
    moc: str


class Preview(msgspec.Struct, kw_only=True):
    """What can be seen of an HDU: ``kind`` is the media type of what its address gives."""

    hdu: int
    kind: str
    url: str


class FirstRows(msgspec.Struct, kw_only=True):
    """The first rows of a table, its columns and their units.

    Of a cell with many values there are the first ones; NaN is null.
    """

    columns: list[str]
    units: list[str]
    rows: list[list[Any]]


class FileVersion(msgspec.Struct, kw_only=True):
    """What a file was, or is: it keeps its key when it is replaced. ``size`` is in bytes."""

    version: int
    size: int
    sha256: str
    creation_date: datetime


class Doubt(msgspec.Struct, kw_only=True, frozen=True):
    """What a header says and nobody can believe, as it is written there, and why not.

    ``field`` is the field that it would have told.
    """

    field: str
    keyword: str
    value: str
    why: str


class FitsFile(msgspec.Struct, kw_only=True):
    """A FITS file.

    ``night`` is the evening on which the night began. ``product`` is the
    ``dataproduct_type`` of ObsCore. ``doubts`` tells what the headers say and nobody
    can believe. ``sha256`` is of the bytes as they were sent, ``content_sha256`` of the
    unpacked FITS (null when it cannot be unpacked whole). ``start`` is UTC,
    ``exposure`` in seconds. What the headers do not say is null. ``problems``
    tells which HDU is damaged, and why. ``versions``, the newest first, ``footprint``,
    ``previews`` and ``target_url``, of the object or planet that the target names, come with
    a single file, not in lists.
    """

    pk: int
    id: int
    name: str
    dataset: str
    profile: str
    target: str | None = None
    target_name: str | None = None
    target_url: str | None = None
    position: Position | None = None
    footprint: Footprint | None = None
    previews: list[Preview] | None = None
    start: datetime | None = None
    exposure: float | None = None
    filter: str | None = None
    instrument: str | None = None
    telescope: str | None = None
    kind: str | None = None
    night: date | None = None
    airmass: float | None = None
    observer: str | None = None
    programme: str | None = None
    product: str | None = None
    doubts: list[Doubt]
    version: int
    versions: list[FileVersion] | None = None
    size: int
    sha256: str
    content_size: int | None = None
    content_sha256: str | None = None
    packing: str | None = None
    creation_date: datetime
    last_update: datetime
    tags: list[str]
    tag_array: list[str]
    is_raw: bool | None = None
    is_fits: bool = True
    hdus: list[Hdu]
    problems: list[str]
    file: str
    download_url: str


class FileAsked(msgspec.Struct, kw_only=True, gc=False):
    """A file of which somebody asks whether it is there; ``size`` is in bytes.

    Without a digest it is told whether one has to be worked out.
    """

    name: FileName
    size: Annotated[int, msgspec.Meta(ge=0, le=MOST_BYTES)]
    sha256: Digest | None = None


class FilesAsked(msgspec.Struct, kw_only=True):
    """Files of which somebody asks whether they are there, a thousand at most."""

    files: Annotated[list[FileAsked], told(maxItems=MOST_ASKED)]


class FileKnown(msgspec.Struct, kw_only=True, gc=False):
    """Whether a file is there, as far as the asker may know.

    ``state`` is ``same`` (under its name), ``other`` (its name has other content),
    ``elsewhere`` (its content is in a file that the asker may read: a create with its
    digest alone makes a file of it), ``unclear`` (its digest would tell), or ``unknown``.
    ``pk`` is of the file that has the name.
    """

    name: str
    state: str
    pk: int | None = None


class FileTaken(msgspec.Struct, kw_only=True):
    """Body of a create without bytes: of content that the asker may read already."""

    name: FileName | UnsetType = UNSET
    sha256: Digest | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    is_raw: bool | UnsetType | None = UNSET


class UploadOutcome(msgspec.Struct, kw_only=True):
    """How it went with one of several files that came together.

    ``status`` is what it would have answered by itself: 201 new, 200 known, else
    ``error`` has the body of that answer.
    """

    name: str
    status: int
    file: FitsFile | None = None
    error: dict[str, Any] | None = None


class Upload(msgspec.Struct, kw_only=True):
    """An upload that waits for more bytes; it expires when none come for seven days.

    ``size`` and ``received`` are in bytes: those that it is to have, and those that are
    on the server's disk. ``sha256`` is what its sender says, null when nobody said; ``given``
    what the file gets, such as tags; ``replace`` whether it may be a new version.
    """

    uuid: str
    dataset: str
    name: str
    size: int
    received: int
    sha256: str | None
    given: dict[str, str]
    replace: bool
    creation_date: datetime
    expires: datetime
    upload_url: str


class Reindex(msgspec.Struct, kw_only=True):
    """Body of a reindex: behind what it goes on, and whether what needs it not is read, too."""

    after: Annotated[str, told(maxLength=30)] | None = None
    everything: bool = False


class Reindexed(msgspec.Struct, kw_only=True):
    """How far a reindex is: versions of files that were read, and those that changed by it.

    ``left`` is how many there were to read, told in the first answer alone. ``next`` is to be
    given as ``after``; null when all is done.
    """

    read: int
    changed: int
    left: int | None
    next: str | None


class FitsFileChange(msgspec.Struct, kw_only=True):
    """Body of an update without a file; what is missing stays as it is."""

    name: FileName | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    is_raw: bool | UnsetType | None = UNSET
