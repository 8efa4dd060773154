"""``ArcsecondAPI``: the module's one class, with an attribute per resource.

Examples
--------
>>> from arcsecond import ArcsecondAPI
>>> api = ArcsecondAPI()
>>> api.objects.read("HD 5980")["coordinates"]["system"]
'ICRS'
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from arcsecond import config as configuration
from arcsecond.client import account
from arcsecond.client.endpoint import Endpoint, LazyList, endpoint_of
from arcsecond.client.transport import Progress, Transport
from arcsecond.errors import ArcsecondInvalidEndpointError, ArcsecondMissingArgumentError
from arcsecond.registry import BY_ALIAS, BY_NAME, RESOURCES
from arcsecond.resource import Resource

if TYPE_CHECKING:
    from arcsecond.client.frames import Frames

TIMEOUT_S = 60.0


class ArcsecondAPI:
    """Calls to a server: on the network, or embedded in this process.

    Parameters
    ----------
    endpoint
        One of the ``ENDPOINT_`` constants; the methods below then belong to
        it. Leave it away and use the attributes: ``api.objects``.
    dataset
        UUID of the dataset that files live in.
    server
        Address of a server, "embedded" for the one in this process. Default:
        ``ARCSECOND_SERVER``, what ``login`` stored, then embedded.
    key
        Access or upload key. Default: ``ARCSECOND_KEY``, then the stored one.
    timeout
        Seconds to wait for an answer.
    progress
        Called during uploads with the bytes sent and the bytes to send.
    share
        The link of a data package, which may then be read: it names its server, too.
    """

    if TYPE_CHECKING:
        ENDPOINT_ACTIVITIES: str
        ENDPOINT_CATALOGUES: str
        ENDPOINT_DATAPACKAGES: str
        ENDPOINT_DATASETS: str
        ENDPOINT_EXOPLANETS: str
        ENDPOINT_FINDINGCHARTS: str
        ENDPOINT_FITSFILES: str
        ENDPOINT_INSTRUMENTS: str
        ENDPOINT_ME: str
        ENDPOINT_NIGHTLOGS: str
        ENDPOINT_OBJECTS: str
        ENDPOINT_OBSERVINGRUNS: str
        ENDPOINT_OBSERVINGSITES: str
        ENDPOINT_PASSES: str
        ENDPOINT_PROFILES: str
        ENDPOINT_SATELLITES: str
        ENDPOINT_STANDARDSTARS: str
        ENDPOINT_TELEGRAMS_ATEL: str
        ENDPOINT_TELESCOPES: str
        ENDPOINT_TRASH: str

        activities: Endpoint
        catalogues: Endpoint
        datapackages: Endpoint
        datasets: Endpoint
        exoplanets: Endpoint
        findingcharts: Endpoint
        fitsfiles: Frames
        instruments: Endpoint
        me: Endpoint
        nightlogs: Endpoint
        objects: Endpoint
        observingruns: Endpoint
        observingsites: Endpoint
        passes: Endpoint
        profiles: Endpoint
        satellites: Endpoint
        standardstars: Endpoint
        telegrams_atel: Endpoint
        telescopes: Endpoint
        trash: Endpoint

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        dataset: str | None = None,
        server: str | None = None,
        key: str | None = None,
        timeout: float = TIMEOUT_S,
        progress: Progress | None = None,
        share: str = "",
    ) -> None:
        word = ""
        environ: Mapping[str, str] = os.environ
        if share:
            linked, word = configuration.parse_link(share)
            server = server or linked
            # Whoever sent the link is not to get a key that was meant for somebody else.
            environ = {k: v for k, v in environ.items() if k != "ARCSECOND_KEY"}
        self.config = configuration.load(server, key, environ)
        self.transport = Transport(self.config, timeout, word)
        self._dataset = dataset
        self._progress = progress
        self._endpoint = None if endpoint is None else self.endpoint(endpoint)

    def endpoint(self, name: str, parent: str | None = None) -> Endpoint:
        """Return an endpoint by its name or an alias."""
        resource = BY_NAME.get(name) or BY_ALIAS.get(name)
        if resource is None:
            raise ArcsecondInvalidEndpointError(f"There is no endpoint {name!r}.")
        return self._made(resource, parent)

    def _made(self, resource: Resource, parent: str | None = None) -> Endpoint:
        inside = parent or (self._dataset if resource.parent else None)
        return endpoint_of(resource, self.transport, inside, self._progress)

    def __getattr__(self, name: str) -> Any:
        """Return the endpoint of a resource: ``api.objects``."""
        for resource in RESOURCES:
            if name in (resource.endpoint_constant[9:].lower(), *resource.aliases):
                return self._made(resource)
        raise AttributeError(f"there is no endpoint {name!r}")

    def list(self, name: str | None = None, **filters: Any) -> LazyList:
        """Return the list of the endpoint given at the start."""
        return self._chosen().list(name, **filters)

    def read(self, key: Any = None) -> Any:
        """Return one thing of the endpoint given at the start; the list for None."""
        return self._chosen().read(key)

    def create(self, payload: Any = None, **fields: Any) -> Any:
        """Create one thing of the endpoint given at the start."""
        return self._chosen().create(payload, **fields)

    def update(self, key: Any, payload: Any = None, **fields: Any) -> Any:
        """Change one thing of the endpoint given at the start."""
        return self._chosen().update(key, payload, **fields)

    def delete(self, key: Any) -> Any:
        """Delete one thing of the endpoint given at the start."""
        return self._chosen().delete(key)

    def _chosen(self) -> Endpoint:
        if self._endpoint is None:
            raise ArcsecondMissingArgumentError(
                "No endpoint was given.", hint="Write ArcsecondAPI().objects.read('HD 5980')."
            )
        return self._endpoint

    def close(self) -> None:
        """Close the connections to the server."""
        self.transport.close()

    def __enter__(self) -> ArcsecondAPI:
        """Use it in a ``with`` statement."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    @classmethod
    def login(
        cls, username: str, password: str, *, server: str | None = None, timeout: float = TIMEOUT_S
    ) -> str:
        """Sign in and keep the key; returns the username.

        Raises
        ------
        ArcsecondError
            It was refused; the stored key stays as it was.
        """
        chosen = configuration.load(server)
        return account.login(chosen, username, password, timeout=timeout)

    @classmethod
    def register(
        cls,
        username: str,
        email: str,
        password1: str,
        password2: str,
        *,
        invitation: str = "",
        server: str | None = None,
        timeout: float = TIMEOUT_S,
    ) -> str:
        """Make an account, sign in and keep the key; returns the username."""
        return account.register(
            configuration.load(server),
            username,
            email,
            password1,
            password2,
            invitation=invitation,
            timeout=timeout,
        )

    @classmethod
    def logout(cls) -> None:
        """Forget the stored key; the owner of the embedded server is back."""
        account.logout(configuration.load())

    @classmethod
    def is_logged_in(cls) -> bool:
        """Tell whether a key is at hand."""
        return bool(configuration.load().key)

    @classmethod
    def username(cls) -> str:
        """Return whose key is stored, "" for nobody's."""
        return configuration.load().username


for _resource in RESOURCES:
    setattr(ArcsecondAPI, _resource.endpoint_constant, _resource.name)
