"""Spectra, light curves and tables: what is drawn of them, and what is told in words."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from arcsecond.fits import walking
from arcsecond.server.archive import looking, plots, rows
from arcsecond.server.archive.curves import Curve, NoCurveError, Plot, axis, multispec, plot_of
from arcsecond.server.archive.product import has_curve
from tests.conftest import SHARED, Http, fits_bytes

pytestmark = pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyWarning")

Headers = dict[str, str]


def written(*hdus: Any) -> bytes:
    buffer = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(buffer, output_verify="silentfix")
    return buffer.getvalue()


def line(length: int = 200, **cards: Any) -> Any:
    hdu = fits.PrimaryHDU(np.sin(np.arange(length) / 9).astype("f4"))
    hdu.header.update(cards)
    return hdu


def of(hdu: Any) -> Plot:
    """Return the curves of an HDU as the process reads it."""
    with fits.open(
        io.BytesIO(written(*([hdu] if hdu.name == "PRIMARY" else [fits.PrimaryHDU(), hdu])))
    ) as hdus:
        return plot_of(hdus[-1])


class TestWavelengthsBeside:
    """Another HDU holds them, as in the spectra of DESI."""

    def of(self, *others: Any, name: str = "B_FLUX", shape: tuple[int, ...] = (3, 40)) -> Plot:
        flux = fits.ImageHDU(np.random.default_rng(1).normal(size=shape), name=name)
        with fits.open(io.BytesIO(written(fits.PrimaryHDU(), *others, flux))) as hdus:
            return plot_of(hdus[-1], hdus)

    @staticmethod
    def waves(name: str, length: int = 40, unit: str = "Angstrom") -> Any:
        hdu = fits.ImageHDU(np.linspace(3600, 5800, length), name=name)
        hdu.header["BUNIT"] = unit
        return hdu

    def test_those_of_its_arm(self) -> None:
        plot = self.of(self.waves("R_WAVELENGTH"), self.waves("B_WAVELENGTH"))
        assert plot.x_label == "Wavelength (Å)"
        assert len(plot.curves) == 3
        assert (plot.curves[0].x[0], plot.curves[0].x[-1]) == (3600, 5800)
        plain = self.of(self.waves("WAVELENGTH", unit="nm"), name="FLUX")
        assert plain.x_label == "Wavelength (nm)"

    def test_those_of_others_are_not_its_own(self) -> None:
        for other in (
            self.waves("R_WAVELENGTH"), self.waves("B_WAVELENGTH", 39), self.waves("B_IVAR"),
            fits.BinTableHDU.from_columns([fits.Column("a", "D", array=[1.0])], name="B_WAVELENGTH"),
        ):  # fmt: skip
            assert self.of(other).x_label == "Pixel"

    @pytest.mark.skipif(not SHARED.exists(), reason="shared data are not beside this clone")
    def test_a_real_one(self) -> None:
        with fits.open(SHARED / "fits" / "spectra" / "desi_coadd.fits") as hdus:
            for arm, first in (("B", 3600), ("R", 5760), ("Z", 7520)):
                plot = plot_of(hdus[f"{arm}_FLUX"], hdus)
                assert plot.x_label == "Wavelength (Å)"
                assert plot.curves[0].x[0] == pytest.approx(first, abs=1)


class TestAxes:
    """What lies along a spectrum."""

    @pytest.mark.parametrize(
        ("cards", "first", "last", "label"),
        [
            ({"CRVAL1": 5000.0, "CDELT1": 2.0, "CTYPE1": "WAVE", "CUNIT1": "Angstrom"}, 5000, 5398, "Wavelength (Å)"),
            ({"CRVAL1": 5000.0, "CD1_1": 2.0, "CRPIX1": 11.0, "CTYPE1": "LINEAR"}, 4980, 5378, "Wavelength"),
            ({"CRVAL1": 3.5, "CDELT1": 1e-4, "DC-FLAG": 1}, 10**3.5, 10 ** (3.5 + 0.0199), "Wavelength"),
            ({"COEFF0": 3.58, "COEFF1": 1e-4}, 10**3.58, 10 ** (3.58 + 0.0199), "Wavelength (Å)"),
            ({"CRVAL1": -10.0, "CDELT1": 0.5, "CTYPE1": "VRAD", "CUNIT1": "km/s"}, -10, 89.5, "Radial velocity (km/s)"),
            ({"CRVAL1": 5000.0, "CDELT1": 2.0, "CTYPE1": "WAVE-LOG"}, 5000, 5000 * np.exp(398 / 5000), "Wavelength"),
            ({"CRVAL1": 5000.0, "CDELT1": 2.0, "WAT1_001": "wtype=linear label=Wavelength units=angstroms"}, 5000, 5398, "Wavelength (Å)"),
            ({"CRVAL1": 5000.0, "CDELT1": 2.0, "CTYPE1": "WAVELENGTH [Ang]"}, 5000, 5398, "Wavelength (Å)"),
            ({}, 1, 200, "Pixel"), ({"CRVAL1": "x", "CDELT1": 2.0}, 1, 200, "Pixel"), ({"CRVAL1": 5.0, "CDELT1": 0.0}, 1, 200, "Pixel"),
        ],
    )  # fmt: skip
    def test_of_an_image(
        self, cards: dict[str, Any], first: float, last: float, label: str
    ) -> None:
        plot = of(line(**cards))
        (curve,) = plot.curves
        assert (curve.x[0], curve.x[-1]) == pytest.approx((first, last))
        assert plot.x_label == label

    def test_units_of_what_is_measured(self) -> None:
        assert of(line(BUNIT="erg/s/cm2")).y_label == "Flux (erg/s/cm2)"

    def test_rows_of_which_the_first_is_the_axis(self) -> None:
        waves = np.linspace(4000, 5000, 300)
        plot = of(fits.PrimaryHDU(np.stack([waves, np.cos(waves), waves * 0 + 0.1]).astype("f4")))
        assert [curve.label for curve in plot.curves] == ["2", "3"]
        assert plot.curves[0].x[-1] == pytest.approx(5000)

    def test_rows_that_have_one_axis(self) -> None:
        hdu = fits.PrimaryHDU(np.arange(600, dtype="f4").reshape(2, 300))
        hdu.header.update({"CRVAL1": 4000.0, "CDELT1": 1.5})
        plot = of(hdu)
        assert len(plot.curves) == 2
        assert plot.curves[1].x[0] == 4000

    def test_rows_that_have_names(self) -> None:
        """As in SDSS's spSpec; bits of a mask are no flux."""
        hdu = fits.PrimaryHDU(np.arange(900, dtype="f4").reshape(3, 300))
        hdu.header.update({"COEFF0": 3.58, "COEFF1": 1e-4})
        hdu.header.update({"ARRAY1": "SPECTRUM", "ARRAY2": "MASK"})
        assert [curve.label for curve in of(hdu).curves] == ["Spectrum"]

    def test_an_echelle_of_iraf(self) -> None:
        """Linear, logarithmic, Chebyshev and Legendre orders; each by arithmetic."""
        specs = (
            'wtype=multispec spec1 = "1 90 0 4000. 0.5 100 0. 1. 2." '
            'spec2 = "2 89 1 3.6 1E-5 100 0. 1. 2." '
            'spec3 = "3 88 2 0. 0. 100 0. 1. 2. 1. 0. 1 3 1. 100. 5000. 50. 2." '
            'spec4 = "4 87 2 0. 0. 100 0.5 1. 2. 1. 0. 2 3 1. 100. 5000. 50. 2."'
        )
        parts = [specs[n : n + 68] for n in range(0, len(specs), 68)]
        header = {f"WAT2_{n + 1:03}": part for n, part in enumerate(parts)}
        axes = multispec(header, 100)
        assert axes[0][10] == pytest.approx(4005)
        assert axes[1][10] == pytest.approx(10 ** (3.6 + 1e-4))
        share = (2 * 31 - 101) / 99
        assert axes[2][30] == pytest.approx(5000 + 50 * share + 2 * (2 * share**2 - 1))
        legendre = 5000 + 50 * share + 2 * (3 * share**2 - 1) / 2
        assert axes[3][30] == pytest.approx(legendre / 1.5)
        for odd in (
            'spec1 = "1 2 3"',
            'spec1 = "1 1 2 0 0 100 0 1 2 1 0 9 3 1 1 0 0 0"',
            'spec1 = "x"',
        ):
            assert multispec({"WAT2_001": odd}, 100) == {}

    def test_it_needs_no_astropy_to_know_an_axis(self) -> None:
        along, label = axis({"CRVAL1": 1.0, "CDELT1": 2.0, "CTYPE1": "FREQ", "CUNIT1": "Hz"}, 3)
        assert along.tolist() == [1, 3, 5]
        assert label == "Frequency (Hz)"


