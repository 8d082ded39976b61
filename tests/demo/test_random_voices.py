"""Random voices differ and can be made again."""

import re

import numpy as np

from demo.random_voices import RANDOM_VARIANTS, variant_file
from demo.synthesis import HELD_OUT_VARIANTS, TRAIN_VARIANTS


def test_random_voices_differ_and_can_be_remade() -> None:
    files = [variant_file(np.random.default_rng([3, i]), f"v{i}") for i in range(20)]
    again = [variant_file(np.random.default_rng([3, i]), f"v{i}") for i in range(20)]
    assert files == again
    assert len({file.split("\n", 2)[2] for file in files}) == len(files)
    for file in files:
        assert len(re.findall(r"^formant \d", file, re.M)) == 9
    assert not {*RANDOM_VARIANTS} & {*TRAIN_VARIANTS, *HELD_OUT_VARIANTS}
