"""The one table of resources: command, module and routes are built from it.

It holds data, never callables, and imports the standard library only, so that
``arcsecond --help`` can read it without loading anything else. A test proves
that the three faces and ``/schema`` agree with it.
"""

from __future__ import annotations

from arcsecond.resource import DELETE, KEEP, LIST, LOOK, READ, Field, Resource, Task

COUNT_BOUND = 10_000
"""Lists that have to be counted are counted up to here."""

_NAME = Field("name", "Its name.")
_SITE = Field("observing_site", "The observing site: UUID, MPC code or name.")
_TELESCOPE = Field("telescope", "The telescope: UUID or name.")
_INSTRUMENT = Field("instrument", "The instrument: UUID or name.")
_FROM = Field("site", "The observing site: UUID, MPC code or name.", sample="309")
_EVENING = Field(
    "date", "In the night of this evening, YYYY-MM-DD; else tonight.", sample="2027-01-01"
)
_STANDING = Field("site", "Those that stand there: UUID, MPC code or name.", sample="309")
_AROUND = Field("around", "List what lies around LON,LAT or a site, nearest first.", sample="309")
_NEAR = Field("radius", "How far around, in km; 100 when it is not given.", sample="100km")
_ACRONYM = Field("acronym", "Its acronym.")
_JOURNAL = Field("journal", "Free text.", lines=True)
_TAGS = Field("tags", "Tags, separated by commas.", "list")

_SEARCH = (
    Field("text", "With these words in what names it.", sample="standard star"),
    Field("object", "Around an object of the catalogues, or with it as target.", sample="M 42"),
    Field("cone", "Touching a cone: RA,DEC,RADIUS or NAME,RADIUS.", sample="83.82,-5.39,0.5deg"),
    Field("night", "Of the night of this evening, or FIRST..LAST.", sample="2026-11-21"),
    Field("instrument", "By this instrument, or one of several: A,B.", sample="EFOSC*"),
    Field("filter", "Through this filter.", sample="R,V"),
    Field("kind", "Of this kind, such as flat or science.", sample="science"),
    Field("where", "Further conditions, joined by and.", sample="header.NAXIS>1 and filter!=V"),
    Field("radius", "How far around an object, such as 30arcmin; else 0.25deg.", sample="1deg"),
    Field("covers", "Showing a position or an object.", sample="83.82,-5.39"),
    Field("polygon", "Touching a polygon: RA,DEC,RA,DEC,...", sample="83,-6,85,-6,84,-4"),
    Field("after", "Begun at this time (UTC) or later.", sample="2026-11-21T18:00:00"),
    Field("before", "Begun before this time (UTC).", sample="2026-11-22"),
    Field("target", "Of this target; * stands for anything.", sample="M*"),
    Field("telescope", "At this telescope.", sample="ESO-NTT"),
    Field("observer", "By this observer.", sample="ann"),
    Field("programme", "Of this observing programme.", sample="60.A-9999"),
    Field("product", "image, cube, spectrum ..., as ObsCore says.", sample="image"),
    Field("exposure", "Exposed so long, in seconds.", sample="10..300"),
    Field("airmass", "At this airmass.", sample="..1.5"),
    Field("size", "With so many bytes.", sample="1000.."),
    Field("dataset", "In this dataset: UUID or name."),
    Field("package", "In this data package: its UUID."),
    Field("pk", "These alone, by their numbers: 1,2,3.", sample="1"),
    Field(
        "sort",
        "start, added, exposure, ...; -start for the last first. What has none comes last.",
        sample="-start",
    ),
)

