import numpy as np
import pytest
import torch

from unidad.data.image_set import ImageSet, to_tensor, to_uint8
from unidad.errors import UserError


@pytest.fixture
def labelled(image_set):
    return ImageSet(image_set.images, {"age": np.arange(6, dtype=np.float32) / 10})


def test_a_file_holds_images_and_attributes_to_the_bit(labelled, tmp_path):
    labelled.save(tmp_path / "new" / "set.npz")
    loaded = ImageSet.load(tmp_path / "new" / "set.npz")
    assert len(loaded) == 6
    assert np.array_equal(loaded.images, labelled.images)
    assert list(loaded.attributes) == ["age"]
    assert loaded.attributes["age"].dtype == np.float32
    assert np.array_equal(loaded.attributes["age"], labelled.attributes["age"])


def test_captions_come_back_as_they_were(image_set, tmp_path):
    captions = ("a cat", "", "a café", "a dog " * 40, "a cat", "b")
    ImageSet(image_set.images, captions=captions).save(tmp_path / "set.npz")
    assert ImageSet.load(tmp_path / "set.npz").captions == captions
    with pytest.raises(ValueError, match="2 captions for 6 images"):
        ImageSet(image_set.images, captions=("a cat", "a dog"))


def test_a_crash_while_writing_leaves_the_former_file(labelled, tmp_path, monkeypatch):
    path = tmp_path / "set.npz"
    labelled.save(path)

    def crash(file, **arrays):
        file.write(b"PK half a file")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", crash)
    with pytest.raises(OSError, match="disk full"):
        ImageSet(labelled.images[:2]).save(path)
    assert len(ImageSet.load(path)) == 6


def broken(path, kind):
    images = np.zeros((2, 4, 4, 3), dtype=np.uint8)
    if kind == "text":
        path.write_text("not an archive")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "truncated":
        ImageSet(images).save(path)
        path.write_bytes(path.read_bytes()[:-30])
    elif kind == "pickled":
        np.savez(path, images=np.array([{"an": "object"}], dtype=object))
    elif kind == "other arrays":
        np.savez(path, features=images)
    elif kind == "float":
        np.savez(path, images=images.astype(np.float32))
    elif kind == "grey":
        np.savez(path, images=images[..., 0])
    elif kind == "a caption too few":
        np.savez(path, images=images, captions=np.array(["a cat"]))
    elif kind == "numbers for captions":
        np.savez(path, images=images, captions=np.arange(2))


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        ("missing", "no such image set; run `unidad prepare`"),
        ("text", "not an image set written by unidad"),
        ("empty", "not an image set written by unidad"),
        ("truncated", "not an image set written by unidad"),
        ("pickled", "not an image set written by unidad"),
        ("other arrays", "not an image set written by unidad"),
        ("float", r"must be uint8 \(N, H, W, 3\), found float32 \(2, 4, 4, 3\)"),
        ("grey", r"must be uint8 \(N, H, W, 3\), found uint8 \(2, 4, 4\)"),
        ("a caption too few", r"one text an image \(2\), found <U5 \(1,\)"),
        ("numbers for captions", r"one text an image \(2\), found int64 \(2,\)"),
    ],
)
def test_another_file_is_one_clear_line(tmp_path, kind, complaint):
    path = tmp_path / "set.npz"
    broken(path, kind)
    with pytest.raises(UserError, match=complaint) as error:
        ImageSet.load(path)
    assert str(error.value).startswith(str(path))
    assert len(str(error.value).splitlines()) == 1


def test_levels_become_minus_one_to_one_channels_first():
    images = np.array([[[[0, 51, 255], [102, 153, 204]]]], dtype=np.uint8)
    tensor = to_tensor(images)
    assert tensor.shape == (1, 3, 1, 2)
    assert tensor.dtype == torch.float32
    expected = torch.tensor([[-1.0, -0.2], [-0.6, 0.2], [1.0, 0.6]])
    assert torch.allclose(tensor[0, :, 0], expected, atol=1e-6)


def test_rounded_to_the_nearest_level_and_clipped():
    """(value + 1) * 127.5: 0.001 → 127.63 → 128, -0.006 → 126.7 → 127."""
    values = torch.tensor([-3.0, -1.0, -0.006, 0.001, 1.0, 3.0])
    images = to_uint8(values.reshape(1, 1, 1, 6).expand(1, 3, 1, 6))
    assert images.dtype == np.uint8
    assert images[0, 0, :, 0].tolist() == [0, 0, 127, 128, 255, 255]


def test_every_level_survives_the_way_there_and_back():
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    assert np.array_equal(to_uint8(to_tensor(images)), images)
