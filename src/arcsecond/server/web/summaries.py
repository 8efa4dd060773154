"""One line for every address that is no resource, for ``/schema`` and the reference."""

DOES = {
    "list": "List",
    "read": "Read one",
    "create": "Create one",
    "update": "Change one",
    "delete": "Delete one",
}
SUMMARIES = {
    ("post", "/auth/registration/"): "Make an account; answers a session token.",
    ("post", "/auth/login/"): "Sign in with a password; answers a session token as `key`.",
    ("post", "/auth/token/"): "Sign in with a password; answers a session token as `token`.",
    ("delete", "/auth/token/"): "End the session of the token that is sent.",
    ("post", "/auth/key/verify/"): "Check that a key is a user's own.",
    ("post", "/auth/once/"): "Make a token that signs a browser in once; embedded only.",
    ("get", "/profiles/{key}/keys/"): "Your access key.",
    ("get", "/profiles/{key}/apikey/"): "Your access key.",
    ("get", "/profiles/{key}/uploadkey/"): "Your upload key.",
    ("get", "/catalogues/work/"): "What catalogues are being written just now, and how far.",
    ("get", "/findingcharts/{key}/{picture}"): "A finding chart, or the picture of a survey.",
    ("get", "/objects/{object}/visibility/{picture}"): "The curve of altitude through a night.",
    ("get", "/datasets/{dataset}/fitsfiles/{key}/download/"): "The bytes of a file.",
    ("get", "/datasets/{dataset}/fitsfiles/{key}/preview/{hdu}/"): "A picture of an image.",
    ("post", "/datasets/{dataset}/uploads/"): "Begin an upload that resumes (tus 1.0.0).",
    ("patch", "/uploads/{upload}"): "Send bytes of an upload; the last ones make it a file.",
    ("delete", "/uploads/{upload}"): "Give an upload up.",
    ("get", "/live"): "The live feed: activities as server-sent events, those behind `after`.",
    ("get", "/"): "The addresses of all resources.",
    ("get", "/health"): "Whether the server works, and its version.",
    ("get", "/schema"): "The OpenAPI document.",
}
