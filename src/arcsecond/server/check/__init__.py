"""``server check``: whether everything that is recorded is there, and is what it was.

Checking changes nothing and may run beside a server. Repairing mends what can
be mended; what cannot goes into ``quarantine/`` in the data directory, with its
bytes. Nothing is ever deleted.
"""

from __future__ import annotations

from arcsecond.server.check.arriving import check_uploads
from arcsecond.server.check.content import check_content
from arcsecond.server.check.report import Finding, Progress, Report
from arcsecond.server.check.rows import check_rows
from arcsecond.server.context import Backend

__all__ = ["Finding", "Report", "check"]


def check(
    backend: Backend,
    *,
    quick: bool = False,
    repair: bool = False,
    new_secret: bool = False,
    progress: Progress = lambda done, total: None,
) -> Report:
    """Check a data directory and its database.

    Parameters
    ----------
    quick
        Compare the sizes of files, without reading their bytes, and look only whether each is
        in the index.
    repair
        Mend what is found.
    new_secret
        Let keys of the present secret work as well, in a repair: the old one is lost for good.
    progress
        Called with how many bytes have been checked, and of how many.
    """
    report = Report()
    if not repair:
        check_rows(backend, report, quick=quick, repair=False)
        check_uploads(backend, report, repair=False)
        check_content(backend, report, quick=quick, repair=False, progress=progress)
        return report
    with backend.db.exclusive():
        check_rows(backend, report, quick=quick, repair=True, new_secret=new_secret)
        check_uploads(backend, report, repair=True)
        check_content(backend, report, quick=quick, repair=True, progress=progress)
    return report
