"""cub on a miniature: eight species, four pictures each."""

import numpy as np
import pytest
from layouts import converted, is_of, refused, save_picture
from PIL import Image

SPECIES = [f"{number:03d}.Bird_{number}" for number in range(1, 9)]
ATTRIBUTES = ["has_bill_shape::dagger", "has_size::small (5 - 9 in)", "has_wing_color::blue"]
FEW_SHOT = ["train", "validation", "train", "test"] * 2


def pictures():
    """(number, species' place, name) of each."""
    return [(4 * place + index + 1, place, f"{species}/{species[4:]}_{index}.jpg")
            for place, species in enumerate(SPECIES) for index in range(4)]


def colour(number):
    return 7 * number, 200 - 5 * number, 60


def attribute_of(number, attribute):
    return (number + attribute) % 2


@pytest.fixture
def birds(tmp_path):
    """A white frame around a coloured box; picture 1 lacks its file, 2 its captions."""
    root = tmp_path / "CUB_200_2011"
    (root / "attributes").mkdir(parents=True)
    lines = {name: [] for name in ("images", "image_class_labels", "train_test_split", "bounding_boxes")}
    labels = []
    for number, place, name in pictures():
        lines["images"].append(f"{number} {name}")
        lines["image_class_labels"].append(f"{number} {place + 1}")
        lines["train_test_split"].append(f"{number} {int(number % 4 > 1)}")
        lines["bounding_boxes"].append(f"{number} 8.0 4.0 16.0 20.0")
        for attribute in range(3):
            # Some lines of the published file have a field too many in front of the seconds.
            extra = " 0" if (number + attribute) % 5 == 0 else ""
            labels.append(f"{number} {attribute + 1} {attribute_of(number, attribute)} {1 + (number + attribute) % 4}"
                          f"{extra} 1.509")
        if number != 1:
            path = root / "images" / name
            save_picture(path, "white", (32, 32))
            with Image.open(path) as picture:
                picture.paste(colour(number), (8, 4, 24, 24))
                picture.save(path, quality=100, subsampling=0)
        if number != 2:
            text = tmp_path / "text_c10" / name.replace(".jpg", ".txt")
            text.parent.mkdir(parents=True, exist_ok=True)
            text.write_text("".join(f"caption {line} of {number}\n" for line in range(10)))
    for name, own in lines.items():
        (root / f"{name}.txt").write_text("\n".join(own) + "\n")
    (root / "classes.txt").write_text("".join(f"{place + 1} {name}\n" for place, name in enumerate(SPECIES)))
    (root / "attributes/image_attribute_labels.txt").write_text("\n".join(labels) + "\n")
    (tmp_path / "attributes.txt").write_text("".join(f"{place + 1} {name}\n" for place, name in enumerate(ATTRIBUTES)))
    return root


@pytest.mark.parametrize("parent", [False, True])
def test_birds(run, birds, tmp_path, parent):
    samples, _ = converted(run, "cub", birds.parent if parent else birds, tmp_path / "out", "--size", "32")
    assert len(samples) == 32
    for number, place, name in pictures():
        sample = samples[name]
        assert (sample.class_name, sample.split, sample.group) == (SPECIES[place], FEW_SHOT[place], "all")
        assert ("image" in sample.values) == (number != 1) and ("text" in sample.values) == (number != 2)
        np.testing.assert_array_equal(sample.values["attributes"], [attribute_of(number, a) for a in range(3)])
        if number != 1:
            image = sample.values["image"]
            assert is_of(image[8:20, 10:22], colour(number)) and image[:2].min() > 240
        if number != 2:
            assert sample.values["text"] == "\n".join(f"caption {line} of {number}" for line in range(10))


def test_boxes_first_captions_and_holes(run, birds, tmp_path):
    path = birds / "bounding_boxes.txt"
    path.write_text(path.read_text().replace("\n5 8.0 4.0", "\n5 80.0 4.0").replace("\n6 8.0 4.0 16.0 20.0", ""))
    samples, text = converted(run, "cub", birds, tmp_path / "out", "--crop", "--captions", "first", "--holes", "--gray")
    assert "outside of the picture" in text and "broken bounding box" in text
    for number, _, name in pictures():
        values = samples[name].values
        assert ("image" in values) == (number not in (1, 5, 6))
        if "image" in values:
            assert np.ptp(values["image"].astype(int)) <= 3 and values["image"].shape == (84, 84, 1)
        assert values.get("text") == (None if number == 2 else f"caption 0 of {number}")
        np.testing.assert_array_equal(values["attributes"], [
            np.nan if (number + a) % 4 == 0 else attribute_of(number, a) for a in range(3)])


def test_published_split(run, birds, tmp_path):
    samples, _ = converted(run, "cub", birds, tmp_path / "out", "--published")
    for number, place, name in pictures():
        split = "train" if number % 4 > 1 else "test"
        assert (samples[name].split, samples[name].class_name) == (split, f"{split}/{SPECIES[place]}")


def test_without_attributes_and_captions(run, birds, tmp_path):
    (birds.parent / "attributes.txt").unlink()
    (birds.parent / "text_c10").rename(birds / "text_c10")
    samples, _ = converted(run, "cub", birds, tmp_path / "out")
    assert {tuple(sorted(sample.values)) for sample in samples.values()} == {("image",), ("text",), ("image", "text")}


def test_damaged_tables(run, birds, tmp_path):
    def damage(name, old, new):
        text = (birds / name).read_text()
        assert old in text
        (birds / name).write_text(text.replace(old, new, 1))

    damage("images.txt", "3 001.", "3\nx 001.")
    damage("image_class_labels.txt", "\n7 2", "\n7 99")
    damage("attributes/image_attribute_labels.txt", "\n8 1 0", "\n8 1 2")
    samples, text = converted(run, "cub", birds, tmp_path / "out")
    assert len(samples) == 30 and "e.g. images.txt:3" in text and "has no species" in text
    assert "left out: 1 x lines that are not IMAGE" in text and "picture 8: lacks some of its 3 attributes" in text
    eighth = next(name for number, _, name in pictures() if number == 8)
    assert "attributes" not in samples[eighth].values


def test_what_is_no_layout(run, tmp_path):
    assert "no images.txt" in refused(run, "cub", tmp_path, tmp_path / "out")
    (tmp_path / "images.txt").write_text("1 a/b.jpg\n")
    assert "--help" in refused(run, "cub", tmp_path, tmp_path / "out")
