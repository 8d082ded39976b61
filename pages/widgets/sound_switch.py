"""Starts and stops the sound on a page from a button, and so from a key."""

import streamlit as st

# The browser alone can tell whether a sound plays. What is mounted has no look of its own; it acts
# when the number that it is given changes, and not when it is first drawn.
_SCRIPT = """
export default function ({ data, parentElement }) {
  const before = parentElement.turn;
  parentElement.turn = data.turn;
  if (before === undefined || before === data.turn) return;
  const sounds = [...document.querySelectorAll("audio")];
  const playing = sounds.filter((sound) => !sound.paused);
  if (playing.length) playing.forEach((sound) => sound.pause());
  else if (sounds.length) sounds[0].play();
}
"""

_TURN = "sound-switch:turn"

_mount = st.components.v2.component("coalesce-sound-switch", js=_SCRIPT)


def draw_sound_switch(key: str) -> None:
    """A button that plays the first sound of the page, or stops what plays.

    Parameters
    ----------
    key : str
        Of the keyboard, which presses it.
    """
    if st.button("Play", shortcut=key, key="sound-switch", type="tertiary"):
        st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1
    _mount(
        data={"turn": st.session_state.get(_TURN, 0)}, key="sound-switch:mounted", width=1, height=1
    )
