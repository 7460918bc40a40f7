"""What the audio encoder makes of recordings, against NumPy that shares nothing with it; a steady sound stays."""

import json
from pathlib import Path

import driver
import harmonics
import numpy as np
import pytest
from safetensors.numpy import load_file

BANDS, WIDTH = 40, 4
CONFIG = """
name: audio
data: {shards: [SHARD]}
episode: {way: 5, shot: 1, query: 2, meta_batch_size: 2}
model: {encoders: {audio: {type: mel_conv, width: 4, depth: 2, norm: none, hears: HEARS}}}
adapt: {algorithm: protonet}
train: {steps: 1, validate_every: 0}
"""
# Less than a window, one window, one sample more, the clip of 40 ms, two frames, odd and even numbers, half a second.
LENGTHS = (7, 80, 256, 257, 320, 384, 1000, 1160, 4000)


def to_mel(hertz):
    return 2595 * np.log10(1 + hertz / 700)


def triangles(bins, rate):
    """[bands, bins]: each rises from its left neighbour's centre and falls to its right one's, on the mel scale."""
    hertz = np.linspace(0, rate / 2, bins)
    edges = 700 * (10**(np.linspace(0, to_mel(rate / 2), BANDS + 2) / 2595) - 1)
    return np.array([np.interp(hertz, edges[band:band + 3], [0, 1, 0]) for band in range(BANDS)])


