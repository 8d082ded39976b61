"""What each HTML page says of addresses, before Streamlit's script reads it.

It says where the app lies. Streamlit's script in the browser looks for its server below the page's
own address first: whoever opens `/overview` asks for `/overview/_stcore/health`, and the console
shows two errors before the right address is tried. It guesses nothing where the page names it.

And an address that a page completes with its model and session is the same step of the browser's
history. Streamlit makes a new one of every change, so that going back would need two presses: the
first would lead to the same page.
"""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

PAGES = (
    *("listen", "overview", "variance", "clusters", "compress", "transcribe", "evaluate", "train"),
)
"""Last parts of the pages' addresses."""

_COMPLETE = """
const push = history.pushState.bind(history), replace = history.replaceState.bind(history);
history.pushState = (state, unused, url) => {
  const there = new URL(url ?? location.href, location.href);
  const completed = there.pathname === location.pathname && !location.search;
  (completed ? replace : push)(state, unused, url);
};"""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class BaseAddress:
    """Middleware that writes the app's address into each HTML page.

    Parameters
    ----------
    app : callable
        The ASGI application around which it lies.
    pages : sequence of str
        Last parts of the addresses of the app's pages.
    """

    def __init__(self, app: App, pages: Sequence[str]) -> None:
        self._app = app
        # what comes before the page's own part, so that a proxy may put the app below a path
        pattern = rf"/\/({'|'.join(pages)})?\/?$/"
        self._script = (
            "<head><script>window.__streamlit = {BACKEND_BASE_URL: location.origin"
            f" + location.pathname.replace({pattern}, '') + '/'}};{_COMPLETE}</script>"
        ).encode()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass everything on; HTML is held back until it is whole."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if any(name == b"accept" and b"text/html" in value for name, value in scope["headers"]):
            # a page is to be written into, so it must not come compressed; it has 8 kB
            plain = [header for header in scope["headers"] if header[0] != b"accept-encoding"]
            scope = {**scope, "headers": plain}
        start: Message = {}
        body = b""

        async def change(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_html(message):
                start = message
            elif start and message["type"] == "http.response.body":
                body += message.get("body", b"")
                if not message.get("more_body", False):
                    body = body.replace(b"<head>", self._script, 1)
                    headers = [h for h in start["headers"] if h[0].lower() != b"content-length"]
                    headers.append((b"content-length", str(len(body)).encode()))
                    await send({**start, "headers": headers})
                    await send({"type": "http.response.body", "body": body})
            else:
                await send(message)

        await self._app(scope, receive, change)


def _is_html(message: Message) -> bool:
    headers = {name.lower(): value for name, value in message["headers"]}
    is_plain = b"content-encoding" not in headers
    return is_plain and headers.get(b"content-type", b"").startswith(b"text/html")
