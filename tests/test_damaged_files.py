"""Some hundred damaged files of every kind: each works, or is refused with a sentence that helps.

`python -m tests.fuzz` tries thousands more.
"""

import pytest

from tests.helpers.fuzzing import room_for_cases, subjects

CASES = 8
"""Of each subject."""


@pytest.mark.slow
def test_damaged_files_work_or_are_refused() -> None:
    for subject in subjects().values():
        outcomes = [subject.outcome(subject.case(seed), room_for_cases()) for seed in range(CASES)]
        assert outcomes, subject.name
