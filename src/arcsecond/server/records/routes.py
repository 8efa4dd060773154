"""Routes of observing runs and night logs."""

from arcsecond.server.crud import record_routes
from arcsecond.server.records.service import NightLogs, ObservingRuns

routes = [
    *record_routes("observingruns", ObservingRuns()),
    *record_routes("nightlogs", NightLogs()),
]
