"""The plan of the demo models' training."""

import pytest

from demo.plan import PLANS


@pytest.mark.parametrize("name", ["hubert", "whisper"])
def test_every_step_of_a_plan_has_a_phase_and_examples_of_its_own(name: str) -> None:
    plan = PLANS[name]
    end = 0
    for step in range(plan.n_steps):
        phase, first = plan.locate(step)
        assert first == end
        end = first + phase.batch_size
    assert plan.learning_rate(plan.n_steps - 1) < 0.01 * plan.peak_learning_rate
