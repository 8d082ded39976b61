"""Models beside the one in use that a visitor can compare it with, without typing a name."""

from collections.abc import Callable
from dataclasses import dataclass

from analysis.errors import UserError
from analysis.models.loading import DEMO_MODELS
from analysis.models.speech_model import SpeechModel, default_dtype
from pages.session.session import Session, on_best_device
from pages.session.shelves import ModelKey, load_model, model_shelf, require_source


@dataclass(frozen=True, slots=True)
class AtHand:
    """A model that is loaded, or was.

    Parameters
    ----------
    id : str
        In the choices of widgets.
    name : str
        For people; no other one has it.
    key : ModelKey
    """

    id: str
    name: str
    key: ModelKey

    def loader(self) -> Callable[[], SpeechModel]:
        """What gives the model, in a job: at once, or from disk where the server let it go.

        It raises a `UserError` where the model cannot be loaded any more.
        """
        shelf, key = model_shelf(), self.key
        return lambda: load_model(shelf, key)


def models_at_hand(session: Session, *, with_own: bool = False) -> list[AtHand]:
    """Those that this visitor had in use, and the bundled ones; what others load is theirs.

    Parameters
    ----------
    session : Session
    with_own : bool
        Whether the one in use is among them.

    Returns
    -------
    list of AtHand
        Those used last first; none that visitors of this server may not load.
    """
    bundled = [on_best_device(name) for name in DEMO_MODELS]
    keys = dict.fromkeys([*reversed(session.used), *bundled])
    allowed = [key for key in keys if (with_own or key != session.key) and _is_allowed(key)]
    among = [session.key, *allowed]
    return [AtHand(_id(key), _name(key, among), key) for key in allowed]


def _is_allowed(key: ModelKey) -> bool:
    try:
        require_source(key.source)
    except UserError:
        return False
    return True


def _id(key: ModelKey) -> str:
    return f"model:{key.source}:{key.revision or ''}:{key.device}:{key.dtype}"


def _name(key: ModelKey, among: list[ModelKey]) -> str:
    """The last part of a folder, or a hub's id; with all that it takes to tell it from others."""
    short = _short(key)
    alike = [one for one in among if one != key and _short(one) == short]
    parts = [key.source if any(one.source != key.source for one in alike) else short]
    if key.revision:
        parts.append(key.revision)
    if any(one.device != key.device for one in alike):
        parts.append(key.device)
    if key.dtype != default_dtype(key.device):
        parts.append(key.dtype)
    return ", ".join(parts)


def _short(key: ModelKey) -> str:
    source = key.source.rstrip("/")
    return source.split("/")[-1] if source.startswith(("/", "~", ".")) else source
