"""A disk that breaks at any call of a checkpoint."""

from test_disk import calls_of_a_checkpoint, refused_at

calls = calls_of_a_checkpoint


def test_a_broken_disk_at_every_call(calls, config, gold, tmp_path):
    refused_at(calls, "EIO", "Input/output error", config, gold, tmp_path)