class TestTables:
    """Columns that say what they are."""

    def table(self, **columns: Any) -> Any:
        made = []
        for name, value in columns.items():
            values, unit = value if isinstance(value, tuple) else (value, None)
            values = np.asarray(values, dtype=float)
            form = f"{values.shape[1]}D" if values.ndim > 1 else "D"
            made.append(fits.Column(name, form, unit, array=values))
        return fits.BinTableHDU.from_columns(made)

    def test_a_spectrum_and_a_light_curve(self) -> None:
        waves = np.linspace(1, 2, 50)
        plot = of(self.table(WAVE=(waves, "um"), FLUX=(waves**2, "Jy"), ERR=waves))
        assert (plot.x_label, plot.y_label) == ("WAVE (um)", "FLUX (Jy)")
        assert plot.curves[0].y.tolist() == (waves**2).tolist()
        assert of(self.table(loglam=waves, flux=waves)).curves[0].x[0] == 10
        assert of(self.table(TIME=waves, SAP_FLUX=waves)).x_label == "TIME"
        one_row = of(self.table(WAVELENGTH=waves[None, :], FLUX=waves[None, :]))
        assert len(one_row.curves[0].x) == 50

    def test_what_is_none(self) -> None:
        waves = np.linspace(1, 2, 50)
        for hdu in (
            self.table(X=waves, Y=waves),
            self.table(VELOCITY=waves, FLUX=np.ones((50, 7))),
        ):
            with pytest.raises(NoCurveError):
                of(hdu)
        with pytest.raises(NoCurveError, match="finite"):
            of(fits.PrimaryHDU(np.full(50, np.nan)))
        with pytest.raises(NoCurveError):
            of(fits.PrimaryHDU())


