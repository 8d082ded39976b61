"""Sound as the bytes of a file, without loss: what is read back has the very same samples."""

import io

import numpy as np
import soundfile

from analysis.speech.audio import SAMPLING_RATE, Samples

_FULL_SCALE = 1 << 15  # of 16-bit samples


def to_file(samples: Samples) -> bytes:
    """Write sound as FLAC where 16 bits hold every sample, else as WAV in float32.

    Parameters
    ----------
    samples : ndarray of float32, shape (n,)
        Mono at `SAMPLING_RATE`.

    Returns
    -------
    bytes
        Of the whole file.

    Examples
    --------
    >>> to_file(np.zeros(16, np.float32))[:4], to_file(np.full(16, 0.1, np.float32))[:4]
    (b'fLaC', b'RIFF')
    """
    steps = samples * _FULL_SCALE
    fits = bool(
        np.array_equal(steps, np.rint(steps))
        and (not samples.size or (steps.min() >= -_FULL_SCALE and steps.max() < _FULL_SCALE))
    )
    buffer = io.BytesIO()
    if fits:
        whole = steps.astype(np.int16)
        soundfile.write(buffer, whole, SAMPLING_RATE, format="FLAC", subtype="PCM_16")
        return buffer.getvalue()
    soundfile.write(buffer, samples, SAMPLING_RATE, format="WAV", subtype="FLOAT")
    return buffer.getvalue()
