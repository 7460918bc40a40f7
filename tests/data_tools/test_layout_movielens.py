"""movielens on miniatures of its layouts: ratings, what describes films and users, what does not fit."""

import math

import pytest
from cuttle_data.files import shard_paths
from cuttle_data.layouts.movielens import GENRES
from cuttle_data.reader import Shard
from layouts import converted, refused

USERS = {"1": ("24", "M", "technician"), "2": ("53", "F", "other"), "3": ("23", "M", "writer")}
FILMS = {"1": ("Toy Story (1995)", 1995, {"Animation", "Comedy"}),
         "2": ("Misérables, Les (1995)", 1995, {"Drama"}),
         "3": ("unknown", None, {"unknown"}),
         "4": ("Twelve Monkeys: a, b (a.k.a. 12:30) (1996)", 1996, set())}
RATINGS = [("1", "1", "5"), ("1", "2", "3"), ("2", "1", "4"), ("2", "3", "2"), ("3", "4", "1"), ("3", "2", "3"),
           ("3", "1", "5")]
ALONE = ("--splits", "1,0,0")


def write(path, lines, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(line + "\n" for line in lines).encode(encoding))


def of_100k(root):
    write(root / "u.data", ["\t".join((*rating, "874965758")) for rating in RATINGS])
    flags = {name: "|".join(str(int(genre in genres)) for genre in GENRES) for name, (_, _, genres) in FILMS.items()}
    write(root / "u.item", [f"{name}|{title}|{f'01-Jan-{year}' if year else ''}||http://x?a|{flags[name]}"
                            for name, (title, year, _) in FILMS.items()], "latin-1")
    write(root / "u.user", [f"{name}|{'|'.join(user)}|85711" for name, user in USERS.items()])


def of_1m(root):
    write(root / "ratings.dat", ["::".join((*rating, "978300760")) for rating in RATINGS])
    write(root / "movies.dat", [f"{name}::{title}::{'|'.join(sorted(genres))}"
                                for name, (title, _, genres) in FILMS.items()], "latin-1")
    write(root / "users.dat", [f"{name}::{gender}::{age}::{work}::4806-7"
                               for name, (age, gender, work) in USERS.items()])


def of_latest(root):
    write(root / "ratings.csv", ["userId,movieId,rating,timestamp", *[",".join((*r, "964982703")) for r in RATINGS]])
    write(root / "movies.csv", ["movieId,title,genres"] + [
        f"{name},\"{title} \",{'|'.join(sorted(genres)) or '(no genres listed)'}"
        for name, (title, _, genres) in FILMS.items()])


LAYOUTS = {"ml-100k": of_100k, "ml-1m": of_1m, "ml-latest-small": of_latest}


def columns(out):
    with Shard(shard_paths([out])[0]) as shard:
        return next(m.columns for m in shard.modalities if m.name == "vector")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_rating_has_its_film_and_its_user(run, tmp_path, layout):
    LAYOUTS[layout](tmp_path / layout)
    samples, text = converted(run, "movielens", tmp_path / layout, tmp_path / "out", *ALONE)
    assert len(samples) == len(RATINGS) and "skipped" not in text and "left out" not in text
    names = columns(tmp_path / "out")
    assert ("occupation=writer" in names) == (layout != "ml-latest-small") and "genre=Western" not in names
    for user, film, rating in RATINGS:
        sample = samples[f"{user}/{film}"]
        title, year, genres = FILMS[film]
        assert (sample.class_name, sample.targets) == (user, {"rating": float(rating)})
        assert sample.values["text"] == title
        numbers = dict(zip(names, sample.values["vector"].tolist()))
        assert numbers["year"] == year if year else math.isnan(numbers["year"])
        assert {name[6:] for name in names if name.startswith("genre=") and numbers[name]} == genres
        if layout != "ml-latest-small":
            age, gender, work = USERS[user]
            assert numbers["age"] == float(age)
            assert [numbers[f"gender={sex}"] for sex in "MF"] == [gender == "M", gender == "F"]
            assert [name for name in names if name.startswith("occupation=") and numbers[name]] == [
                f"occupation={work}"]


def test_a_class_may_be_a_film(run, tmp_path):
    of_100k(tmp_path / "in")
    samples, text = converted(run, "movielens", tmp_path / "in", tmp_path / "out", "--class", "item", *ALONE)
    assert {name: s.class_name for name, s in samples.items()} == {
        f"{user}/{film}": film for user, film, _ in RATINGS if film in "12"}
    assert "class with fewer than 2 usable samples" in text


def test_what_is_not_described_or_broken(run, tmp_path):
    of_1m(tmp_path / "in")
    with open(tmp_path / "in/ratings.dat", "a", encoding="latin-1") as file:
        file.write("\xff\n2::99::4::1\n9::1::2::1\n9::2::1::1\n1::4::good::1\n1::3\n\n")
    with open(tmp_path / "in/movies.dat", "a") as file:
        file.write("77\n")
    samples, text = converted(run, "movielens", tmp_path / "in", tmp_path / "out", *ALONE)
    assert len(samples) == len(RATINGS) + 3 and samples["2/99"].values.keys() == {"vector"}
    numbers = [dict(zip(columns(tmp_path / "out"), samples[name].values["vector"])) for name in ("2/99", "9/1")]
    assert math.isnan(numbers[0]["genre=Drama"]) and numbers[0]["age"] == 53
    assert math.isnan(numbers[1]["age"]) and numbers[1]["genre=Comedy"] == 1 and numbers[1]["gender=M"] == 0
    for said in ("1 films of ratings are not described, such as 99", "1 users of ratings are not described",
                 "2 x rating without its four cells", "column rating holds 'good'", "movies.dat: row 5: 1 cells"):
        assert said in text, text


def test_refusals(run, tmp_path):
    out = tmp_path / "out"
    assert "no such folder" in refused(run, "movielens", tmp_path / "no", out)
    (tmp_path / "in").mkdir()
    assert "none of u.data, ratings.dat, ratings.csv" in refused(run, "movielens", tmp_path / "in", out)
    of_100k(tmp_path / "in")
    (tmp_path / "in/u.item").unlink()
    assert "u.item: no such file" in refused(run, "movielens", tmp_path / "in", out)
    of_100k(tmp_path / "in")
    (tmp_path / "in/u.data").write_bytes(b"")
    assert "not the ratings of MovieLens" in refused(run, "movielens", tmp_path / "in", out)
