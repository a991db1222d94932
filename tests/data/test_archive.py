"""Archives of images: honest ones, and those that lead astray, swell, or are broken."""

import gzip
import io
import stat
import tarfile
import zipfile

import pytest
from PIL import Image

from unidad.data import archive as archive_module
from unidad.data.archive import unpack_images
from unidad.errors import UserError

TAR_MODES = {"tar": "w", "tar.gz": "w:gz", "tar.bz2": "w:bz2", "tar.xz": "w:xz"}


def picture(level):
    file = io.BytesIO()
    Image.new("L", (8, 8), level).save(file, "PNG")
    return file.getvalue()


FILES = {
    "set/cats/1.png": picture(1),
    "set/cats/more/2.PNG": picture(2),
    "set/dogs/3.jpg": picture(3),
    "set/cats/.hidden.png": b"x",
    "__MACOSX/set/cats/1.png": b"x",
    "set/cats/list.txt": b"x",
}


def pack(path, files):
    """A zip or a tar archive, as its name says."""
    if path.name.endswith(".zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
            for name, content in files.items():
                target.writestr(name, content)
        return path
    with tarfile.open(path, TAR_MODES[path.name.split(".", 1)[1]]) as target:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            target.addfile(info, io.BytesIO(content))
    return path


def unpack(path, inside=""):
    return unpack_images(path, path.parent / "out", inside, progress=False)


def refusal(path, inside=""):
    """The one line of a refusal; nothing is left of the attempt."""
    before = sorted(path.parent.iterdir())
    with pytest.raises(UserError) as caught:
        unpack(path, inside)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{path}: ")
    assert sorted(path.parent.iterdir()) == before
    return line.removeprefix(f"{path}: ")


@pytest.mark.parametrize("ending", ["zip", *TAR_MODES])
def test_images_come_out_flat_with_their_bytes(ending, tmp_path):
    path = pack(tmp_path / f"a.{ending}", FILES)
    path = path.rename(tmp_path / "no-ending")  # told apart by content
    assert unpack(path) == 3
    written = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    assert written == {
        "set_cats_1.png": picture(1),
        "set_cats_more_2.PNG": picture(2),
        "set_dogs_3.jpg": picture(3),
    }


def test_one_folder_of_an_archive(tmp_path):
    path = pack(tmp_path / "a.zip", FILES)
    assert unpack(path, "set/cats/") == 2
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["1.png", "more_2.PNG"]
    assert "no images in 'cats' of it; there are images in set/cats, set/cats/more" in refusal(
        pack(tmp_path / "b.zip", FILES), "cats"
    )


@pytest.mark.parametrize(
    "name", ["../a.png", "a/../../b.png", "/etc/a.png", "..\\a.png", "C:a.png"]
)
@pytest.mark.parametrize("ending", ["zip", "tar"])
def test_entries_that_lead_out_are_refused(ending, name, tmp_path):
    path = pack(tmp_path / f"a.{ending}", {"good.png": picture(1), name: picture(2)})
    assert "leads out of it; it is not to be trusted" in refusal(path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(kind, tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as target:
        info = tarfile.TarInfo("a.png")
        info.type, info.linkname = kind, "/etc/passwd"
        target.addfile(info)
    assert refusal(tmp_path / "a.tar") == "'a.png' is a link or a device; pack it without"


def test_links_in_a_zip_are_refused(tmp_path):
    info = zipfile.ZipInfo("a.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as target:
        target.writestr(info, "/etc/passwd")
    assert "'a.png' is a link" in refusal(tmp_path / "a.zip")


@pytest.mark.parametrize("ending", ["zip", "tar.gz", "tar.xz"])
@pytest.mark.parametrize("name", ["a.png", "a.txt"])
def test_bombs_are_refused_whether_taken_or_passed_over(ending, name, tmp_path, monkeypatch):
    monkeypatch.setattr(archive_module, "SMALL", 2**16)
    path = pack(tmp_path / f"a.{ending}", {"good.png": picture(1), name: bytes(2**21)})
    assert path.stat().st_size < 2**21 / archive_module.MAX_RATIO
    assert "too much for its size" in refusal(path)


def test_a_modest_size_is_taken_at_any_ratio(tmp_path):
    path = pack(tmp_path / "a.zip", {"good.png": picture(1), "a.bmp": bytes(2**21)})
    assert path.stat().st_size < 2**21 / archive_module.MAX_RATIO
    assert unpack(path) == 2


def test_a_header_is_not_read_into_memory_whatever_its_length(tmp_path):
    """tarfile would read this long name, 32 MB of it, before anything else is known."""
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 2**25
    (tmp_path / "a.tar").write_bytes(header.tobuf() + bytes(2**12))
    assert "too much for its size" in refusal(tmp_path / "a.tar")


def test_headers_count_too(tmp_path, monkeypatch):
    """A thousand long names in a row, none followed by a file."""
    monkeypatch.setattr(archive_module, "SMALL", 2**16)
    monkeypatch.setattr(archive_module, "MAX_READ", 2**14)
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 2**12
    block = header.tobuf() + b"a" * 2**12
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(block * 100))
    assert "too much for its size" in refusal(tmp_path / "a.tar.gz")


def test_a_size_that_is_only_claimed_is_refused(tmp_path):
    header = tarfile.TarInfo("a.png")
    header.size = 2**33
    (tmp_path / "a.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(2**12))
    assert "too much for its size" in refusal(tmp_path / "a.tar")


def test_the_number_of_entries_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_module, "MAX_ENTRIES", 3)
    files = {f"{i}.png": picture(i) for i in range(4)}
    assert "more than 67.1MB or 3 entries" in refusal(pack(tmp_path / "a.zip", files))
    del files["0.png"]
    assert unpack(pack(tmp_path / "b.zip", files)) == 3


def test_two_images_of_one_name(tmp_path):
    path = pack(tmp_path / "a.zip", {"a/b.png": picture(1), "a_b.png": picture(2)})
    assert "a/b.png and a_b.png would have one name" in refusal(path)


@pytest.mark.parametrize("ending", ["zip", *TAR_MODES])
def test_what_is_cut_short_is_refused(ending, tmp_path):
    files = {f"{i}.png": picture(i) * 20 for i in range(9)}
    path = pack(tmp_path / f"a.{ending}", files)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    assert "damaged, or no archive that is known here" in refusal(path)


def test_a_byte_that_changed_is_noticed(tmp_path):
    path = pack(tmp_path / "a.zip", {"a.png": picture(1)})
    content = bytearray(path.read_bytes())
    content[60] ^= 0xFF
    path.write_bytes(content)
    assert "damaged" in refusal(path)


@pytest.mark.parametrize("content", [b"", b"<html>Sign in</html>", b"PK", b"BZh9", bytes(10240)])
def test_what_is_no_archive(content, tmp_path):
    (tmp_path / "a.zip").write_bytes(content)
    line = refusal(tmp_path / "a.zip")
    assert ("no images in" if content == bytes(10240) else "no archive that is known") in line


def test_encrypted_and_absent_archives(tmp_path):
    path = pack(tmp_path / "a.zip", {"a.png": picture(1)})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)
    assert "encrypted" in refusal(path)
    assert refusal(tmp_path / "b.zip") == "no such archive; check the path"


def test_an_earlier_folder_stays_when_the_archive_is_bad(tmp_path):
    unpack(pack(tmp_path / "a.zip", {"1.png": picture(1)}))
    bad = pack(tmp_path / "b.zip", {"1.png": picture(2), "../2.png": picture(2)})
    with pytest.raises(UserError):
        unpack(bad)
    assert (tmp_path / "out/1.png").read_bytes() == picture(1)