def test_which_hdus_may_have_one() -> None:
    with fits.open(io.BytesIO(written(line()))) as hdus:
        assert has_curve(dict(hdus[0].header))
        # Wavelengths are what others are drawn along.
        assert not has_curve({**hdus[0].header, "EXTNAME": "B_WAVELENGTH"})
    assert not has_curve({"NAXIS": 2, "NAXIS1": 50, "NAXIS2": 50, "SIMPLE": True})
    assert not has_curve({"XTENSION": "BINTABLE", "TTYPE1": "A", "TTYPE2": "B"})
    assert not has_curve({})


class TestDrawn:
    """The plot itself."""

    def test_texts_are_texts_and_nothing_runs(self) -> None:
        svg = plots.drawn(Plot([Curve(np.arange(9.0), np.arange(9.0))], "<script>$x", "Flux (Jy)"))
        assert svg.startswith("<?xml")
        assert "Flux (Jy)" in svg
        assert "<script" not in svg
        assert plots.drawn(Plot([Curve(np.arange(9.0), np.arange(9.0))], "a", "b")) == plots.drawn(
            Plot([Curve(np.arange(9.0), np.arange(9.0))], "a", "b")
        )

    def test_many_points_keep_their_peaks(self) -> None:
        y = np.zeros(1_000_000)
        y[[5, 700_123]] = 1, -1
        y[200_000:300_000] = np.nan
        x, thin = plots.thinned(Curve(np.arange(1_000_000.0), y), 1000)
        assert len(thin) == 2000
        assert (np.nanmax(thin), np.nanmin(thin)) == (1, -1)
        assert np.isnan(thin).any()
        assert (np.diff(x) >= 0).all()
        assert len(plots.drawn(Plot([Curve(x, thin)] * 150))) < plots.HEAVIEST

    def test_what_sticks_out_far_is_cut_off(self) -> None:
        y = np.random.default_rng(1).normal(0, 1, 5000)
        y[9] = 1e9
        assert plots.limits(Plot([Curve(np.arange(5000.0), y)]))[1] < 10


@pytest.fixture
def sent(http: Http, user: Callable[[str], Headers]) -> Callable[..., tuple[str, Headers]]:
    """Upload a file; returns its address and who may see it."""
    ann = user("ann")
    dataset = http.post("/datasets/", json={"name": "d"}, headers=ann).json()["uuid"]

    def send(content: bytes, name: str = "a.fits") -> tuple[str, Headers]:
        part = {"file": (name, content)}
        answer = http.post(f"/datasets/{dataset}/fitsfiles/", files=part, headers=ann)
        return f"/datasets/{dataset}/fitsfiles/{answer.json()['pk']}/", ann

    return send


TABLE = fits.BinTableHDU.from_columns(
    [
        fits.Column("NAME", "8A", array=np.array(["M 31", "M 33 "] * 20)),
        fits.Column("MAG", "E", "mag", array=np.array([3.4, np.nan] * 20)),
        fits.Column("FLUXES", "9J", array=np.arange(360).reshape(40, 9)),
        fits.Column("TRACE", "PE()", array=np.array([np.arange(n % 3) for n in range(40)], dtype=object)),
    ],
    name="STARS",
)  # fmt: skip