def log_mel(samples, rate=harmonics.RATE, window=None, least=1e-6):
    """[bands, frames] of one recording. `window` and `least`: to be wrong on purpose."""
    size = round(0.032 * rate)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size) if window is None else window
    wave = np.pad(samples / 32768, (0, max(0, size - len(samples))))
    frames = []
    for start in sorted({*range(0, len(wave) - size, size // 2), len(wave) - size}):
        power = np.abs(np.fft.rfft(wave[start:start + size] * window))**2
        frames.append((np.log(triangles(size // 2 + 1, rate) @ power + least) + 4) / 4)
    return np.array(frames).T


def embed(bands, parameters, padding=0):
    """A recording's features: blocks over its own frames, mean and maximum over time. `padding`: frames of silence that
    a wrong mean would count."""
    for block in range(2):
        weight, bias = (parameters[f"encoder.audio.{block}.conv.{name}"] for name in ("weight", "bias"))
        padded = np.pad(bands, ((0, 0), (1, 1)))
        bands = np.array([np.tensordot(weight, padded[:, step:step + 3], 2) + bias
                          for step in range(bands.shape[1])]).T.clip(0)
        if block == 0:
            bands = np.array([bands[:, step:step + 2].max(axis=1) for step in range(0, bands.shape[1], 2)]).T
    return np.concatenate([bands.sum(axis=1) / (bands.shape[1] + padding), bands.max(axis=1)])


class Adapted:
    """A model after one step, adapted to (class, split, samples) each; its inputs, parameters and answers."""

    def __init__(self, folder, recordings, hears="mels"):
        config = folder / "audio.yaml"
        shard = harmonics.make(folder / "train.h5", "steady", 3)
        driver.write_config(config, "", CONFIG.replace("SHARD", str(shard)).replace("HEARS", hears))
        driver.train(config, folder / "run")
        self.shard = harmonics.write(folder / "use.h5", recordings)
        self.file = folder / "adapted"
        driver.cuttle("adapt", folder / "run", "--support", self.shard, "--out", self.file, "--calibrate", "0")
        self.state = load_file(self.file)
        last = driver.inspect(folder / "run")["last_checkpoint"]
        self.parameters = load_file(f"{last}/parameters.safetensors")

    def inputs(self):
        """Of each recording: [bands, frames], without padding."""
        values, mask = (self.state[f"support.audio.{name}"] for name in ("values", "mask"))
        assert all((np.diff(row) <= 0).all() for row in mask)
        return [row[:, :int(real.sum())] for row, real in zip(values, mask)]

    def answers(self):
        lines = driver.cuttle("predict", self.file, self.shard, "--json").stdout.splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module", name="recordings")
def recordings_of_many_lengths():
    draw = np.random.default_rng(1)
    spectra = harmonics.spectra(draw, len(LENGTHS))
    sounds = [harmonics.sound(draw, "steady", spectrum)[:length] for spectrum, length in zip(spectra, LENGTHS)]
    return [*sounds, np.zeros(700, "<i2"), draw.integers(-32768, 32767, 2000, endpoint=True).astype("<i2")]


@pytest.fixture(scope="module", name="adapted")
def adapted_to_each(recordings, tmp_path_factory):
    """Each recording is a class."""
    return Adapted(tmp_path_factory.mktemp("audio"),
                   [(f"sound {number:02}", "test", samples) for number, samples in enumerate(recordings)])


def distance(inputs, references):
    """The largest difference; infinite where frames are fewer or more."""
    return max(np.abs(a - b).max() if a.shape == b.shape else np.inf for a, b in zip(inputs, references))


def test_log_mel_is_the_reference(adapted, recordings):
    assert len(adapted.inputs()) == len(recordings)
    assert distance(adapted.inputs(), map(log_mel, recordings)) < 2e-4
    # The shortest have one frame: what it is must survive without others beside it.
    assert [row.shape[1] for row in adapted.inputs()] == [1, 1, 1, 2, 2, 2, 7, 9, 31, 5, 15]


@pytest.mark.parametrize("wrong", [{"window": np.ones(256)}, {"window": np.hanning(256)}, {"least": 0.1},
                                   {"least": 1e-7}])
def test_another_window_or_floor_is_noticed(wrong, adapted, recordings):
    assert distance(adapted.inputs(), [log_mel(samples, **wrong) for samples in recordings]) > 2e-3


def mfcc(bands):
    """[39, frames]: an orthonormal DCT-II, then least-squares slopes over five frames, and of these once more."""
    places = np.arange(BANDS) + 0.5
    cosines = np.array([np.cos(np.pi * k * places / BANDS) for k in range(13)])
    rows = [cosines / np.linalg.norm(cosines, axis=1, keepdims=True) @ bands]
    for _ in range(2):
        wide = np.pad(rows[-1], ((0, 0), (2, 2)), "edge")
        rows.append(np.array([[np.polyfit(range(-2, 3), row[t:t + 5], 1)[0] for t in range(bands.shape[1])]
                              for row in wide]))
    return np.concatenate(rows)


def test_mfcc_is_the_reference(recordings, tmp_path):
    heard = Adapted(tmp_path, [(f"sound {number:02}", "test", samples) for number, samples in enumerate(recordings)],
                    "mfcc").inputs()
    references = [mfcc(log_mel(samples)) for samples in recordings]
    assert distance(heard, references) < 5e-4
    assert all(np.ptp(rows[13:26]) > 0.1 for rows in references if rows.shape[1] > 5 and np.ptp(rows[0]) > 0.5)


def probabilities(features):
    """[recording, class], each recording's own features being its class's."""
    logits = -((features[:, None] - features[None])**2).sum(axis=2)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def test_features_and_answers_are_the_reference(adapted, recordings):
    inputs = [log_mel(samples) for samples in recordings]
    expected = probabilities(np.array([embed(bands, adapted.parameters) for bands in inputs]))
    told = [(answer["class"], answer["probability"]) for answer in adapted.answers()]
    assert [name for name, _ in told] == [f"sound {row.argmax():02}" for row in expected]
    assert [sure for _, sure in told] == pytest.approx(expected.max(axis=1), abs=1e-4)
    # A mean over the padding of the batch too would be another one.
    longest = max(-(-bands.shape[1] // 2) for bands in inputs)
    padded = probabilities(np.array([embed(bands, adapted.parameters, longest - -(-bands.shape[1] // 2))
                                     for bands in inputs]))
    assert np.abs(padded.max(axis=1) - expected.max(axis=1)).max() > 1e-3


def test_a_tone_is_heard_at_its_level(tmp_path):
    """Two pitches, each at two levels 12 dB apart: a steady tone is its pitch and level, and nothing else."""
    time = np.arange(4000) / harmonics.RATE
    tones = [np.round(peak * np.sin(2 * np.pi * pitch * time)).astype("<i2") for pitch in (500, 1500)
             for peak in (16000, 4000)]
    low, soft_low, high, _ = Adapted(tmp_path, [(f"tone {number}", "test", tone)
                                                for number, tone in enumerate(tones)]).inputs()
    pitch = [row.mean(axis=1).argmax() for row in (low, soft_low, high)]
    assert pitch == [np.floor(to_mel(hertz) / to_mel(4000) * 41 - 0.5) for hertz in (500, 500, 1500)]
    assert np.mean(low[pitch[0]] - soft_low[pitch[0]]) == pytest.approx(np.log(16) / 4, abs=0.01)


def test_a_run_of_an_earlier_version_hears_as_it_did(tmp_path):
    """Its facts do not say how; then it is adapted and used with each band less its mean, and not trained further."""
    ours = Adapted(tmp_path, [("class", "test", np.arange(4000, dtype="<i2")), ("other", "test", np.ones(999, "<i2"))])
    last = Path(driver.inspect(tmp_path / "run")["last_checkpoint"])
    facts = json.loads((last / "facts.json").read_text(encoding="utf-8"))
    facts["modalities"] = facts["modalities"].replace('"centred":false,', "")
    driver.rewrite_in_checkpoint(last, "facts.json", json.dumps(facts))
    assert driver.cuttle_json("eval", tmp_path / "run", "--episodes", "2")["episodes"] == 2
    driver.cuttle("adapt", tmp_path / "run", "--support", ours.shard, "--out", tmp_path / "theirs", "--calibrate", "0")
    first, second = load_file(tmp_path / "theirs")["support.audio.values"]
    assert np.abs(first.sum(axis=1)).max() < 1e-3 < np.abs(first).max() and np.abs(second).max() < 1e-3
    driver.cuttle("predict", tmp_path / "theirs", ours.shard)
    config = tmp_path / "audio.yaml"
    refused = driver.train(config, tmp_path / "run", "--resume", "train.steps=2", code=driver.USER_ERROR).stderr
    assert "on audio without the level of each recording" in refused and "start a new run" in refused
    said = driver.train(config, tmp_path / "new", f"train.init_from={tmp_path}/run").stderr
    assert "was trained on audio of another level (each recording less its mean)" in said


@pytest.mark.parametrize("kind", harmonics.KINDS)
def test_inputs_tell_steady_spectra_apart(kind, tmp_path):
    """The nearest of ten sounds, by the mean over time and apart from the level, is mostly of the same class."""
    draw = np.random.default_rng(2)
    spectra = harmonics.spectra(draw, 10)
    sounds = [(f"class {number}", "test", harmonics.sound(draw, kind, spectrum))
              for _ in range(6) for number, spectrum in enumerate(spectra)]
    means = np.array([row.mean(axis=1) for row in Adapted(tmp_path, sounds).inputs()])
    means -= means.mean(axis=1, keepdims=True)
    labels = np.tile(np.arange(10), 6)
    nearest = ((means[10:, None] - means[None, :10])**2).sum(axis=2).argmin(axis=1)
    assert (nearest == labels[10:]).mean() > 0.8  # a tenth by chance
