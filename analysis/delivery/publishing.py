"""Publishing a compressed model on the Hugging Face hub, with the token of the environment."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from analysis.delivery.model_card import Measurement
from analysis.delivery.saving import save
from analysis.errors import UserError
from analysis.models.speech_model import SpeechModel

TOKEN = "HF_TOKEN"
"""The environment variable that holds the token."""

_CONFLICT = 409


def can_publish() -> bool:
    """Whether the environment holds a token of the hub."""
    return bool(os.environ.get(TOKEN))


def publish(
    model: SpeechModel,
    repository: str,
    *,
    private: bool = True,
    update: bool = False,
    measured: Sequence[Measurement] = (),
) -> str:
    """Push a model as a checkpoint; see `analysis.delivery.saving.save` for what is in it.

    Parameters
    ----------
    model : SpeechModel
    repository : str
        Hub id, ``"owner/name"``.
    private : bool
        Whether only its owner sees a repository that is made for it.
    update : bool
        Whether a repository that is already there may get a new commit.
    measured : sequence of Measurement
        Word error rates for the model card.

    Returns
    -------
    str
        Address of the commit.

    Raises
    ------
    UserError
        Without a token, for an id that is taken or makes no sense, when the hub refuses or cannot
        be reached.
    """
    if not can_publish():
        raise UserError(f"There is no {TOKEN} in the environment.", "Set it and start again.")
    api = HfApi(token=os.environ[TOKEN])
    with tempfile.TemporaryDirectory() as scratch:
        folder = save(model, Path(scratch) / "model", measured=measured)
        try:
            api.create_repo(repository, private=private, exist_ok=update)
            commit = api.upload_folder(
                repo_id=repository,
                folder_path=folder,
                commit_message="Compressed with Coalesce" if model.plan else "Saved by Coalesce",
            )
        except HFValidationError as error:
            raise UserError(
                f"{repository!r} is no hub id.", "Give one like owner/name.", str(error)
            ) from error
        except HfHubHTTPError as error:
            if error.response is not None and error.response.status_code == _CONFLICT:
                raise UserError(
                    f"{repository} is on the hub already.",
                    "Choose another name, or allow replacing.",
                    str(error),
                ) from error
            raise UserError(
                f"The hub refused {repository}.",
                f"Check that the token in {TOKEN} may write there.",
                str(error),
            ) from error
        except Exception as error:  # the HTTP library's own types, which change between releases
            raise UserError(
                "The hub cannot be reached; nothing was published.",
                "Check the network, or save to a folder and push that later.",
                f"{type(error).__name__}: {error}",
            ) from error
    return str(commit)