RESOURCES: tuple[Resource, ...] = (
    Resource(
        "me",
        "Your own profile.",
        "none",
        (READ,),
        "people:Profile",
        private=True,
        heading="You",
        example="arcsecond me",
    ),
    Resource(
        "objects",
        "Astronomical objects, by any of their names or a position.",
        "name",
        LOOK,
        "catalogues:AstronomicalObject",
        aliases=("o",),
        filters=("name", "search", "around", "coordinates", "radius"),
        sought=(
            Field(
                "around",
                "List what lies around a position or an object, nearest first.",
                sample="83.82,-5.39",
            ),
            Field(
                "radius",
                "How far around, such as 30arcmin; 0.1deg when it is not given.",
                sample="0.1deg",
            ),
        ),
        paged=True,
        example='arcsecond objects "HD 5980"',
    ),
    Resource(
        "exoplanets",
        "Exoplanets, by any of their names.",
        "name",
        LOOK,
        "catalogues:Exoplanet",
        filters=("search", "host", "method", "transiting", "mass", "radius", "period"),
        sought=(
            Field("host", "Of this star.", sample="51 Peg"),
            Field("method", "Found by this method, such as Imaging.", sample="Imaging"),
            Field("transiting", "true: only those that transit; false: the others.", sample="true"),
            Field(
                "mass", "In this range of Jupiter masses, such as 0.5..2 or ..2.", sample="0.5..2"
            ),
            Field("radius", "In this range of Jupiter radii.", sample="..2"),
            Field("period", "In this range of orbital periods, in days.", sample="1..10"),
        ),
        paged=True,
        example='arcsecond exoplanets "51 Peg b"',
    ),
    Resource(
        "transits",
        "The next transits of an exoplanet, as they are seen from a site.",
        "none",
        (LIST,),
        "sky:Transit",
        parent="exoplanets",
        filters=("site", "nights", "date"),
        sought=(
            _FROM,
            Field("nights", "Over so many nights; 7 when it is not given.", sample="7"),
            Field(
                "date",
                "From the noon (UTC) of this day on, YYYY-MM-DD; else from now.",
                sample="2027-01-01",
            ),
        ),
        command=False,
        example='arcsecond exoplanets "HD 209458 b" --transits --nights 7',
    ),
    Resource(
        "visibility",
        "How an object stands over a site in a night: rise, transit, set, altitude, airmass.",
        "none",
        (READ,),
        "sky:Visibility",
        parent="objects",
        filters=("site", "date", "elevation"),
        sought=(
            _FROM,
            _EVENING,
            Field("elevation", "Count hours above it; 30 when it is not given.", sample="30"),
        ),
        image="curve",
        command=False,
        example='arcsecond objects "M 31" --visibility --site 309',
    ),
    Resource(
        "findingcharts",
        "Finding charts of an object or a position.",
        "name",
        (READ,),
        "observatory:FindingChart",
        filters=("fov", "faintest"),
        sought=(
            Field("fov", "Width of the field, such as 2deg or 30arcmin.", sample="2deg"),
            Field("faintest", "Magnitude of the faintest star.", sample="12"),
        ),
        image="chart",
        heading="Finding charts",
        example='arcsecond findingcharts "M 42" --fov 2deg --out m42.png',
    ),
    Resource(
        "standardstars",
        "Standard stars nearest to a position.",
        "none",
        (LIST,),
        "catalogues:StandardStar",
        filters=("around", "count"),
        words=("around", "count"),
        heading="Standard stars",
        example="arcsecond standardstars 83.82,-5.39 3",
    ),
    Resource(
        "catalogues",
        "The catalogues at hand, with their sources.",
        "id",
        (*LOOK, DELETE),
        "catalogues:Catalogue",
        tasks=(
            Task(
                "import",
                "Read a catalogue from files, or from the folder that holds them.",
                ("exoplanets", "openngc", "stars", "standardstars"),
                files=True,
                forced=True,
            ),
            Task(
                "refresh",
                "Fetch a catalogue from where it is kept.",
                ("exoplanets", "stars", "satellites", "observingsites"),
                optional=True,
                forced=True,
            ),
            Task("build", "Build the catalogues anew from what is installed."),
        ),
        example="arcsecond catalogues",
    ),
    Resource(
        "telegrams/ATel",
        "Astronomer's Telegrams that were imported.",
        "integer",
        LOOK,
        "activities:Telegram",
        constant="TELEGRAMS_ATEL",
        command=False,
        heading="Astronomer's Telegrams",
    ),
    Resource(
        "observingsites",
        "Observing sites: every MPC code, and your own.",
        "called",
        KEEP,
        "observatory:ObservingSite",
        "observatory:ObservingSiteChange",
        aliases=("sites",),
        fields=(
            _NAME,
            Field("nickname", "What it is called for short."),
            Field("alternate_names", "Other names, separated by commas.", "list"),
            Field("IAUCode", "Its code at the Minor Planet Center."),
            _ACRONYM,
            Field("homepage_url", "Address of its home page."),
            Field("longitude", "In degrees, east positive.", "number"),
            Field("latitude", "In degrees, north positive.", "number"),
            Field("height", "In metres.", "number"),
            Field("country", "Its country; found by the position when not given."),
            Field("continent", "Its continent."),
            Field("time_zone", "Such as America/Santiago; found by the position when not given."),
        ),
        needed=("name", "longitude", "latitude", "height"),
        filters=("name", "search", "code", "around", "radius"),
        sought=(
            Field("code", "The one with this code of the Minor Planet Center.", sample="309"),
            _AROUND,
            _NEAR,
        ),
        tasks=(
            Task(
                "import",
                "Read the list of observatory codes of the Minor Planet Center.",
                files=True,
            ),
        ),
        kept_by_admins=True,
        heading="Observing sites",
        example="arcsecond observingsites La Silla --tonight",
    ),
    Resource(
        "tonight",
        "Sun, Moon and twilights at a site tonight.",
        "none",
        (READ,),
        "sky:Night",
        parent="observingsites",
        filters=("site", "date"),
        sought=(_FROM, _EVENING),
        whole=True,
        command=False,
        example="arcsecond observingsites Paranal --tonight",
    ),
    Resource(
        "telescopes",
        "Telescopes.",
        "called",
        KEEP,
        "observatory:Telescope",
        "observatory:TelescopeChange",
        fields=(
            _NAME,
            _ACRONYM,
            Field("alias", "Another name."),
            _SITE,
            Field("aperture", "Diameter of its entrance pupil in metres.", "number"),
            Field("mounting", "How it is mounted, such as Alt-azimuth."),
            Field("optical_design", "Such as Ritchey-Chrétien."),
        ),
        needed=("name", "observing_site"),
        filters=("name", "search", "site", "around", "radius"),
        sought=(
            _STANDING,
            _AROUND,
            _NEAR,
        ),
        kept_by_admins=True,
        example="arcsecond telescopes --site Paranal",
    ),
    Resource(
        "instruments",
        "Instruments.",
        "called",
        KEEP,
        "observatory:Instrument",
        "observatory:InstrumentChange",
        fields=(
            _NAME,
            _ACRONYM,
            Field("kind", "What it is, such as echelle spectrograph."),
            Field("focus", "Where it is mounted, such as Nasmyth."),
            _TELESCOPE,
        ),
        needed=("name", "telescope"),
        filters=("name", "search", "telescope", "site", "around", "radius"),
        sought=(_STANDING, _AROUND, _NEAR),
        kept_by_admins=True,
        example="arcsecond instruments --around -70.4,-24.6",
    ),
    Resource(
        "satellites",
        "Satellites and their orbital elements, by number or name.",
        "norad",
        LOOK,
        "observatory:Satellite",
        filters=("name", "search"),
        tasks=(Task("import", "Read element sets: TLE, or OMM as JSON, CSV or XML.", files=True),),
        example="arcsecond satellites 25544",
    ),
    Resource(
        "position",
        "Where a satellite is now, over the Earth and from a site.",
        "none",
        (READ,),
        "sky:SatellitePosition",
        parent="satellites",
        filters=("site", "time"),
        sought=(
            _FROM,
            Field("time", "At this time (UTC), else now.", sample="2026-11-23T03:00"),
        ),
        command=False,
        example="arcsecond satellites ISS --position --site Paranal",
    ),
    Resource(
        "passes",
        "When satellites pass over a site.",
        "none",
        (LIST,),
        "sky:Pass",
        parent="satellites",
        filters=("site", "date", "time", "nights", "elevation", "visible", "search"),
        sought=(
            _FROM,
            _EVENING,
            Field("time", "From this time (UTC) on, else from now.", sample="2026-11-23T03:00"),
            Field("nights", "Over so many nights; 1 when it is not given.", sample="1"),
            Field("elevation", "Passes that go above it; 10 when it is not given.", sample="10"),
            Field("visible", "true: only those that can be seen; false: the others."),
            Field("search", "Of satellites with a name that holds this.", sample="starlink"),
        ),
        whole=True,
        command=False,
        example="arcsecond satellites ISS --passes --site Paranal",
    ),
    Resource(
        "profiles",
        "People.",
        "username",
        LOOK,
        "people:Profile",
        filters=("search",),
        paged=True,
        heading="People",
        example="arcsecond profiles",
    ),
    Resource(
        "observingruns",
        "Your observing runs.",
        "uuid",
        KEEP,
        "records:ObservingRun",
        "records:ObservingRunChange",
        private=True,
        aliases=("runs",),
        fields=(_NAME, _SITE, _JOURNAL, _TAGS),
        needed=("name",),
        filters=("name",),
        heading="Observing runs",
        example='arcsecond observingruns create --name "Winter run"',
    ),
    Resource(
        "nightlogs",
        "Your night logs.",
        "uuid",
        KEEP,
        "records:NightLog",
        "records:NightLogChange",
        private=True,
        aliases=("logs",),
        fields=(
            _NAME,
            Field("date", "Date of the evening, YYYY-MM-DD."),
            _TELESCOPE,
            Field("observing_run", "UUID of the observing run.", "uuid"),
            _JOURNAL,
            _TAGS,
        ),
        needed=("date",),
        filters=("name", "date", "telescope"),
        heading="Night logs",
        example="arcsecond nightlogs create --date 2026-11-22",
    ),
    Resource(
        "datasets",
        "Your datasets.",
        "uuid",
        KEEP,
        "archive:Dataset",
        "archive:DatasetChange",
        private=True,
        fields=(
            _NAME,
            Field("description", "What it holds.", lines=True),
            _TELESCOPE,
            _INSTRUMENT,
            _TAGS,
            Field("is_public", "Whether everyone may see it.", "flag"),
            Field("embargo", "Public only from this day (UTC) on: YYYY-MM-DD; '' for no day."),
        ),
        needed=("name",),
        filters=("name", "tags"),
        example='arcsecond datasets create --name "this is a new dataset"',
    ),
    Resource(
        "fitsfiles",
        "The FITS files of a dataset.",
        "integer",
        KEEP,
        "archive:FitsFile",
        "archive:FitsFileChange",
        private=True,
        aliases=("datafiles",),
        parent="datasets",
        fields=(Field("file", "The file to upload.", "file"), _NAME, _TAGS),
        needed=("file",),
        filters=("name", "tags", *(field.name for field in _SEARCH)),
        sought=_SEARCH,
        everywhere="/fitsfiles/",
        of_one=(Field("version", "An older version, with read and delete.", "number"),),
        heading="FITS files",
        example="arcsecond fitsfiles <dataset uuid> create --file <path>",
    ),
    Resource(
        "datapackages",
        "Your data packages: datasets that are published, cited and shared together.",
        "uuid",
        KEEP,
        "packages:DataPackage",
        "packages:DataPackageChange",
        private=True,
        aliases=("packages",),
        fields=(
            _NAME,
            Field("description", "What it is about.", lines=True),
            Field("datasets", "UUIDs or names of datasets, in order, with commas.", "list"),
            Field("licence", "What others may do with it, such as CC-BY-4.0."),
            Field("citation", "How it wants to be cited.", lines=True),
            Field("is_public", "Whether everyone may see it, with all that is in it.", "flag"),
            Field("embargo", "Public only from this day (UTC) on: YYYY-MM-DD; '' for no day."),
        ),
        needed=("name",),
        filters=("name", "dataset"),
        sought=(Field("dataset", "Those that hold this dataset, by its UUID."),),
        tasks=(
            Task("share", "Make a link that shows it to whoever has it.", keyed=True),
            Task("unshare", "Revoke its link: it shows nothing any more.", keyed=True),
        ),
        heading="Data packages",
        example='arcsecond datapackages create --name "M 31 in 2026" --datasets run1,run2',
    ),
    Resource(
        "uploads",
        "Your uploads into a dataset that wait for more bytes.",
        "uuid",
        (LIST,),
        "archive:Upload",
        private=True,
        parent="datasets",
        command=False,
        example="arcsecond datasets <dataset uuid> --uploads",
    ),
    Resource(
        "trash",
        "What you deleted: it can be brought back for 30 days.",
        "id",
        (LIST, READ, DELETE),
        "trash:Deleted",
        private=True,
        tasks=(
            Task(
                "restore",
                "Bring one back.",
                keyed=True,
                fields=(Field("name", "Under another name; needed when its own is taken."),),
            ),
        ),
        example="arcsecond trash restore 12",
    ),
    Resource(
        "activities",
        "What is being observed now: the ten latest.",
        "integer",
        KEEP,
        "activities:Activity",
        "activities:ActivityChange",
        latest=10,
        fields=(
            Field("title", "A short title."),
            Field("content", "The text."),
            _SITE,
            _TELESCOPE,
            _INSTRUMENT,
            Field("target", "Name of the target."),
            Field("coordinates", "Position as RA,DEC in decimal degrees (ICRS).", "coordinates"),
            Field("organisation", "Name of the organisation."),
            Field("collaboration", "Name of the collaboration."),
        ),
        example='arcsecond activities create --title "your title" --content "the content"',
    ),
)


