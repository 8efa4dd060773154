"""How names are compared: the way people type them."""

from __future__ import annotations

import functools
import re
import unicodedata

_NOISE = str.maketrans("", "", " \t\n\u00a0_*")
_BLANKS = re.compile(r"[\s_*]+")

_GREEK = {
    "alp": "alpha alf", "bet": "beta", "gam": "gamma", "del": "delta", "eps": "epsilon",
    "zet": "zeta", "eta": "", "tet": "theta the", "iot": "iota", "kap": "kappa",
    "lam": "lambda", "mu": "", "nu": "", "ksi": "xi", "omi": "omicron", "pi": "", "rho": "",
    "sig": "sigma", "tau": "", "ups": "upsilon", "phi": "", "chi": "", "psi": "", "ome": "omega",
}  # fmt: skip
_LETTERS = [chr(code) for code in range(0x3B1, 0x3CA) if code != 0x3C2]  # the two sigmas

_CONSTELLATIONS = {
    "and": "andromedae", "ant": "antliae", "aps": "apodis", "aqr": "aquarii", "aql": "aquilae",
    "ara": "arae", "ari": "arietis", "aur": "aurigae", "boo": "bootis", "cae": "caeli",
    "cam": "camelopardalis", "cnc": "cancri", "cvn": "canumvenaticorum", "cma": "canismajoris",
    "cmi": "canisminoris", "cap": "capricorni", "car": "carinae", "cas": "cassiopeiae cassiopeia",
    "cen": "centauri", "cep": "cephei", "cet": "ceti", "cha": "chamaeleontis", "cir": "circini",
    "col": "columbae", "com": "comaeberenices", "cra": "coronaeaustralis",
    "crb": "coronaeborealis", "crv": "corvi", "crt": "crateris", "cru": "crucis",
    "cyg": "cygni", "del": "delphini", "dor": "doradus", "dra": "draconis", "equ": "equulei",
    "eri": "eridani", "for": "fornacis", "gem": "geminorum", "gru": "gruis", "her": "herculis",
    "hor": "horologii", "hya": "hydrae", "hyi": "hydri", "ind": "indi", "lac": "lacertae",
    "leo": "leonis", "lmi": "leonisminoris", "lep": "leporis", "lib": "librae", "lup": "lupi",
    "lyn": "lyncis", "lyr": "lyrae", "men": "mensae", "mic": "microscopii",
    "mon": "monocerotis", "mus": "muscae", "nor": "normae", "oct": "octantis",
    "oph": "ophiuchi", "ori": "orionis", "pav": "pavonis", "peg": "pegasi", "per": "persei",
    "phe": "phoenicis", "pic": "pictoris", "psc": "piscium", "psa": "piscisaustrini",
    "pup": "puppis", "pyx": "pyxidis", "ret": "reticuli", "sge": "sagittae",
    "sgr": "sagittarii", "sco": "scorpii", "scl": "sculptoris", "sct": "scuti",
    "ser": "serpentis", "sex": "sextantis", "tau": "tauri", "tel": "telescopii",
    "tri": "trianguli", "tra": "trianguliaustralis", "tuc": "tucanae", "uma": "ursaemajoris",
    "umi": "ursaeminoris", "vel": "velorum", "vir": "virginis", "vol": "volantis",
    "vul": "vulpeculae",
}  # fmt: skip
"""The 88 abbreviations of the IAU (1922) and the genitives that names are written with."""

_CATALOGUES = {
    "m": "messier", "ngc": "", "ic": "", "c": "caldwell", "mel": "melotte", "cr": "collinder",
    "tr": "trumpler", "b": "barnard", "hip": "hipparcos", "hd": "", "hr": "", "sao": "",
    "ugc": "", "ugca": "", "pgc": "", "eso": "", "mwsc": "", "lbn": "", "hcg": "",
    "gj": "gliese gl",
}  # fmt: skip


def _spellings(table: dict[str, str]) -> dict[str, str]:
    """Return the short form of every spelling, the longest spellings first."""
    found = {word: short for short, others in table.items() for word in (short, *others.split())}
    return dict(sorted(found.items(), key=lambda pair: -len(pair[0])))


_LETTER = _spellings(_GREEK) | dict(zip(_LETTERS, _GREEK, strict=True)) | {"\u03c2": "sig"}
_PLACE = _spellings(_CONSTELLATIONS)
_PREFIX = _spellings(_CATALOGUES)

