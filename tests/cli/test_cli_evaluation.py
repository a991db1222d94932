"""Mistakes with features and with row specifications."""

from pathlib import Path

from unidad.files import write_json


def test_mistakes_with_features(image_set, feature_network, complains):
    image_set.save("images.npz")
    Path("text.npz").write_text("not an archive")
    image_file = ("features", "images.npz", "--out", "f.npz", "--network")
    complains((*image_file, "no"), "no/config.json: no such file")
    features = ("features", "--network", feature_network, "--out", "f.npz")
    complains((*features, "text.npz"), "text.npz: not an image set")
    complains((*features, "no.npz"), "no.npz: no such image set")
    complains(("place", "no", "--out", "n"), "no: no such folder of a model or a network")
    complains(("fitness", "--network", "no", "--out", "n"), "no/config.json: no such file")
    complains(("train-features", "--updates", 0, "--out", "n"), "options: updates: ", "equal to 1")
    complains(("scene-fitness", "--network", "no", "--out", "n"), "no/config.json: no such file")
    scenes = ("train-scene-features", "--out", "n", "--quiet")
    complains((*scenes, "--updates", 0), "options: updates: ", "equal to 1, found 0")
    complains((*scenes, "--resolution", 20), "resolution 20 is not a multiple of 16")
    complains((*scenes, "--seed", -1), "options: seed: ", "equal to 0, found -1")
    (feature_network / "model.safetensors").unlink()
    complains((*features, "images.npz"), "model.safetensors: no such file")


def test_mistakes_in_a_row_specification(complains, feature_network, image_set):
    image_set.save("images.npz")
    evaluate = ("evaluate", "row.json", "--out", "m.json", "--quiet")
    complains(evaluate, "row.json: no such file")
    Path("row.json").write_text("[1, 2]")
    complains(evaluate, "row.json: expected a mapping of keys, found list")
    row = {"task": "generation", "trajectory": None, "networks": [str(feature_network)]}
    write_json(Path("row.json"), row)
    complains(evaluate, "row specification: key 'images' is missing")
    complains((*evaluate, "--snapshots"), "row specification: key 'snapshots' is missing")
    write_json(Path("row.json"), row | {"snapshots": None})
    complains((*evaluate, "--snapshots"), "keeps no snapshots; set training.snapshots")


def test_mistakes_in_measuring_a_subject(complains, image_set):
    image_set.save("images.npz")
    features = ("features", "images.npz", "--network", "c", "--out", "f.npz")
    complains(features, "c/config.json: no such file; the folder of a feature network has it")
    write_json(Path("typo.json"), {"prompt": ["a cat"]})
    complains((*features, "--settings", "typo.json"), "typo.json, line 2: prompt: unknown key")
