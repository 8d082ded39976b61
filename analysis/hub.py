"""Fetching a checkpoint from the Hugging Face hub: safetensors only, no code, clear failures."""

import errno
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from analysis.errors import UserError

_TIMEOUT_S = 10
_SMALL_FILES = ["*.json", "*.txt", "*.model", "README.md"]  # the last states the licence


def download(repository: str, revision: str | None) -> tuple[Path, str | None]:
    """Fetch a checkpoint, or find it in the local hub cache.

    Parameters
    ----------
    repository : str
        Hub id, e.g. ``"openai/whisper-tiny"``.
    revision : str or None
        Branch, tag or commit; None is the default branch.

    Returns
    -------
    tuple of Path and str
        The snapshot's folder, and the commit that it is of.

    Raises
    ------
    UserError
        When the id or revision does not exist, is gated, holds no safetensors, or cannot be
        reached.
    """
    where = f"{repository}@{revision}" if revision else repository
    try:
        # model_info asks once; listing the files would retry for half a minute when offline
        info = HfApi().model_info(repository, revision=revision, timeout=_TIMEOUT_S)
        names = [sibling.rfilename for sibling in info.siblings or ()]
        patterns = [*_SMALL_FILES, *_weight_patterns(names, where)]
        folder = snapshot_download(repository, revision=info.sha, allow_patterns=patterns)
        return Path(folder), info.sha
    except GatedRepoError as error:
        raise UserError(
            f"{where} is gated.", "Accept its terms on the hub and log in.", str(error)
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        raise UserError(
            f"There is no model {where}, neither a folder nor on the hub.",
            "Check the spelling and the revision; for a private model log in.",
            str(error),
        ) from error
    except UserError:
        raise
    except Exception as error:  # the HTTP library's own types, which change between releases
        cached = _cached(repository, revision)
        if cached is not None:
            return cached, cached.name
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise UserError(
                f"The disk is full; {where} was not downloaded.",
                "Free some space, or move the hub's cache (HF_HOME).",
                str(error),
            ) from error
        raise UserError(
            f"The hub cannot be reached for {where}; this machine is offline or behind a firewall.",
            "Use a bundled demo model, or download it elsewhere and give its folder.",
            f"{type(error).__name__}: {error}",
        ) from error


def _weight_patterns(names: list[str], where: str) -> list[str]:
    """The weight files to fetch: one file, else the shards of the index; other formats stay."""
    if "model.safetensors" in names:
        return ["model.safetensors"]
    if "model.safetensors.index.json" in names:
        return ["model-*.safetensors"]
    raise UserError(
        f"{where} holds no model.safetensors; other formats are pickled and can run any program.",
        "Choose a revision with safetensors (often refs/pr/…), or convert it where you trust it.",
    )


def _cached(repository: str, revision: str | None) -> Path | None:
    try:
        return Path(snapshot_download(repository, revision=revision, local_files_only=True))
    except (LocalEntryNotFoundError, OSError):
        return None
