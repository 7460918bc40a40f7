"""P1 in full: every algorithm on every world size."""

import pytest
import test_world_size
from test_world_size import alone  # noqa: F401, pylint: disable=unused-import


@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("algorithm", test_world_size.ALGORITHMS)
def test_every_algorithm_on_every_world_size(algorithm, ranks, alone, config, tmp_path):  # noqa: F811
    assert test_world_size.outcome(config, tmp_path / "run", algorithm, ranks) == alone(algorithm)
