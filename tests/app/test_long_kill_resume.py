"""P3 in full: 20 kills in one run."""

import driver
import interruption


def test_twenty_kills(config, tmp_path):
    overrides = interruption.busy(steps=360)
    gold = interruption.gold(config, tmp_path / "gold", overrides)
    run = tmp_path / "run"
    hits = interruption.kill_and_resume(config, run, overrides, kills=20, seed=2)
    print(hits)
    assert sum(hits.values()) == 20 and hits["checkpoint"] >= 5 and hits["validation"] >= 2, hits
    assert interruption.outcome(run) == gold
    assert not driver.leftovers(run)
