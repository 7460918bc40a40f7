"""Videos: what is read of films, animated pictures and arrays, and which sense their files are."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from cuttle_data import media, names
from cuttle_data.errors import BadInput, UserError
from cuttle_data.reader import Shard
from cuttle_data.videos import kept, read_video

LEVELS = [0, 60, 120, 180, 240]


def animation(path, levels=tuple(LEVELS), size=(8, 6), **how):
    """A picture of one grey level after the other, and that of its frames in which they differ."""
    pictures = [Image.new("RGB", size[::-1], (level, ) * 3) for level in levels]
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=40, loop=0, **how)
    return path


def film(path, levels, codec="mpeg4", size=(64, 48), rotation=0):
    import av
    with av.open(str(path), "w") as container:
        track = container.add_stream(codec, rate=25)
        track.width, track.height, track.pix_fmt = *size, "yuv420p"
        for level in levels:
            for packet in track.encode(av.VideoFrame.from_image(Image.new("RGB", size, (level, ) * 3))):
                container.mux(packet)
        for packet in track.encode():
            container.mux(packet)
    return path


def levels_of(video):
    return video.mean(axis=(1, 2, 3)).round().astype(int).tolist()


def near(found, levels):
    return len(found) == len(levels) and np.abs(np.subtract(found, levels)).max() <= 6


def test_frames_are_kept_evenly():
    assert list(kept(5, 0)) == list(kept(5, 5)) == list(kept(5, 9)) == [0, 1, 2, 3, 4]
    assert kept(5, 1) == [2] and kept(10, 2) == [2, 7] and kept(5, 4) == [0, 1, 3, 4]
    assert kept(10**9, 3) == [10**9 // 6, 10**9 // 2, 5 * 10**9 // 6]


@pytest.mark.parametrize("name, how", [("a.gif", {}), ("a.webp", {"lossless": True}), ("a.png", {}), ("a.apng", {
    "format": "PNG"})])
def test_animated_pictures(tmp_path, name, how):
    path = animation(tmp_path / name, **how)
    assert media.kinds_of(path) == ("video", "image")
    video, doubt = read_video(path, (4, 3), 3, 0)
    assert video.shape == (5, 4, 3, 3) and video.dtype == np.uint8 and doubt == ""
    assert levels_of(video) == LEVELS
    assert levels_of(read_video(path, (4, 3), 1, 2)[0]) == [60, 180]
    assert levels_of(read_video(io.BytesIO(path.read_bytes()), (8, 6), 1, 16)[0]) == LEVELS
    assert levels_of(media.load_image(path, (4, 3), 3)[None]) == [0]  # as a picture: the first


def test_transparency_of_animations_lies_over_white(tmp_path):
    pictures = [Image.new("RGBA", (4, 4), (9, 9, 9, alpha)) for alpha in (0, 255)]
    pictures[0].save(tmp_path / "a.png", save_all=True, append_images=pictures[1:], blend=0)
    assert levels_of(read_video(tmp_path / "a.png", (4, 4), 3, 0)[0]) == [255, 9]


def test_a_still_picture_is_one_frame(tmp_path):
    Image.fromarray(np.full((5, 5), 0x4000, np.uint16)).save(tmp_path / "deep.png")
    Image.new("L", (5, 5), 7).save(tmp_path / "x.jpg")
    assert media.kinds_of(tmp_path / "x.jpg") == ("image", "video")
    for name, level in (("deep.png", 0x40), ("x.jpg", 7)):
        video = read_video(tmp_path / name, (5, 5), 1, 16)[0]
        assert video.shape == (1, 5, 5, 1) and levels_of(video) == [level]


def test_arrays_of_frames(tmp_path):
    frames = np.arange(3 * 4 * 4 * 3, dtype=np.uint8).reshape(3, 4, 4, 3)
    np.save(tmp_path / "x.npy", frames)
    assert media.kinds_of(tmp_path / "x.npy") == ("video", )
    assert (read_video(tmp_path / "x.npy", (4, 4), 3, 0)[0] == frames).all()
    assert (read_video(tmp_path / "x.npy", (4, 4), 3, 1)[0] == frames[1:2]).all()
    assert read_video(tmp_path / "x.npy", (2, 6), 1, 0)[0].shape == (3, 2, 6, 1)
    for array, why in ((frames.astype(np.float32), "frames holds float32, not uint8"),
                       (frames[0], "3 dimensions, not 1")):
        np.save(tmp_path / "x.npy", array)
        with pytest.raises(BadInput, match=why):
            media.kinds_of(tmp_path / "x.npy")


def test_what_is_broken_or_too_large(tmp_path):
    data = animation(tmp_path / "a.gif", size=(64, 64)).read_bytes()
    for broken in (b"", b"no video", data[:len(data) // 2]):
        with pytest.raises(BadInput, match="broken|cut off"):
            read_video(io.BytesIO(broken), (4, 4), 3, 0)
    with pytest.raises(BadInput, match="megapixels, above the limit"):
        read_video(tmp_path / "a.gif", (4, 4), 3, 0, media.ReadOptions(max_megapixels=0.004))
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        read_video(tmp_path / "none.gif", (4, 4), 3, 0)


def test_without_pyav_films_say_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x20ftypisom")
    assert media.kinds_of(tmp_path / "a.mp4") == ("video", )
    with pytest.raises(UserError, match="pip install av, or give frames as animated pictures or .npy"):
        read_video(tmp_path / "a.mp4", (4, 4), 3, 0)


@pytest.mark.parametrize("name, codec", [("a.mp4", "mpeg4"), ("a.avi", "mpeg4"), ("a.mkv", "mpeg4"),
                                         ("a.webm", "libvpx"), ("a.mov", "mpeg4")])
def test_films(tmp_path, name, codec):
    path = film(tmp_path / name, LEVELS * 10, codec)
    for source in (path, io.BytesIO(path.read_bytes())):
        video, doubt = read_video(source, (6, 8), 3, 0)
        assert video.shape == (50, 6, 8, 3) and doubt == "" and near(levels_of(video), LEVELS * 10)
    few = read_video(path, (6, 8), 1, 10)[0]
    assert near(levels_of(few), [(LEVELS * 10)[place] for place in kept(50, 10)])
    with pytest.raises(BadInput, match="megapixels, above the limit"):
        read_video(path, (6, 8), 3, 0, media.ReadOptions(max_megapixels=0.003))


def test_broken_films(tmp_path):
    data = film(tmp_path / "a.mkv", LEVELS * 10).read_bytes()
    (tmp_path / "a.mp4").write_bytes(b"no film")
    for source in (tmp_path / "a.mp4", io.BytesIO(data[:40])):
        with pytest.raises(BadInput, match="broken video, or of a format that FFmpeg does not read"):
            read_video(source, (6, 8), 3, 0)


def test_a_folder_of_animations(run, tmp_path):
    for class_name in "abc":
        for sample in range(3):
            animation(tmp_path / f"in/{class_name}/{sample}.gif")
            (tmp_path / f"in/{class_name}/{sample}.txt").write_text(class_name)
    Image.new("RGB", (6, 8), (50, ) * 3).save(tmp_path / "in/a/9.gif")
    (tmp_path / "in/a/bad.gif").write_bytes((tmp_path / "in/a/0.gif").read_bytes()[:-30])
    code, text, err = run("folder", tmp_path / "in", "--out", tmp_path / "out", "--size", "6", "--frames", "3",
                          "--all-test", "--shards", "1", "--sheet", tmp_path / "sheet.png")
    assert code == 0, err
    assert "10 of 11 .gif files are animated: the others are videos of one frame" in text
    assert "bad [video]" in (tmp_path / "out/conversion.log").read_text()
    assert run("verify", tmp_path / "out", "--sheet", tmp_path / "again.png")[0] == 0
    (path, ) = (tmp_path / "out").glob("*.h5")
    with Shard(path) as shard:
        text, video = shard.modalities
        assert (video.name, video.kind, video.shape, video.most_frames) == ("video", "video", (6, 6, 3), 3)
        assert levels_of(shard.read(0, "video")) == [0, 120, 240]
        place = shard.sample_names.index("a/9")
        assert levels_of(shard.read(place, "video")) == [50] and shard.rows["text"][place] == -1


def test_endings_of_mostly_still_pictures_are_pictures(run, tmp_path):
    for class_name in "ab":
        for sample in range(3):
            Image.new("RGB", (6, 8), (sample, ) * 3).save(animation(tmp_path / f"in/{class_name}/x.png").parent /
                                                          f"{sample}.png")
            animation(tmp_path / f"in/{class_name}/{sample}.webp")
    code, text, err = run("folder", tmp_path / "in", "--out", tmp_path / "out", "--size", "6")
    assert code == 0, err
    assert "2 of 8 .png files are animated: their first pictures are taken" in text
    with Shard(next((tmp_path / "out").glob("*.h5"))) as shard:
        assert [modality.name for modality in shard.modalities] == ["image", "video"]


def test_statistics_are_of_all_frames_of_training_classes(run, tmp_path):
    for class_name, levels in (("a", [0, 200]), ("b", [50])):
        for sample in range(2):
            np.save(_folder(tmp_path / f"in/train/{class_name}") / f"{sample}.npy",
                    np.stack([np.full((4, 4, 3), level, np.uint8) for level in levels]))
            np.save(_folder(tmp_path / "in/test/c") / f"{sample}.npy", np.full((2, 4, 4, 3), 255, np.uint8))
    assert run("folder", tmp_path / "in", "--out", tmp_path / "out", "--size", "4")[0] == 0
    with Shard(next((tmp_path / "out").glob("*.h5"))) as shard:
        (video, ) = shard.modalities
    levels = np.array([0, 200, 50]) / 255
    assert np.allclose(video.mean, levels.mean()) and np.allclose(video.stddev, levels.std())


def _folder(path):
    path.mkdir(parents=True, exist_ok=True)
    return path


def test_pack_keeps_as_many_frames_as_the_data_set(run, tmp_path):
    for class_name in "ab":
        for sample in range(2):
            animation(tmp_path / f"in/{class_name}/{sample}.gif")
    assert run("folder", tmp_path / "in", "--out", tmp_path / "out", "--size", "6", "--frames", "2")[0] == 0
    like = next((tmp_path / "out").glob("*.h5"))
    Image.new("RGB", (9, 9), (77, ) * 3).save(tmp_path / "still.png")
    code, _, err = run("pack", tmp_path / "in/a/0.gif", tmp_path / "still.png", "--like", like, "--out",
                       tmp_path / "few.h5")
    assert code == 0, err
    with Shard(tmp_path / "few.h5") as shard:
        assert shard.modalities[0].most_frames == 2
        assert [levels_of(shard.read(row, "video")) for row in (0, 1)] == [[60, 180], [77]]


def test_an_animation_is_a_picture_for_a_model_of_pictures(run, tree, tmp_path):
    assert run("folder", tree, "--out", tmp_path / "out", "--size", "6")[0] == 0
    like = next((tmp_path / "out").glob("*.h5"))
    (tmp_path / "a.mp4").write_bytes(b"")
    code, _, err = run("pack", animation(tmp_path / "a.gif", (90, 10)), tmp_path / "a.mp4", "--like", like, "--out",
                       tmp_path / "few.h5")
    assert code == 0 and "a.mp4: the model has no sense for videos" in err
    with Shard(tmp_path / "few.h5") as shard:
        assert shard.read(0, "image").mean() == 90


def test_a_column_of_a_table(run, tmp_path):
    rows = ["clip,label"]
    for index in range(12):
        animation(tmp_path / f"{index}.gif", [index, index + 1])
        rows.append(f"{index}.gif,{'abc'[index % 3]}")
    (tmp_path / "t.csv").write_text("\n".join(rows))
    code, _, err = run("frame", tmp_path / "t.csv", "--out", tmp_path / "out", "--class", "label", "--type",
                       "clip=video", "--size", "4", "--shards", "1")
    assert code == 0, err
    path = next((tmp_path / "out").glob("*.h5"))
    with Shard(path) as shard:
        (video, ) = shard.modalities
        assert (video.kind, video.columns, video.most_frames) == (names.KIND_VIDEO, ("clip", ), media.FRAMES)
        assert levels_of(shard.read(shard.sample_names.index("line 5"), "video")) == [3, 4]
    for table in ("t.csv", "u.csv"):  # the column by its name, or by what it holds
        (tmp_path / table).write_text((tmp_path / "t.csv").read_text().replace("clip", "clip"[:4 if table == "t.csv"
                                                                                             else 1]))
        code, _, err = run("pack", tmp_path / table, "--like", path, "--out", tmp_path / "few.h5")
        assert code == 0, err
        with Shard(tmp_path / "few.h5") as shard:
            assert levels_of(shard.read(3, "video")) == [3, 4]


def test_arrays_of_frames_in_a_table(run, tmp_path):
    for index in range(12):
        np.save(tmp_path / f"{index}.npy", np.full((2, 4, 4, 3), index, np.uint8))
    rows = [f"{index}.npy,{'abc'[index % 3]}" for index in range(12)]
    (tmp_path / "t.csv").write_text("\n".join(["clip,label", *rows]))
    words = ("frame", tmp_path / "t.csv", "--out", tmp_path / "out", "--class", "label", "--size", "4")
    code, _, err = run(*words)
    assert code == 2 and "frames of a video, which --type clip=video reads" in err
    assert run(*words, "--type", "clip=video")[0] == 0


def test_the_synthetic_video_differs_in_order_alone(run, tmp_path):
    for name, frames in (("with", "5"), ("without", "0")):
        assert run("make_synthetic", "--out", tmp_path / name, "--frames", frames, "--noise", "0", "--missing", "0",
                   "--shards", "1")[0] == 0
    with Shard(next((tmp_path / "with").glob("*.h5"))) as shard, \
            Shard(next((tmp_path / "without").glob("*.h5"))) as other:
        orders = {}
        for row, class_id in enumerate(shard.sample_class):
            for modality in other.modalities:
                assert (shard.read(row, modality.name) == other.read(row, modality.name)).all()
            spot = shard.read(row, "video").astype(float).sum(axis=3) - 90
            down, right = (np.tensordot(spot, np.indices(spot.shape[1:])[axis] - 7.5, 2) for axis in (0, 1))
            places = (np.round(np.arctan2(down, right) * 5 / (2 * np.pi)).astype(int) % 5).tolist()
            assert len(places) in (5, 10) and len(set(places)) == 5 and places == places[:5] * (len(places) // 5)
            turn = places.index(0)
            orders.setdefault(class_id, set()).add(tuple((places[:5] * 2)[turn:turn + 5]))
        assert all(len(found) == 1 for found in orders.values())
        (first, ), (second, ) = orders[0], orders[1]
        assert first == second[:1] + second[:0:-1]  # backwards
