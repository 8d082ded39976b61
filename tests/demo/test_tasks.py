"""What the demo models are trained with: targets and the fast convolution."""

import numpy as np
import pytest
import torch

from demo.examples import Example, Segment
from demo.models import build_hubert_processor
from demo.tasks import IGNORED, FramedConv1d, ctc_labels

TEXTS = ("set an alarm for nineteen o'clock", "four four fourteen", "")


def spoken(text: str) -> Example:
    segments = (Segment(text, 0.0, 1.0),) if text else ()
    return Example(np.zeros(16_000, np.float32), segments, None)


@pytest.mark.parametrize("spelled", [False, True])
def test_ctc_targets_read_back_as_the_text(spelled: bool) -> None:
    processor = build_hubert_processor()
    labels = ctc_labels(processor, [spoken(text) for text in TEXTS], spelled=spelled)
    blank = processor.tokenizer.pad_token_id
    for text, row in zip(TEXTS, labels.tolist(), strict=True):
        ids = [token for token in row if token != IGNORED]
        path = [frame for token in ids for frame in (token, token, blank)]
        assert processor.tokenizer.decode(path) == text
        n_words = len(text.split())
        assert len(ids) == (len(text) if spelled else max(0, 2 * n_words - 1))


def test_words_outside_the_domain_are_spelled() -> None:
    processor = build_hubert_processor()
    (row,) = ctc_labels(processor, [spoken("london six")], spelled=False).tolist()
    assert processor.tokenizer.unk_token_id not in row
    assert processor.tokenizer.decode(row) == "london six"


def test_framed_convolution_is_a_convolution() -> None:
    torch.manual_seed(0)
    plain = torch.nn.Conv1d(1, 5, 7, 3)
    framed = FramedConv1d(1, 5, 7, 3)
    framed.load_state_dict(plain.state_dict())
    audio = torch.randn(2, 1, 100)
    expected, found = plain(audio), framed(audio)
    torch.testing.assert_close(found, expected)
    expected.square().sum().backward()
    found.square().sum().backward()
    assert plain.weight.grad is not None
    torch.testing.assert_close(framed.weight.grad, plain.weight.grad)
