"""D5: memory above an idle process is flat in the inner steps (second order, Conv4, 84x84, 5-way 5-shot), and LITE
keeps it small however large a support set is."""

import driver

TASKS = 2  # the same at every point: the heap also grows a little with the number of tasks seen
CONFIG = """
data: {shards: [SHARDS/*.h5], modalities: [image]}
episode: {way: 5, shot: 5, query: 15, meta_batch_size: 1}
model: {encoders: {image: {type: conv4, width: 32, depth: 4}}}
adapt: {algorithm: maml, inner_lr: 0.01}
"""


def memory_above_idle(folder, steps, *words):
    """By number of inner steps, MB."""
    shards = driver.make_shards(folder / "shards", "--size", "84", "--missing", "0", "--samples-per-class", "20")
    config = driver.write_config(folder / "config.yaml", shards, CONFIG)
    above = {}
    print("\ninner steps   MB above idle   idle MB   ms per task")
    for number in steps:
        options = [f"adapt.inner_steps={number}", *words, "--steps", TASKS, "--warmup", "0"]
        told = driver.cuttle_json("bench", config, *options, timeout=600)
        above[number] = told["peak_rss_mb"] - told["idle_rss_mb"]
        print(f"{number:11d}   {above[number]:13.1f}   {told['idle_rss_mb']:7.1f}   {told['ms_per_task']:11.0f}")
    return above


def test_twenty_inner_steps_take_little_more_memory_than_two(tmp_path):
    above = memory_above_idle(tmp_path, (1, 2, 5, 10, 20))
    assert above[20] <= 1.15 * above[2], above


def test_a_hundred_steps_of_imaml_take_no_more_memory_than_five(tmp_path):
    above = memory_above_idle(tmp_path, (5, 100), "adapt.algorithm=imaml")
    assert above[100] <= 1.02 * above[5], above


LARGE = """
data: {shards: [SHARDS/*.h5], modalities: [image]}
episode: {way: 5, shot: 200, query: 15, meta_batch_size: 1}
model: {encoders: {image: {type: conv4, width: 64, depth: 4}}}
adapt: {algorithm: protonet}
"""


def test_a_thousand_support_pictures_of_84_fit_into_two_gigabytes(tmp_path):
    """The whole process; not without LITE (Bronskill et al. 2021)."""
    shards = driver.make_shards(tmp_path / "shards", "--size", "84", "--missing", "0", "--samples-per-class", "215",
                                "--classes", "12", "--splits", "0.5,0.5,0")
    config = driver.write_config(tmp_path / "config.yaml", shards, LARGE)

    def peak(algorithm, lite, *others):
        words = [f"adapt.algorithm={algorithm}", f"model.lite={lite}", *others, "--steps", 1, "--warmup", 0]
        told = driver.cuttle_json("bench", config, *words, timeout=900)
        print(f"{algorithm} lite={lite}: {told['peak_rss_mb']:.0f} MB, {told['ms_per_task']:.0f} ms a task")
        return told["peak_rss_mb"]

    assert peak("protonet", 0) > 2000
    for algorithm in ("protonet", "r2d2", "matching", "relation", "neural_process", "metaoptnet", "siamese", "mann",
                      "meta_networks"):
        assert peak(algorithm, 40) < 2000, algorithm
    assert peak("caml", 40, "adapt.joint=false") < 2000
