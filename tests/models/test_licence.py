import json

import pytest

from unidad.models.licence import licence_of, licences_of_bases


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if isinstance(text, str) else json.dumps(text))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"README.md": "---\nlicense: mit\n---\n# A model\n"}, "mit"),
        ({"README.md": "---\nlicense: [mit, cc-by-4.0]\n---\n"}, "mit, cc-by-4.0"),
        ({"README.md": "---\nlicense: other\nlicense_name: open-rail\n---\n"}, "open-rail"),
        ({"README.md": "# Ours\n\n- seed: 0\n- licence: Apache-2.0\n"}, "Apache-2.0"),
        ({"README.md": "---\n: : {\n---\n", "LICENSE": "\n  MIT License\n\nText"}, "MIT License"),
        ({"LICENSE.md": "# CreativeML Open RAIL-M\n"}, "CreativeML Open RAIL-M"),
        ({"README.md": "# A model\n", "licensed.txt": "no"}, None),
        ({}, None),
    ],
)
def test_a_folder_s_card_or_file_tells_its_licence(tmp_path, files, expected):
    for name, text in files.items():
        write(tmp_path / name, text)
    assert licence_of(tmp_path) == expected


def test_bases_are_found_through_other_runs_and_models(tmp_path):
    """A student of a shipped one, taught by a run that started from a folder of one's own."""
    root = tmp_path / "results" / "mine"
    write(tmp_path / "given" / "ffhq" / "README.md", "- licence: CC BY 4.0\n")
    write(root / "specs/models/source_teacher.json", {"origin": "given/ffhq"})
    student = {"origin": "shipped:synthetic-faces-student"}
    write(root / "specs/models/source_student.json", student)
    ft = {"student": "results/mine/models/source_teacher", "teacher": None}
    write(root / "specs/runs/cats/shots10/ft/seed0.json", ft)
    both = {
        "student": "results/mine/models/source_student",
        "teacher": "results/mine/runs/cats/shots10/ft/seed0/model",
        "target_teacher": "results/mine/runs/cats/shots10/ft/seed0/model",
    }
    write(root / "specs/runs/cats/shots10/both/seed0.json", both)
    assert licences_of_bases(root / "runs/cats/shots10/both/seed0") == {
        "shipped:synthetic-faces-student": "Apache-2.0",
        "ffhq": "CC BY 4.0",
    }


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("given", "unknown; neither its card nor a file beside it tells"),
        ("given/ffhq.pt", "unknown; a file of weights tells none"),
        ("gone", "unknown; it is no longer where it was"),
    ],
)
def test_an_unknown_licence_is_said_to_be(tmp_path, origin, expected):
    root = tmp_path / "results" / "mine"
    write(tmp_path / "given" / "ffhq.pt", "")
    write(root / "specs/models/source_teacher.json", {"origin": origin})
    write(root / "specs/runs/a/seed0.json", {"student": "results/mine/models/source_teacher"})
    assert list(licences_of_bases(root / "runs/a/seed0").values()) == [expected]


def test_what_was_trained_from_nothing_has_no_base(tmp_path):
    root = tmp_path / "results" / "mine"
    write(root / "specs/runs/source_teacher.json", {"student": None})
    write(root / "specs/runs/a/seed0.json", {"student": "results/mine/models/source_teacher"})
    assert licences_of_bases(root / "runs/a/seed0") == {}
    assert licences_of_bases(tmp_path / "elsewhere") is None
