"""Folders of flat images, and the hashes of what lies in a folder."""

import hashlib

from PIL import Image


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def own_images(folder, count, first_level=0):
    """Flat grey images 0.png, 1.png, ... of distinct levels."""
    folder.mkdir()
    for i in range(count):
        Image.new("L", (20, 20), first_level + 10 * i).save(folder / f"{i}.png")
    return folder
