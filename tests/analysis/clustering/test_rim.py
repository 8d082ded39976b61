"""Far units are moved to the rim of a map, and no other unit is."""

import numpy as np

from analysis.clustering.rim import FEWEST, PERCENTILES, cut_at_rim


def test_far_units_wait_at_the_rim_and_all_others_keep_their_place() -> None:
    places = np.random.default_rng(0).standard_normal((500, 2)).astype(np.float32)
    places[7], places[8], places[9] = (400, 0), (0, -900), (-800, 800)
    cut = cut_at_rim(places)
    low, high = np.percentile(places, PERCENTILES, axis=0)
    inside = ((places > low) & (places < high)).all(axis=1)
    assert not cut.at_rim[inside].any()
    assert np.array_equal(cut.coordinates[~cut.at_rim], places[~cut.at_rim])
    assert cut.beyond[[7, 8, 9]].tolist() == [[1, 0], [0, -1], [-1, 1]]
    assert np.abs(cut.coordinates).max() < 6
    assert cut.coordinates[7, 0] == cut.coordinates[:, 0].max() > places[inside, 0].max()
    assert cut.coordinates[9].tolist() == [cut.coordinates[:, 0].min(), cut.coordinates[:, 1].max()]


def test_map_without_far_units_is_left_as_it_is() -> None:
    for places in (
        np.random.default_rng(1).uniform(size=(400, 3)).astype(np.float32),
        np.append(np.zeros((FEWEST - 2, 2)), [[9, 9]], axis=0).astype(np.float32),
        np.ones((300, 2), dtype=np.float32),
    ):
        cut = cut_at_rim(places)
        assert not cut.at_rim.any()
        assert np.array_equal(cut.coordinates, places)


def test_an_axis_on_which_most_units_are_a_blob_is_stretched() -> None:
    generator = np.random.default_rng(2)
    places = generator.standard_normal((500, 2)).astype(np.float32)
    places[:50, 0] *= 1000
    drawn = cut_at_rim(places, stretches=True)
    stretch, plain = drawn.stretches
    assert stretch is not None
    assert plain is None
    assert not drawn.at_rim.any()
    back = np.sinh(drawn.coordinates[:, 0]) * stretch.scale + stretch.centre
    np.testing.assert_allclose(back, places[:, 0], rtol=1e-3, atol=1e-3)
    assert np.array_equal(drawn.coordinates[:, 1], places[:, 1])
    before, after = (np.ptp(x[50:, 0]) / np.ptp(x[:, 0]) for x in (places, drawn.coordinates))
    assert after > 20 * before, "the others have room now"
    assert cut_at_rim(places).stretches == (None, None), "nobody asked for it"
