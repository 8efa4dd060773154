"""All that drawing imports: a process that imports it is forked for each drawing."""

import PIL.Image
import PIL.WebPImagePlugin
from astropy.io.fits.hdu import compressed

from arcsecond.fits import packing
from arcsecond.server.archive import cutting, orientation, pictures, plots, rows, shading

__all__ = [
    "PIL",
    "compressed",
    "cutting",
    "orientation",
    "packing",
    "pictures",
    "plots",
    "rows",
    "shading",
]