def inside_of(resource: Resource) -> list[Resource]:
    """Return the lists inside one of a resource that have no command: they are options of its."""
    return [r for r in RESOURCES if r.parent == resource.name and not r.command]


BY_NAME: dict[str, Resource] = {r.name: r for r in RESOURCES}
BY_ALIAS: dict[str, Resource] = {
    name: r for r in RESOURCES for name in (r.name, *r.aliases) if not name.startswith("telegrams")
}

INFRASTRUCTURE: tuple[str, ...] = (
    "appearance",
    "auth",
    "health",
    "live",
    "login",
    "schema",
    "shared",
    "static",
)
"""First path segments beside the resources."""

KEPT: tuple[str, ...] = (
    "admin", "api", "archive", "assets", "calibrations", "datalink", "docs",
    "download", "embedded", "files", "help", "media", "members", "metrics", "observations",
    "organisations", "people", "scs", "server", "settings", "sia", "soda", "ssap", "tap",
    "targetlists", "targets", "telegrams", "tus", "uploadkeys", "vo", "vospace", "www",
)  # fmt: skip
"""First path segments kept for the future: no organisation may take them."""


def reserved() -> frozenset[str]:
    """Return every first path segment that can never be an organisation."""
    names = {name.split("/")[0] for r in RESOURCES for name in (r.name, *r.aliases)}
    return frozenset({*names, *INFRASTRUCTURE, *KEPT})
