"""One hash for a set of weights, the same in memory and in the file that they are saved to.

A tensor that is shared by many compressed models is hashed once: SHA-256 reads about 0.5 to 1.5 GB
a second, which a moved slider must not wait for.
"""

import hashlib
from collections.abc import Mapping

import torch
from torch import nn
from torch.utils.weak import WeakTensorKeyDictionary

# By tensor: the version counter that it was hashed at (in-place changes raise it), and its digest.
_KNOWN = WeakTensorKeyDictionary()


def tensor_digest(tensor: torch.Tensor) -> bytes:
    """SHA-256 over dtype, shape and bytes of a tensor on any device."""
    digest = hashlib.sha256(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
    digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.digest()


def combine(digests: Mapping[str, bytes]) -> str:
    """The hash of a whole checkpoint from the digests of its tensors.

    Parameters
    ----------
    digests : mapping of str to bytes
        By tensor name, in any order.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    whole = hashlib.sha256()
    for name, digest in sorted(digests.items()):
        whole.update(name.encode() + b"\0" + digest)
    return whole.hexdigest()


def model_hash(model: nn.Module) -> str:
    """The hash of a model's weights once they are saved as they are; tied ones count once."""
    stored = {**dict(model.named_parameters()), **_persistent_buffers(model)}
    return combine({name: _digest_once(tensor) for name, tensor in stored.items()})


def remember(model: nn.Module, digests: Mapping[str, bytes], dtypes: Mapping[str, str]) -> None:
    """Spare tensors that were loaded as they are stored from being hashed again.

    Parameters
    ----------
    model : torch.nn.Module
        Just loaded.
    digests : mapping of str to bytes
        Of the stored tensors.
    dtypes : mapping of str to str
        Of the stored tensors, e.g. "torch.float16"; others were converted on the way.
    """
    for name, tensor in model.named_parameters():
        if dtypes.get(name) == str(tensor.dtype):
            _KNOWN[tensor] = (tensor._version, digests[name])


def _digest_once(tensor: torch.Tensor) -> bytes:
    known = _KNOWN.get(tensor)
    if known is not None and known[0] == tensor._version:
        digest: bytes = known[1]
        return digest
    digest = tensor_digest(tensor)
    _KNOWN[tensor] = (tensor._version, digest)
    return digest


def _persistent_buffers(model: nn.Module) -> dict[str, torch.Tensor]:
    """Buffers that are saved, such as the statistics of a batch norm."""
    saved = model.state_dict(keep_vars=True)
    return {name: saved[name] for name, _ in model.named_buffers() if name in saved}
