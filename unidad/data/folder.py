"""A user's own folder of images, of any size and pixel format, as an image set."""

from __future__ import annotations

import hashlib
import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from unidad.config.images import Crop
from unidad.data.crop import has_bars, shown, square
from unidad.data.image_set import ImageSet
from unidad.errors import UserError, one_line

log = logging.getLogger(__name__)

# Named to Pillow, so that no other decoder (PostScript runs a program) is tried on a user's file.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
# HEIC and AVIF are not read, but named: a phone's photos must not be passed over in silence.
ENDINGS = {".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
ENDINGS |= {".ppm", ".pgm", ".heic", ".heif", ".avif"}
MAX_PIXELS = 89_478_485  # Pillow's own limit: a quarter of a gigabyte in RGB
ALIKE = 4
"""Mean difference of pixels, in grey levels, below which two pictures look the same."""
MOST_COMPARED = 100
"""Images of a folder; those of larger ones are not compared, nor searched for bars."""
VALUES_16_PER_8_BIT = 257  # 65535 / 255


def load_folder(
    folder: str | Path,
    resolution: int,
    limit: int | None = None,
    unique: bool = True,
    crop: Crop = "centre",
) -> tuple[ImageSet, list[str]]:
    """Decode, crop to a square and resize every image that lies directly in `folder`.

    Hidden files, subfolders and files without an image ending are passed over. An image smaller
    than `resolution` is enlarged, with a warning in the log.

    Args:
        folder: where the images lie; subfolders are not searched.
        resolution: height and width of the result, in pixels.
        limit: take the first so many alone; None takes all.
        unique: refuse images that are twice there; else each counts, with a warning in the log.
        crop: which square of an image that is none.

    Returns:
        The images, uint8 (N, resolution, resolution, 3) RGB without attributes, and their file
        names, both in natural order (2.png before 10.png).

    Raises:
        UserError: the folder is missing, is a file or has no image; an image cannot be decoded or
            is too large; two files have the same pixels (with `unique`). One line for each problem
            found.
    """
    if resolution < 1:
        raise UserError(f"resolution {resolution}: must be at least 1 pixel")
    paths = image_paths(folder)[:limit]
    images = np.empty((len(paths), resolution, resolution, 3), np.uint8)
    problems, same_pixels, barred = [], {}, []
    few = unique and len(paths) <= MOST_COMPARED
    for index, path in enumerate(tqdm(paths, desc="reading images", disable=None)):
        try:
            image = decode(path)
        except UserError as error:
            problems.append(str(error))
            continue
        same_pixels.setdefault(_pixel_hash(image), []).append(path.name)
        _warn_if_small(path, image, resolution)
        images[index] = square(image, resolution, crop)
        if few and crop != "smart" and has_bars(image):
            barred.append(path.name)
    duplicates = _duplicates(folder, same_pixels)
    if unique:
        problems += duplicates
    if problems:
        raise UserError("\n".join(problems))
    names = [path.name for path in paths]
    found = [*_look_alikes(folder, images, names), *_bars(folder, barred)] if few else []
    for line in found if unique else duplicates:
        log.warning(line)
    return ImageSet(images), names


def image_paths(folder: str | Path) -> list[Path]:
    """The files of `folder` that have an image ending and are not hidden, in natural order.

    Raises:
        UserError: the folder is missing, is a file, may not be read, or has no such file.
    """
    folder = Path(folder)
    try:
        entries = list(folder.iterdir())
    except FileNotFoundError:
        reason = "no such folder of images; check the path"
    except NotADirectoryError:
        reason = "a file, not a folder of images; name the folder it lies in"
    except OSError as error:
        reason = f"cannot be read ({error.strerror}); check its permissions"
    else:
        if paths := list(filter(_is_image, entries)):
            return sorted(paths, key=lambda path: natural_key(path.name))
        reason = "no images in this folder (subfolders are not searched); "
        reason += "put PNG or JPEG files into it"
    raise UserError(f"{printable(folder)}: {reason}")


def _is_image(path: Path) -> bool:
    hidden = path.name.startswith(".")
    return path.suffix.lower() in ENDINGS and not hidden and not path.is_dir()


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sort key that compares runs of digits as numbers and letters without case."""
    parts = re.split(r"(\d+)", name.casefold())
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], name


def decode(path: Path) -> Image.Image:
    """Read one file as 8-bit RGB at its full size, turned upright as its EXIF data say.

    Transparent pixels are laid over white, 16-bit values divided by 257, of an animation only the
    first frame is taken. Colour profiles are ignored.

    Raises:
        UserError: not an image of `FORMATS`, damaged, cut short, above `MAX_PIXELS`, or 32-bit.
    """
    try:
        if not path.is_file():
            raise UserError("not a file (a broken link?); take it out")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters raises; the rest is Pillow's small talk
            with Image.open(path, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise Image.DecompressionBombError
                return _to_rgb(ImageOps.exif_transpose(image))
    except UserError as error:
        reason = str(error)
    except UnidentifiedImageError:
        reason = f"not an image of a known format ({', '.join(FORMATS)}); convert it or take it out"
    except Image.DecompressionBombError:
        reason = f"more than {MAX_PIXELS / 1e6:.0f} million pixels; make it smaller or take it out"
    except Exception as error:  # Pillow's decoders raise a dozen types on damaged files
        detail = one_line(error) or type(error).__name__
        reason = f"cannot be decoded ({detail}); copy it again or take it out"
    raise UserError(f"{printable(path)}: {reason}")


def show_cuts(folder: str | Path, names: Sequence[str], side: int, crop: Crop) -> np.ndarray | None:
    """Images of a folder as they are, with what `crop` cuts off; None where nothing is.

    Returns:
        uint8 (N, side, side, 3), in the order of their file `names`.

    Raises:
        UserError: as for `load_folder`.
    """
    images = [decode(Path(folder) / name) for name in names]
    if all(image.width == image.height for image in images) and crop != "smart":
        return None
    return np.stack([shown(image, side, crop) for image in images])


def printable(path: str | Path) -> str:
    """The path as one line of text, escaped where a name has line breaks or undecodable bytes."""
    text = str(path)
    return text if text.isprintable() else repr(text)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any Pillow mode → RGB; raises UserError for values whose range is unknown."""
    if image.mode == "F" or image.mode.startswith("I"):
        return _from_16_bit(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _from_16_bit(image: Image.Image) -> Image.Image:
    """One channel of 0..65535 (mode I;16 or I) → RGB."""
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise UserError("32-bit pixels of unknown range; save it with 8 or 16 bits a channel")
    grey = np.rint(values / VALUES_16_PER_8_BIT).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


def _pixel_hash(image: Image.Image) -> bytes:
    return hashlib.sha256(f"{image.size}".encode() + image.tobytes()).digest()


def _duplicates(folder: str | Path, same_pixels: dict[bytes, list[str]]) -> list[str]:
    return [
        f"{printable(folder)}: {' and '.join(map(printable, names))} have the same pixels; "
        "keep one of them"
        for names in same_pixels.values()
        if len(names) > 1
    ]


def _look_alikes(folder: str | Path, images: np.ndarray, names: Sequence[str]) -> Iterator[str]:
    """A line for each two pictures that are one, in other formats or qualities."""
    levels = images.astype(np.int16)
    for one, other in combinations(range(len(images)), 2):
        if np.abs(levels[one] - levels[other]).mean() < ALIKE:
            yield (
                f"{printable(folder)}: {printable(names[one])} and {printable(names[other])} look "
                "the same, and would count twice; keep one of them"
            )


def _bars(folder: str | Path, names: Sequence[str]) -> Iterator[str]:
    """A line about the pictures with bars."""
    if names:
        yield (
            f"{printable(folder)}: bars of one colour at two sides of "
            f"{', '.join(map(printable, names))}; they would be learnt, "
            "crop: smart (--crop smart) takes them off"
        )


def _warn_if_small(path: Path, image: Image.Image, resolution: int) -> None:
    if min(image.size) < resolution:
        log.warning(
            f"{printable(path)}: only {image.width}×{image.height} pixels, "
            f"enlarged to {resolution}×{resolution}: it will look blurred"
        )