def test_an_image_comes_before_a_table_that_looks_like_a_curve(
    http: Http, sent: Callable[..., tuple[str, Headers]]
) -> None:
    """A table of corrections beside it is not what the file is about."""
    table = line(CRVAL1=5000.0, CDELT1=2.0)
    image = fits.ImageHDU(np.ones((9, 9)))
    path, ann = sent(written(fits.PrimaryHDU(), image, fits.ImageHDU(table.data, table.header)))
    told = http.get(path, headers=ann).json()
    assert [(one["hdu"], one["kind"]) for one in told["previews"]] == [
        (1, "image/webp"), (2, "image/svg+xml"),
    ]  # fmt: skip
    first = http.get(path + "preview/first/", headers=ann)
    assert first.headers["content-type"] == "image/webp"


def test_all_columns_of_a_table_are_told(
    http: Http, sent: Callable[..., tuple[str, Headers]]
) -> None:
    columns = [fits.Column(f"C{n}", "J", array=[n]) for n in range(81)]
    path, ann = sent(written(fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)))
    told = http.get(path + "rows/1/", headers=ann).json()
    assert told["columns"] == [f"C{n}" for n in range(81)]
    assert told["rows"] == [[*range(81)]]
    page = http.get(path, headers=ann | {"Accept": "text/html"}).text
    assert "21 more columns" in page


def test_plots_and_rows_over_http(http: Http, sent: Callable[..., tuple[str, Headers]]) -> None:
    content = written(line(CRVAL1=5000.0, CDELT1=2.0), TABLE, fits.ImageHDU(np.ones((9, 9))))
    path, ann = sent(content)
    told = http.get(path, headers=ann).json()["previews"]
    assert [(one["hdu"], one["kind"]) for one in told] == [(0, "image/svg+xml"), (2, "image/webp")]
    for one in told:
        seen = http.get(one["url"], headers=ann)
        assert (seen.status_code, seen.headers["content-type"]) == (200, one["kind"])
    plot = http.get(path + "preview/0/", headers=ann)
    assert "default-src 'none'" in plot.headers["content-security-policy"]
    assert re.search(">Wavelength<", plot.text)
    tiny = http.get(path + "preview/first/?size=tiny", headers=ann)
    assert (tiny.status_code, tiny.headers["content-type"]) == (200, "image/svg+xml")
    assert "<polyline" in tiny.text
    assert len(tiny.text) < 700
    listed = http.get("/fitsfiles/", headers=ann | {"Accept": "text/html"}).text
    assert path + "preview/first/?size=tiny" in listed
    held = http.get(path + "preview/0/", headers=ann | {"If-None-Match": plot.headers["etag"]})
    assert held.status_code == 304
    first = http.get(path + "rows/1/", headers=ann).json()
    assert first["columns"] == ["NAME", "MAG", "FLUXES", "TRACE"]
    assert first["units"] == ["", "mag", "", ""]
    assert len(first["rows"]) == rows.ROWS
    assert first["rows"][1][:2] == ["M 33", None]
    assert first["rows"][1][2] == [9, 10, 11, 12, 13, "…"]
    assert first["rows"][2][3] == "2 values"
    for wrong in ("rows/0/", "rows/9/", "rows/x/", "preview/1/"):
        assert http.get(path + wrong, headers=ann).status_code == 404
    page = http.get(path, headers=ann | {"Accept": "text/html"}).text
    assert "Plot of HDU 0" in page
    assert "M 33" in page
    assert "MAG (mag)" in page
    assert http.get(path + "rows/1/").status_code == 404
    assert http.get(path + "preview/0/").status_code == 404


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_packed_and_damaged_ones(http: Http, sent: Callable[..., tuple[str, Headers]]) -> None:
    content = written(fits.PrimaryHDU(), TABLE)
    path, ann = sent(gzip.compress(content), "a.fits.gz")
    assert len(http.get(path + "rows/1/", headers=ann).json()["rows"]) == 10
    spectrum = written(line(CRVAL1=5000.0, CDELT1=2.0, CTYPE1="WAVE", CUNIT1="Angstrom"))
    plain, ann = sent(spectrum, "s.fits")
    drawn = http.get(plain + "preview/0/", headers=ann)
    assert drawn.headers["content-type"].startswith("image/svg")
    for packed, name in ((gzip.compress(spectrum), "s.fits.gz"), (bz2.compress(spectrum), "s.bz2")):
        path, ann = sent(packed, name)
        assert http.get(path + "preview/0/", headers=ann).content == drawn.content
    path, ann = sent(content[:-5000], "cut.fits")
    assert http.get(path + "rows/1/", headers=ann).status_code in (200, 404)
    blank = written(fits.PrimaryHDU(np.full(300, np.nan)))
    path, ann = sent(blank, "blank.fits")
    refused = http.get(path + "preview/0/", headers=ann)
    assert refused.status_code == 404
    assert "holds no finite values" in refused.json()["detail"]


