"""`frame`: one command without options for the usual tables, and what becomes of their rows."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile
from PIL import Image

from cuttle_data import conversion
from conftest import ROOT, save_image, save_wav
from frames import columns, convert, modalities, patients, read, texts, write_csv


def test_text_and_label(run, tmp_path):
    rows = texts()
    text = convert(run, write_csv(tmp_path / "t.csv", [["text", "label"], *rows]), tmp_path / "out")
    found = read(tmp_path / "out")
    assert modalities(tmp_path / "out") == {"text": ("text", ())}
    assert {(name, c, bytes(v["text"]).decode()) for name, (c, _, _, v, _) in found.items()} == {
        (f"line {line}", label, words) for line, (words, label) in enumerate(rows, 2)}
    assert {split for _, _, split, _, _ in found.values()} == {0, 1, 2}
    assert "separated by ," in text and "category  class" in text


def test_a_sheet_is_drawn_with_and_without_shards(run, tmp_path):
    file = write_csv(tmp_path / "t.csv", [["patient", "time", "pulse", "age", "diagnosis"], *patients()])
    code, text, _ = run("frame", file, "--out", tmp_path / "out", "--sheet", tmp_path / "dry.png", "--dry-run")
    assert code == 0 and "drew 12 samples" in text and not (tmp_path / "out").exists()
    convert(run, file, tmp_path / "out", "--sheet", tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").read_bytes() == (tmp_path / "dry.png").read_bytes()
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height > 6 * 80 and len(sheet.convert("RGB").getcolors(10000)) > 3
    code, _, err = run("frame", file, "--out", tmp_path / "other", "--sheet", tmp_path / "sheet.gif")
    assert code == 2 and "PNG" in err and not (tmp_path / "other").exists()


def test_sounds_of_a_table_are_of_every_kind_that_folder_reads(run, tmp_path):
    rows = [[f"{index}.flac", f"c{index % 3}"] for index in range(6)]
    for index in range(6):
        soundfile.write(tmp_path / f"{index}.flac", np.full(99, 100 * index, "<i2"), 16000)
    convert(run, write_csv(tmp_path / "t.csv", [["sound", "label"], *rows]), tmp_path / "out")
    assert read(tmp_path / "out")["line 4"][3]["audio"].tolist() == [200] * 99


def test_a_single_column_of_few_words_is_the_class(run, tmp_path):
    rows = [[topic, words] for words, topic in texts()]
    convert(run, write_csv(tmp_path / "t.csv", [["subject of it", "what"], *rows]), tmp_path / "out")
    assert {c for c, *_ in read(tmp_path / "out").values()} == {f"topic {c}" for c in range(6)}


def test_files_that_are_read_are_counted_on_a_terminal(run, tmp_path, monkeypatch):
    rows = [[f"{index}.png", f"c{index % 3}"] for index in range(6)]
    for name, _ in rows:
        save_image(tmp_path / name, 7)
    file = write_csv(tmp_path / "t.csv", [["image", "label"], *rows])
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    code, _, err = run("frame", file, "--out", tmp_path / "out", "--size", "4", "--shards", "1")
    assert code == 0 and "image of a shard" in err and "0/6" in err


def test_paths_and_label_relative_to_the_table(run, tmp_path):
    rows = []
    for index in range(12):
        save_image(tmp_path / f"data/pictures/{index}.png", 10 * index)
        save_wav(tmp_path / f"data/{index}.wav", np.full(99, index, "<i2"))
        rows.append([f"pictures/{index}.png", f"{index}.wav", f"c{index % 6}", index])
    rows.append(["pictures/99.png", "0.wav", "c0", 7])
    file = write_csv(tmp_path / "data/t.csv", [["photo", "sound", "label", "width"], *rows])
    text = convert(run, file, tmp_path / "out", "--size", "4")
    found = read(tmp_path / "out")
    assert modalities(tmp_path / "out") == {"image": ("image", (4, 4, 3)), "audio": ("audio", ())}
    assert len(found) == 13 and "image" not in found["line 14"][3]
    assert columns(tmp_path / "out") == {"image": ("photo", ), "audio": ("sound", )}
    assert found["line 4"][3]["image"].tolist() == np.full((4, 4, 3), 20).tolist()
    assert found["line 4"][3]["audio"].tolist() == [2] * 99
    assert "left out: 1 x file of column photo that is not there; such as" in text
    assert "t.csv:14: " in text and "not used: number beside photo" in text


def test_arrays_of_the_usual_shape(run, tmp_path):
    rows = []
    for index in range(12):
        np.save(tmp_path / f"{index}.npy", np.full((4, 3 + (index == 0)), index, np.float32))
        rows.append([f"{index}.npy", f"c{index % 3}"])
    text = convert(run, write_csv(tmp_path / "t.csv", [["signal", "label"], *rows]), tmp_path / "out")
    assert modalities(tmp_path / "out") == {"signal": ("series", (3, ))}
    assert len(read(tmp_path / "out")) == 11 and "11 of 12 have 3 values a step" in text


def test_measurements_over_time_of_one_patient_are_a_series(run, tmp_path):
    file = write_csv(tmp_path / "t.csv", [["patient", "time", "pulse", "age", "diagnosis"], *patients()])
    convert(run, file, tmp_path / "out")
    found = read(tmp_path / "out")
    assert len(found) == 12
    diagnosis, _, _, values, _ = found["p7"]
    assert diagnosis == "d1" and values["vector"].tolist() == [37]
    assert columns(tmp_path / "out") == {"series": ("pulse", ), "vector": ("age", )}
    assert values["series"].tolist() == [[68], [67.75], [67.5], [67.25], [67]]


def test_rows_of_a_patient_are_samples_with_a_target(run, tmp_path):
    rows = [[f"p{i // 4}", i, i % 3, i + 0.5] for i in range(40)]
    convert(run, write_csv(tmp_path / "t.csv", [["patient", "dose", "pills", "y"], *rows]), tmp_path / "out")
    found = read(tmp_path / "out")
    assert found["line 7"][0] == "p1" and found["line 7"][4] == [5.5]
    assert found["line 7"][3]["vector"].tolist() == [5, 2]


def test_categories_labels_groups_names_and_splits(run, tmp_path):
    rows = [[f"s{i}", f"v{i % 4}", "ab"[i % 2], "x|y" if i % 2 else "y", f"spk{i % 3}", i,
             ("train", "dev", "test", "train")[i % 4]] for i in range(24)]
    head = ["id", "class", "sex", "tags", "speaker", "size", "split"]
    convert(run, write_csv(tmp_path / "t.csv", [head, *rows]), tmp_path / "out", "--labels", "tags")
    name, group, split, values, targets = read(tmp_path / "out")["s5"]
    assert (name, group, split) == ("v1", "spk2", 1)
    assert values["vector"].tolist() == [0, 1, 5] and sorted(targets) == [1, 1]
    assert columns(tmp_path / "out") == {"vector": ("sex=a", "sex=b", "size")}


def test_a_number_each_is_no_list_of_labels(run, tmp_path):
    rows = [["abcd"[i % 4], i + 0.5, f"{i}|{i + 1}"] for i in range(24)]
    file = write_csv(tmp_path / "t.csv", [["class", "price", "numbers"], *rows])
    code, _, err = run("frame", file, "--out", tmp_path / "x", "--labels", "price")
    assert code == 2 and "--targets predicts numbers" in err and not (tmp_path / "x").exists()
    convert(run, file, tmp_path / "out", "--labels", "numbers")  # lists of names that are numbers


def test_a_split_column_that_classes_do_not_keep_is_not_used(run, tmp_path):
    rows = [[*row, ("train", "test")[i % 2]] for i, row in enumerate(texts())]
    file = write_csv(tmp_path / "t.csv", [["text", "label", "split"], *rows])
    assert "has classes in several splits" in convert(run, file, tmp_path / "out")
    code, _, err = run("frame", file, "--out", tmp_path / "x", "--split", "split")
    assert code == 2 and "and in another split" in err and not (tmp_path / "x").exists()


def test_all_for_test_and_few_classes(run, tmp_path):
    file = write_csv(tmp_path / "t.csv", [["text", "label"], *texts(3)])
    assert "3 classes leave none for validation" in convert(run, file, tmp_path / "few")
    for number, options in enumerate((["--all-test"], ["--splits", "0,0,1"])):
        text = convert(run, file, tmp_path / f"out{number}", *options)
        assert {s for _, _, s, _, _ in read(tmp_path / f"out{number}").values()} == {2}
        assert "warning" not in text


def test_a_dry_run_shows_three_rows_and_writes_nothing(run, tmp_path):
    file = write_csv(tmp_path / "t.csv", [["text", "label"], *texts()])
    code, text, _ = run("frame", file, "--out", tmp_path / "out", "--dry-run")
    assert code == 0 and not (tmp_path / "out").exists()
    assert "line 2" in text and "line 4" in text and "line 5" not in text and "topic 0" in text


def test_the_same_again_is_kept_and_another_table_is_refused(run, tmp_path):
    file = write_csv(tmp_path / "t.csv", [["text", "label"], *texts()])
    convert(run, file, tmp_path / "out")
    assert "complete already" in convert(run, file, tmp_path / "out")
    write_csv(file, [["text", "label"], *texts(7)])
    assert "of another conversion" in run("frame", file, "--out", tmp_path / "out")[2]
    assert "7 classes" not in convert(run, file, tmp_path / "out", "--overwrite")


def test_a_stopped_conversion_goes_on(run, tmp_path, monkeypatch):
    file = write_csv(tmp_path / "t.csv", [["text", "label"], *texts()])
    convert(run, file, tmp_path / "whole")

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(conversion, "_seal_parts", stop)
    assert run("frame", file, "--out", tmp_path / "out")[0] == 130
    monkeypatch.undo()
    assert "shard 3 was finished before: kept" in convert(run, file, tmp_path / "out")
    for path in (tmp_path / "whole").glob("*.h5"):
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


def test_broken_files_are_left_out_when_they_are_read(run, tmp_path):
    for index in range(12):
        save_image(tmp_path / f"{index}.png", index)
    (tmp_path / "5.png").write_bytes(b"no picture")
    rows = [[f"{i}.png", f"c{i % 4}"] for i in range(12)]
    text = convert(run, write_csv(tmp_path / "t.csv", [["file", "label"], *rows]), tmp_path / "out")
    found = read(tmp_path / "out")
    assert len(found) == 11 and "line 7" not in found and "t.csv:7 [image]" in text


def test_deep_pictures_are_read_as_folder_reads_them(run, tmp_path):
    for index in range(6):
        Image.fromarray(np.full((4, 4), 50 + index, np.uint16)).save(tmp_path / f"{index}.png")
    rows = [[f"{i}.png", f"c{i % 2}"] for i in range(6)]
    file = write_csv(tmp_path / "t.csv", [["file", "label"], *rows])
    text = convert(run, file, tmp_path / "dark", "--size", "2", "--all-test")
    assert "warning, used all the same: 6" in text and "nearly black" in text and "t.csv:2 [image]" in text
    text = convert(run, file, tmp_path / "out", "--size", "2", "--all-test", "--range", "0..255")
    assert "nearly black" not in text
    assert read(tmp_path / "out")["line 5"][3]["image"].max() == 53
    assert "--range 9x" in run("frame", file, "--out", tmp_path / "x", "--range", "9x")[2]


MEMORY = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from cuttle_data import cli
assert cli.main(["frame", sys.argv[2], "--out", sys.argv[3]]) == 0
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_rows_are_not_held_as_objects(tmp_path):
    """The whole process stays below what the objects alone would take (1,300 bytes a row)."""
    rows = 400_000
    with open(tmp_path / "t.csv", "w", encoding="utf-8") as file:
        file.write("user,a,b,c,y\n")
        file.writelines(f"u{i % 999},{i / 7:.4f},{i / 9:.4f},{i % 77},{i / 2}\n" for i in range(rows))
    result = subprocess.run([sys.executable, "-c", MEMORY, ROOT / "data_tools", tmp_path / "t.csv",
                             tmp_path / "out"], capture_output=True, text=True, check=True)
    assert int(result.stdout.rsplit("peak", 1)[1]) * 1024 < 1000 * rows, result.stdout


@pytest.mark.parametrize("text", ["{nothing", ""])
def test_a_defect_leaves_no_half_written_data_set(run, tmp_path, text):
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    code, _, _ = run("frame", tmp_path / "t.csv", "--out", tmp_path / "out")
    assert code == 2 and not (tmp_path / "out").exists()
