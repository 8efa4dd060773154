"""The one hierarchy of errors, shared by server, client and command.

A class carries its ``code`` (unique, what travels on the wire), its HTTP
``status``, the command's ``exit_code`` and a ``hint``, the command to type
next. The server renders an error once; the client raises the same class again
from the code. Only the standard library is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

Fields = Mapping[str, list[str]]


class ArcsecondError(Exception):
    """Something went wrong.

    Parameters
    ----------
    detail
        One sentence: what happened, with which value.
    fields
        Messages per field, when the input was at fault.
    hint
        What to type next; the default of the class when None.

    Attributes
    ----------
    headers
        What an answer with this error carries, too.
    retry_after
        Seconds after which the server wants to be asked again; None where it did not say.
    passes
        Whether the same may succeed when it is tried again a little later.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1
    passes: ClassVar[bool] = False
    default_hint: ClassVar[str] = ""

    def __init__(
        self, detail: str = "", *, fields: Fields | None = None, hint: str | None = None
    ) -> None:
        self.fields: dict[str, list[str]] = {k: list(v) for k, v in (fields or {}).items()}
        self.detail = detail or self._first_field() or (self.__doc__ or "").split("\n")[0]
        self.hint = self.default_hint if hint is None else hint
        self.headers: dict[str, str] = {}
        self.retry_after: float | None = None
        super().__init__(self.detail)

    def _first_field(self) -> str:
        for name, messages in self.fields.items():
            text = " ".join(messages)
            return text if name == "non_field_errors" else f"{name}: {text}"
        return ""

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object that the API answers with."""
        return {**self.fields, "detail": self.detail, "code": self.code}


class InvalidInputError(ArcsecondError):
    """The request could not be understood."""

    code = "invalid"
    status = 400


class ArcsecondInputValueError(InvalidInputError):
    """A value given by the caller is not valid."""

    code = "input_value"
    exit_code = 2


class ChangedError(ArcsecondInputValueError):
    """The file changed while it was sent; nothing of it was kept."""

    code = "changed"


class RulesError(ArcsecondInputValueError):
    """A file of rules has a mistake; the message names the line."""

    code = "rules"


class ArcsecondMissingArgumentError(InvalidInputError):
    """An argument is missing."""

    code = "missing_argument"
    exit_code = 2


class ArcsecondInvalidEndpointError(InvalidInputError):
    """There is no endpoint of that name."""

    code = "invalid_endpoint"
    exit_code = 2


class GaveUpError(InvalidInputError):
    """So much was looked at in vain that a search gave up.

    Attributes
    ----------
    walked, found
        How many were looked at, and how many of them were found; not sent over the wire.
    """

    code = "gave_up"
    walked = found = 0


class NotFitsError(InvalidInputError):
    """The file is empty or carries no FITS signature."""

    code = "not_fits"


class CredentialsError(InvalidInputError):
    """Unable to log in with provided credentials."""

    code = "credentials"


class ArcsecondNotLoggedInError(ArcsecondError):
    """Sign in first."""

    code = "not_signed_in"
    status = 401
    exit_code = 4
    default_hint = "Type `arcsecond login`."


class NotAllowedError(ArcsecondError):
    """Not allowed with these rights."""

    code = "not_allowed"
    status = 403


class NotFoundError(ArcsecondError):
    """Not found."""

    code = "not_found"
    status = 404


class MethodNotAllowedError(ArcsecondError):
    """The address does not take that method."""

    code = "method_not_allowed"
    status = 405


class ConflictError(ArcsecondError):
    """In conflict with what is there already."""

    code = "conflict"
    status = 409


class RefusedUploadError(ArcsecondError):
    """All of an upload came, and it is no file of the dataset.

    Attributes
    ----------
    why
        What refused it, which is what an answer says.
    """

    code = "refused_upload"
    status = 422
    why: ArcsecondError | None = None

    @classmethod
    def because(cls, why: ArcsecondError) -> RefusedUploadError:
        """Return the error with its reason."""
        error = cls(why.detail, fields=why.fields, hint=why.hint)
        error.why = why
        return error

    def to_wire(self) -> dict[str, Any]:
        """Return what the refusal itself says."""
        return super().to_wire() if self.why is None else self.why.to_wire()


class NameTakenError(ConflictError):
    """Something else has that name; give it another one."""

    code = "name_taken"
    default_hint = "Type the same again with `--name` and another name."


class BytesLostError(ArcsecondError):
    """The bytes of this file are missing on the server."""

    code = "bytes_lost"
    status = 410
    default_hint = "Its operator may find them with `arcsecond server check`."


class ExpiredError(ArcsecondError):
    """The upload has expired; begin it anew."""

    code = "expired"
    status = 410


class VersionError(ArcsecondError):
    """The request speaks another version of the protocol."""

    code = "version"
    status = 412


class MediaTypeError(ArcsecondError):
    """The body is of a type that is not taken here."""

    code = "media_type"
    status = 415


class LockedError(ArcsecondError):
    """Another request is writing this just now."""

    code = "locked"
    status = 423
    passes = True


class ChecksumError(ArcsecondError):
    """The bytes that arrived are not those that were sent."""

    code = "checksum"
    status = 460
    passes = True


class TooLargeError(ArcsecondError):
    """The request is larger than the server takes."""

    code = "too_large"
    status = 413


class RangeError(ArcsecondError):
    """The file has no such bytes."""

    code = "range"
    status = 416


class IncompleteUploadError(InvalidInputError):
    """The upload ended before it was complete."""

    code = "incomplete_upload"
    passes = True


class ThrottledError(ArcsecondError):
    """The server is asked too much; ask again later."""

    code = "throttled"
    status = 429
    passes = True


class ServerFaultError(ArcsecondError):
    """The server failed; nothing was changed."""

    code = "server_fault"
    passes = True
    default_hint = "The server's log tells why, under the request id."


class UnavailableError(ArcsecondError):
    """The server cannot do this now."""

    code = "unavailable"
    status = 503
    passes = True


class NoSpaceError(ArcsecondError):
    """The server has no room for this file; nothing was kept."""

    code = "no_space"
    status = 507


class ArcsecondConnectionError(ArcsecondError):
    """The server could not be reached."""

    code = "connection"
    status = 502
    passes = True
    default_hint = (
        "Check the address. The embedded server answers when none is named: leave --server and "
        "ARCSECOND_SERVER away, or type `arcsecond logout` where you signed in."
    )


class ArcsecondRequestTimeoutError(ArcsecondConnectionError):
    """The server did not answer in time."""

    code = "timeout"
    status = 504


def _children(cls: type[ArcsecondError]) -> list[type[ArcsecondError]]:
    return [cls] + [deeper for child in cls.__subclasses__() for deeper in _children(child)]


BY_CODE: dict[str, type[ArcsecondError]] = {cls.code: cls for cls in _children(ArcsecondError)}

_BY_STATUS: dict[int, type[ArcsecondError]] = {
    400: InvalidInputError,
    401: ArcsecondNotLoggedInError,
    403: NotAllowedError,
    404: NotFoundError,
    405: MethodNotAllowedError,
    409: ConflictError,
    410: BytesLostError,
    413: TooLargeError,
    422: RefusedUploadError,
    423: LockedError,
    429: ThrottledError,
    460: ChecksumError,
    502: UnavailableError,
    503: UnavailableError,
    504: UnavailableError,
    507: NoSpaceError,
}


def from_wire(status: int, body: object) -> ArcsecondError:
    """Build the error that an answer of the API stands for.

    Parameters
    ----------
    status
        HTTP status, 400 or above.
    body
        The decoded JSON answer, or text when it was none.

    Returns
    -------
    ArcsecondError
        The class with the ``code`` of the answer; else one that fits the status.
    """
    if not isinstance(body, dict):
        return for_status(status)(f"The server answered {status} without an explanation.")
    cls = BY_CODE.get(str(body.get("code", ""))) or for_status(status)
    fields = {
        str(name): [str(m) for m in messages]
        for name, messages in body.items()
        if isinstance(messages, list)
    }
    return cls(str(body.get("detail") or ""), fields=fields)


def for_status(status: int) -> type[ArcsecondError]:
    """Return the class that stands for an HTTP status when no code is known."""
    if status >= 500:
        return _BY_STATUS.get(status, ServerFaultError)
    return _BY_STATUS.get(status, InvalidInputError)
