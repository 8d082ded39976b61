"""Draws a part of a page again and again, while a job goes on; never on the heels of another run.

Streamlit's own way, `run_every`, asks by the clock. Where the server is at work for longer than
that, the requests wait in line, and the browser gets the end of one run together with the beginning
of the next; then it takes away what the second did not draw, which is the whole page. Here nothing
is asked for before the page has come to rest.
"""

import streamlit as st

TICK_SECONDS = 0.3
"""From the end of one drawing to the next."""

_SCRIPT = """
export default function ({ data, parentElement, setTriggerValue }) {
  const app = document.querySelector("[data-testid=stApp]");
  clearInterval(parentElement.timer);
  let rested = 0;
  parentElement.timer = setInterval(() => {
    if (!parentElement.isConnected) return clearInterval(parentElement.timer);
    rested = app.dataset.testScriptState === "running" ? 0 : rested + 50;
    if (rested < data.milliseconds) return;
    rested = 0;
    setTriggerValue("tick", true);
  }, 50);
  return () => clearInterval(parentElement.timer);
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
        data={"milliseconds": round(1000 * TICK_SECONDS)},
        key=key,
        width=1,
        height=1,
        on_tick_change=_nothing,
    )


def _nothing() -> None:
    """Streamlit knows of the triggers that have a callback."""
