"""Routes of activities and telegrams."""

from arcsecond.server.activities import service
from arcsecond.server.crud import look_routes, record_routes

LATEST = 10

routes = [
    *record_routes("activities", service.Activities(), latest=LATEST),
    *look_routes("telegrams/ATel", service.list_telegrams, service.read_telegram),
]