_PLACES = "|".join(_PLACE)
_BAYER = re.compile(rf"({'|'.join(_LETTER)})\.?(\d{{0,2}})({_PLACES})([a-z]{{0,2}})")
_BAYER_APART = re.compile(rf"({'|'.join(_LETTER)})\.? ?(\d{{0,2}}) ({_PLACES})(?: ([a-z]{{1,2}}))?")
_BAYER_SHORT = re.compile(rf"({'|'.join(_GREEK)})(\d*)({'|'.join(_CONSTELLATIONS)})([a-z]{{0,2}})")
_FLAMSTEED = re.compile(rf"(\d{{1,3}})({_PLACES})([a-z]{{0,2}})")
_VARIABLE = re.compile(rf"(v\d+|[a-z]{{1,2}}) ({_PLACES})(?: ([a-z]{{1,2}}))?")
_NUMBERED = re.compile(rf"({'|'.join(_PREFIX)})0*(\d.*)")
_RADIO = {
    "cassiopeia": "cas", "centaurus": "cen", "cygnus": "cyg", "fornax": "for", "hercules": "her",
    "hydra": "hya", "perseus": "per", "pictor": "pic", "sagittarius": "sgr", "taurus": "tau",
    "virgo": "vir",
}  # fmt: skip
"""Constellations as radio sources are named after them, such as Cygnus A."""

_IN_PLACE = re.compile(rf"({'|'.join((*_RADIO, *_RADIO.values()))}) ([a-z])")
_SAID_BEFORE = re.compile(r"(?:v\*|name|cl)\s+(?=\S)")
"""SIMBAD's words for a variable star, a proper name and a cluster."""

_SIGNED = re.compile(r"(?:bd|sd|cd|cpd|cod)[+-]")
"""Zones of the Durchmusterungen: their sign is no hyphen."""

_LOOSE = re.compile(r"(?<=[a-z])-(?=\d)|'s?\b")
_KIND = re.compile(r"(.{3,}) (?:galaxy|galaxies|nebula|cluster)")

LONGEST_NAME = 300
"""Characters of a name that are looked at; the longest of the catalogues have fewer."""


def fold(name: str) -> str:
    """Return a name without case, blanks and typographic variants."""
    return _plain(name).translate(_NOISE)


def sought(text: str) -> str:
    """Return what is looked for in names: folded, and no longer than databases compare."""
    return fold(text[:LONGEST_NAME])


def _plain(name: str) -> str:
    """Return a name in small letters without accents: "Boötis" is typed "bootis" by most."""
    if not name.isascii():
        name = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
        name = "".join(char for char in name if not unicodedata.combining(char))
        name = name.replace("\u2212", "-").replace("\u2019", "'")
    return name.casefold()


def forms(name: str) -> tuple[str, ...]:
    """Return what a name is looked up by, its own spelling first.

    The other form, where there is one, is the same for all ways to write the
    same designation: Greek letters and their abbreviations, constellations in
    the genitive or abbreviated, catalogues by name or by letter, leading zeros.
    """
    return _forms(name[:LONGEST_NAME])


@functools.lru_cache(maxsize=4096)
def _forms(name: str) -> tuple[str, ...]:
    spaced = _SAID_BEFORE.sub("", _plain(name).lstrip(), count=1)
    plain = spaced.translate(_NOISE)
    spaced = _BLANKS.sub(" ", spaced).strip()
    found = [plain]
    # Blanks tell the planet "mu Ara e" from the star "mu Arae".
    if match := _BAYER_APART.fullmatch(spaced) or _BAYER.fullmatch(plain):
        letter, number, place, rest = match.groups()
        found.append(f"{_LETTER[letter]}{number.lstrip('0')}{_PLACE[place]}{rest or ''}")
    elif match := _FLAMSTEED.fullmatch(plain):
        number, place, rest = match.groups()
        found.append(f"{int(number)}{_PLACE[place]}{rest}")
    elif match := _NUMBERED.fullmatch(plain):
        prefix, rest = match.groups()
        found.append(f"{_PREFIX[prefix]}{rest}")
    elif match := _VARIABLE.fullmatch(spaced):
        star, place, rest = match.groups()
        found.append(f"{star}{_PLACE[place]}{rest or ''}")
    elif match := _IN_PLACE.fullmatch(spaced):
        found.append(f"{_RADIO.get(match[1], match[1])}{match[2]}")
    elif not _SIGNED.match(plain):
        found.append(_LOOSE.sub("", spaced).translate(_NOISE))
    return tuple(dict.fromkeys(found))


def shared(name: str) -> list[str]:
    """Return the names that a thing shares with others.

    "theta1 Ori C" is one of "theta1 Ori", and of "theta Ori"; "Whirlpool Galaxy" is a "Whirlpool".
    """
    if match := _KIND.fullmatch(_plain(name)):
        return [fold(match[1])]
    if not (match := _BAYER_SHORT.fullmatch(forms(name)[-1])):
        return []
    letter, number, place, rest = match.groups()
    whole = [f"{letter}{number}{place}"] if rest else []
    return [*whole, f"{letter}{place}"] if number else whole


_IDENTITIES = re.compile(r"(hip|ngc|ic|mel|eso|b|c|cr|pgc|ugc|m)\d.*")
_ORDER = {prefix: n for n, prefix in enumerate(_IDENTITIES.pattern[1:].split(")")[0].split("|"))}


def identity_of(names: list[str]) -> str | None:
    """Return the designation by which rows of different sources are known to be one thing."""
    matches = (_IDENTITIES.fullmatch(forms(name)[-1]) for name in names)
    found = [match for match in matches if match]
    return min(found, key=lambda match: _ORDER[match[1]])[0] if found else None
