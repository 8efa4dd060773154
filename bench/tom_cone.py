"""tomtoolkit's cone search, in an environment of its own: ``make`` its targets, or ``time`` it."""

from __future__ import annotations

import random
import statistics
import sys
import time
from pathlib import Path


def main() -> None:
    """Do what the first argument says."""
    what, folder, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    import django
    from django.conf import settings
    from tom_common.default_settings import (
        TOMTOOLKIT_AUTHENTICATION_BACKENDS,
        TOMTOOLKIT_INSTALLED_APPS,
        TOMTOOLKIT_MIDDLEWARE,
    )

    settings.configure(
        SECRET_KEY="bench",  # noqa: S106
        DATABASES={
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "tom.sqlite"}
        },
        INSTALLED_APPS=TOMTOOLKIT_INSTALLED_APPS,
        MIDDLEWARE=TOMTOOLKIT_MIDDLEWARE,
        AUTHENTICATION_BACKENDS=TOMTOOLKIT_AUTHENTICATION_BACKENDS,
        TARGET_TYPE="SIDEREAL",
        TARGET_PERMISSIONS_ONLY=True,
        SITE_ID=1,
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        TEMPLATES=[
            {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}
        ],
        ROOT_URLCONF="tom_common.urls",
    )  # fmt: skip
    django.setup()
    from django.core.management import call_command
    from tom_targets.models import Target
    from tom_targets.utils import cone_search_filter

    if what == "make":
        call_command("migrate", verbosity=0)
        for first in range(1, count + 1, 20_000):
            Target.objects.bulk_create(
                Target(name=f"t{n}", type="SIDEREAL", ra=(n * 137.507764) % 359.9,
                       dec=-88 + (n * 7919 % 1_000_003) / 1_000_003 * 176)
                for n in range(first, min(first + 20_000, count + 1))
            )  # fmt: skip
        return
    dice = random.Random(5)
    times = []
    for _ in range(7):
        n = dice.randrange(count)
        ra, dec = (n * 137.507764) % 359.9, -88 + (n * 7919 % 1_000_003) / 1_000_003 * 176
        begin = time.perf_counter()
        list(cone_search_filter(Target.objects.all(), ra, dec, 0.2)[:20])
        times.append(time.perf_counter() - begin)
    print(1000 * statistics.median(times))


if __name__ == "__main__":
    main()