def test_rows_that_claim_too_much() -> None:
    content = written(fits.PrimaryHDU(), TABLE)
    width = next(h for h in walking.walk(io.BytesIO(content), len(content)).hdus if h.index).values[
        "NAXIS1"
    ]
    for keyword, claimed in (
        ("NAXIS1", 1 << 40),
        ("NAXIS2", 1 << 50),
        ("NAXIS1", -5),
        ("TFIELDS", 999),
    ):
        was = {"NAXIS1": width, "NAXIS2": 40, "TFIELDS": 4}[keyword]
        card = f"{keyword:8}= {was:>20}".encode()
        assert card in content
        odd = content.replace(card, f"{keyword:8}= {claimed:>20}".encode())
        told = looking.seen(rows.look, io.BytesIO(odd), len(odd), 1)
        assert "rows" in told or told["problem"]
        json.dumps(told)


@pytest.mark.skipif(not SHARED.exists(), reason="shared data are not here")
@pytest.mark.parametrize(
    ("name", "hdu", "curves", "x", "y", "first", "last"),
    [
        ("arces_vega_echelle_multispec.fits", 0, 107, "Wavelength (Å)", "Value", 3000, 11000),
        ("sdss_dr5_spSpec.fits", 0, 3, "Wavelength (Å)", "Flux (1.0E-17 erg/cm/s/Ang)", 3798, 9222),
        ("stis_ngc4151.fits", 1, 1, "WAVE", "FLUX", 917, 1006),
        ("gbt_nh3_class.fits", 0, 1, "Radial velocity (km/s)", "Flux (K)", -248, 385),
        ("arecibo_alfalfa.fits", 1, 1, "FREQ (MHz)", "FLUXDENS (mJy)", 1340, 1366),
        ("BD+60596_merged.fits", 0, 2, "Wavelength", "Value", 0.91, 2.48),
        ("sn2009ip_halpha.fits", 0, 2, "Wavelength (Å)", "Flux", 5799, 7499),
        ("sdss_boss_4hdu.fits", 0, 1, "Wavelength (Å)", "Flux (1E-17 erg/cm^2/s/Ang)", 3553, 10357),
        ("sdss_boss_4hdu.fits", 2, 1, "Wavelength (Å)", "Value", 3553, 10357),
        ("magellan_mage_um184_nF.fits", 0, 1, "Wavelength", "Flux (DU/PIXEL)", 3042, 10272),
        ("kpno_hr2421.fit", 0, 1, "Wavelength (Å)", "Flux (ergs s-1 cm-2 A-1)", 3064, 7804),
        ("kepler_kic10666592_slc.fits", 1, 1, "TIME (BJD - 2454833)", "SAP_FLUX (e-/s)", 120, 131),
        (
            "tess_tic25155310_lc.fits",
            1,
            1,
            "TIME (BJD - 2457000, days)",
            "SAP_FLUX (e-/s)",
            1325,
            1354,
        ),
    ],
)
def test_real_spectra(
    name: str, hdu: int, curves: int, x: str, y: str, first: float, last: float
) -> None:
    (path,) = (SHARED / "fits").glob(f"*/{name}")
    with fits.open(path) as hdus:
        plot = plot_of(hdus[hdu], hdus)
    assert (len(plot.curves), plot.y_label) == (curves, y)
    assert plot.x_label == x
    ends = [end for c in plot.curves for end in (np.nanmin(c.x), np.nanmax(c.x))]
    assert first <= min(ends)
    assert max(ends) <= last
    with path.open("rb") as file:
        assert plots.draw(file, hdu)[looking.PLOT].startswith("<?xml")


def test_a_plain_image_has_no_plot(http: Http, sent: Callable[..., tuple[str, Headers]]) -> None:
    path, ann = sent(fits_bytes((40, 40)))
    assert [one["kind"] for one in http.get(path, headers=ann).json()["previews"]] == ["image/webp"]
