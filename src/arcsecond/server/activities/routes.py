"""Routes of activities and telegrams."""

from arcsecond.registry import BY_NAME
from arcsecond.server.activities import service
from arcsecond.server.crud import look_routes, record_routes

routes = [
    *record_routes("activities", service.Activities(), latest=BY_NAME["activities"].latest),
    *look_routes("telegrams/ATel", service.list_telegrams, service.read_telegram),
]
