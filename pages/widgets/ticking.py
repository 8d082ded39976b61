"""Draws a part of a page again and again, while a job goes on; never on the heels of another run.

Streamlit's own way, `run_every`, asks by the clock. Where the server is at work for longer than
that, the requests wait in line, and the browser gets the end of one run together with the beginning
of the next; then it takes away what the second did not draw, which is the whole page. Here nothing
is asked for before the page has come to rest.

Nor is anything asked for while a click may be on its way. A request names the page on which the
browser is: one that is sent after a click that leaves the page, and before the next page begins,
is answered after that has been drawn, and the browser takes it away as if it had come back.
"""

import streamlit as st

TICK_SECONDS = 0.3
"""From the end of one drawing to the next."""

# How long the answer to a click may take to begin: to one that perhaps asks for nothing, and to
# one on a link.
_CLICK_SECONDS, _LEAVING_SECONDS = 3.0, 15.0

_SCRIPT = """
export default function ({ data, parentElement, setTriggerValue }) {
  const app = document.querySelector("[data-testid=stApp]");
  const own = parentElement;
  own.stop?.();
  let rested = 0, before = "";
  const hold = (event) => {
    const leaves = event.type === "popstate" || event.target.closest?.("a");
    own.heldUntil = performance.now() + (leaves ? data.leaving : data.clicked);
  };
  document.addEventListener("click", hold, true);
  addEventListener("popstate", hold);
  const timer = setInterval(() => {
    if (!own.isConnected) return own.stop();
    const state = app.dataset.testScriptState;
    const begins = state === "running" && before !== "running";
    before = state;
    if (begins) own.heldUntil = 0;
    rested = state === "notRunning" ? rested + 50 : 0;
    if (rested < data.milliseconds || performance.now() < (own.heldUntil ?? 0)) return;
    rested = 0;
    setTriggerValue("tick", true);
  }, 50);
  own.stop = () => {
    clearInterval(timer);
    document.removeEventListener("click", hold, true);
    removeEventListener("popstate", hold);
  };
  return own.stop;
}
"""

_mount = st.components.v2.component("coalesce-tick", js=_SCRIPT)


def tick(key: str) -> None:
    """Have the fragment that this is called in drawn again in a moment.

    Parameters
    ----------
    key : str
        Of the widget, which has no look of its own.
    """
    _mount(
        data={
            "milliseconds": round(1000 * TICK_SECONDS),
            "clicked": round(1000 * _CLICK_SECONDS),
            "leaving": round(1000 * _LEAVING_SECONDS),
        },
        key=key,
        width=1,
        height=1,
        on_tick_change=_nothing,
    )


def _nothing() -> None:
    """Streamlit knows of the triggers that have a callback."""
