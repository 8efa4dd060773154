"""Write the table of names of bright stars: facts from published catalogues.

    python tools/make_stars.py BSC.json CROSS.tsv NAMES.txt > stars.tsv

BSC.json is the Bright Star Catalogue (5th edition, Hoffleit & Warren 1991, VizieR
V/50) with Bayer letter, Flamsteed number and V; CROSS.tsv gives HIP, component,
SAO, HD and HR numbers (from the Hipparcos catalogue, ESA 1997, and the BSC);
NAMES.txt the proper names that the IAU's working group approved, each with its
Bayer or Flamsteed designation in the genitive. The result has one line per star
with a name: HIP, HR, HD, SAO, V, Bayer, Flamsteed, proper name.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from arcsecond.server.catalogues.names import forms, shared

GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta",
    "η": "eta", "θ": "theta", "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu",
    "ξ": "xi", "ο": "omicron", "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau",
    "υ": "upsilon", "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega",
}  # fmt: skip
SUPERSCRIPTS = str.maketrans("¹²³⁴⁵⁶⁷⁸⁹", "123456789")


def spelt(bayer: str) -> str:
    """Return a Bayer letter as a word, with the number behind it."""
    return GREEK.get(bayer[0], bayer[0]) + bayer[1:].translate(SUPERSCRIPTS)


def main(bsc: str, cross: str, names: str) -> None:
    hips: dict[str, tuple[str, str, str]] = {}
    for line in Path(cross).read_text("utf-8").splitlines():
        if not line.startswith("#"):
            hip, _, sao, hd, hr = (line.split("\t") + [""] * 5)[:5]
            if hr:
                hips.setdefault(hr, (hip, hd, sao))
    proper: dict[str, list[str]] = {}
    for line in Path(names).read_text("utf-8").splitlines():
        name, _, designation = line.partition(",")
        match = re.fullmatch(r"(\S+) (.+?)( [A-Z]{1,2})?", designation)
        if not match:
            continue
        star, place, component = match.groups()
        if star[0] in GREEK:
            star = spelt(star)
        if component not in (" B", " C"):
            proper.setdefault(forms(f"{star} {place}")[-1], []).append(name)
    lines = []
    stars = json.loads(Path(bsc).read_text("utf-8"))
    # A name of the whole, such as that of alpha CVn, is the brightest component's.
    lettered = [f"{spelt(s['B'])} {s['C']}" for s in stars if "B" in s]
    for star in sorted((s for s in stars if "B" in s), key=lambda s: float(s["V"])):
        bayer = f"{spelt(star['B'])} {star['C']}"
        for form in shared(bayer):
            if not any(form in forms(name) for name in lettered):
                proper.setdefault(forms(bayer)[-1], []).extend(proper.pop(form, []))
    for star in stars:
        hip, hd, sao = hips.get(star["HR"], ("", "", ""))
        if not hip or "C" not in star:
            continue
        bayer = f"{spelt(star['B'])} {star['C']}" if "B" in star else ""
        flamsteed = f"{star['F']} {star['C']}" if "F" in star else ""
        called = []
        for name in (bayer, flamsteed):
            called += proper.pop(forms(name)[-1], []) if name else []
        if not called and "N" in star:
            called = [star["N"]]
        fields = [hip, star["HR"], hd, sao, star["V"], bayer, flamsteed, "|".join(called)]
        lines.append((int(hip), "\t".join(fields)))
    sys.stdout.write("hip\thr\thd\tsao\tv\tbayer\tflamsteed\tproper\n")
    for _, line in sorted(lines):
        sys.stdout.write(line + "\n")
    print(f"{len(lines)} stars; names without a star: {proper}", file=sys.stderr)


main(*sys.argv[1:])
