"""Links that show a data package: who came by one keeps its word in a cookie.

So all that is in the package can be looked at and downloaded from its page. A program gives
the word with each address instead: ``?share=WORD``.
"""

from __future__ import annotations

import re

from arcsecond.server.archive.packages.service import sees_more
from arcsecond.server.context import AnyRequest, reading

COOKIE = "arcsecond_shares"
LIFETIME_S = 30 * 86_400

MOST = 10
"""Links that somebody has at hand at once."""

_WORD = re.compile(r"[0-9a-f]{40}")


def words_of(request: AnyRequest) -> list[str]:
    """Return the words that a request brings, the latest first."""
    told = request.query_params.get("share", ""), request.cookies.get(COOKIE, "")
    given = [word for words in told for word in words.split(".")]
    return list(dict.fromkeys(word for word in given if _WORD.fullmatch(word)))[:MOST]


async def recognise(request: AnyRequest) -> None:
    """Let who is asking see what they have links of."""
    told = b"share=" in request.scope["query_string"] or COOKIE in request.headers.get("cookie", "")
    if told and not request.route_handler.opt.get("anonymous") and (words := words_of(request)):
        viewer = await reading(request, sees_more, words)
        request.scope["viewer"] = viewer  # type: ignore[typeddict-unknown-key]  # our own entry


def kept_words(request: AnyRequest, word: str) -> str:
    """Return what the cookie holds once there is one word more."""
    return ".".join(list(dict.fromkeys([word, *words_of(request)]))[:MOST])
