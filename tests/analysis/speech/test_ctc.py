"""CTC beyond one window: what the chunked pipeline writes, without a seam."""

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.speech.transcription import transcribe
from tests.helpers.talking_models import audio, tiny_ctc
from tests.helpers.transcribing import COLD, bare, telling


@pytest.mark.parametrize("family", ["hubert", "wav2vec2, layer norm"])
def test_long_ctc_is_what_the_chunked_pipeline_writes(tmp_path: Path, family: str) -> None:
    model, clip = tiny_ctc(tmp_path, family), audio(71.3)
    result = transcribe(model, clip, COLD)
    expected = bare(model, clip, chunk_length_s=30, stride_length_s=5)
    assert result.text == telling(expected)
    assert result.n_windows == 4


@pytest.mark.parametrize("batch_size", [1, 3])
def test_ctc_windows_leave_no_seam(tmp_path: Path, batch_size: int) -> None:
    # Without attention a frame hears nothing that is more than 0.2 s away, so that windows must
    # give what one pass over everything gives.
    model = tiny_ctc(tmp_path, "wav2vec2, layer norm", num_hidden_layers=0, do_normalize=False)
    clip = audio(95.77)
    assert transcribe(model, clip, replace(COLD, batch_size=batch_size)).text == telling(
        bare(model, clip)
    )
