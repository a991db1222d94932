import numpy as np
import pytest
import torch

from unidad.errors import UserError
from unidad.synthetic.draws import splitmix64
from unidad.synthetic.faces import ATTRIBUTES, BABY_LIKE, DOMAINS, SUNGLASSES, SourceShares, render
from unidad.synthetic.faces.attributes import face_draws
from unidad.synthetic.shapes import Canvas, ellipse, rounded_box, segment

BABIES_ONLY = SourceShares(babies=0.5, sunglasses=0.0)


@pytest.fixture(scope="module")
def first_faces():
    """Sixty-four images of each domain."""
    return {domain: render(domain, 0, range(64)) for domain in DOMAINS}


def box_average(images, factor):
    count, size = len(images), images.shape[1] // factor
    return images.reshape(count, size, factor, size, factor, 3).astype(float).mean((2, 4))


@pytest.mark.parametrize("domain", DOMAINS)
def test_an_index_is_the_same_face_in_every_batch(domain, first_faces):
    alone = render(domain, 0, [37])
    shuffled = render(domain, 0, np.array([5, 63, 37, 2, 0, 11, 40]))
    np.testing.assert_array_equal(alone.images[0], first_faces[domain].images[37])
    np.testing.assert_array_equal(
        shuffled.images, first_faces[domain].images[[5, 63, 37, 2, 0, 11, 40]]
    )
    for name in ATTRIBUTES:
        assert alone.attributes[name][0] == first_faces[domain].attributes[name][37]


def test_number_of_threads_does_not_change_a_pixel(first_faces):
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        images = render("portraits", 0, range(64)).images
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(images, first_faces["portraits"].images)


def test_splitmix64_gives_the_published_sequence():
    # First outputs of the generator's reference implementation (Vigna) for seed 1234567.
    golden, start = np.uint64(0x9E3779B97F4A7C15), np.array([1234567], dtype=np.uint64)
    states = np.concatenate([start, start + golden, start + golden + golden])
    assert splitmix64(states).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_no_two_draws_coincide_between_domains_seeds_and_indices():
    draws = [
        face_draws(domain, seed, np.arange(50))("roll") for domain in DOMAINS for seed in range(6)
    ]
    assert len(np.unique(draws)) == len(DOMAINS) * 6 * 50


def test_draws_are_uniform_and_independent():
    draws = face_draws("faces", 0, np.arange(20_000))
    roll, yaw = draws("roll"), draws("yaw")
    assert roll.mean() == pytest.approx(0.5, abs=5 * 0.2887 / 20_000**0.5)
    assert roll.std() == pytest.approx(12**-0.5, abs=0.005)
    assert abs(np.corrcoef(roll, yaw)[0, 1]) < 5 / 20_000**0.5
    assert abs(np.corrcoef(roll[1:], roll[:-1])[0, 1]) < 5 / 20_000**0.5


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_attribute_is_there_and_in_range(domain, first_faces):
    images = first_faces[domain]
    assert tuple(images.attributes) == ATTRIBUTES
    assert images.images.shape == (64, 32, 32, 3)
    assert images.images.dtype == np.uint8
    for name, values in images.attributes.items():
        assert values.dtype == np.float32, name
        assert values.shape == (64,), name
        assert values.min() >= 0, name
        assert values.max() <= 1, name


def test_source_attributes_cover_their_range():
    attributes = render("faces", 1, range(400), 16).attributes
    for name in ("roll", "skin_tone", "eye_colour", "hair_length", "mouth_opening", "jaw"):
        assert attributes[name].min() < 0.15, name
        assert attributes[name].max() > 0.85, name


@pytest.mark.parametrize(("babies", "sunglasses"), [(0.05, 0.05), (0.2, 0.4), (0.0, 0.0)])
def test_shares_of_rare_source_modes(babies, sunglasses):
    count = 3000
    attributes = render("faces", 2, range(count), 16, SourceShares(babies, sunglasses)).attributes
    for found, share in (
        (attributes["babyness"] >= BABY_LIKE, babies),
        (attributes["glasses"] >= SUNGLASSES, sunglasses),
    ):
        assert abs(found.mean() - share) <= 4 * (share * (1 - share) / count) ** 0.5
    assert ((attributes["glasses"] == 0) | (attributes["glasses"] >= SUNGLASSES)).all()


def test_source_has_every_step_from_adult_to_baby_and_nothing_far():
    attributes = render("faces", 0, range(600), 16, BABIES_ONLY).attributes
    counts, _ = np.histogram(attributes["babyness"], bins=10, range=(0.15, 1))
    assert counts.min() > 20
    for name in ("paint", "fur_stripes", "fur_patches"):
        assert (attributes[name] == 0).all()


def test_domains_hold_what_their_name_says(first_faces):
    attributes = {domain: images.attributes for domain, images in first_faces.items()}
    assert (attributes["babies"]["babyness"] >= BABY_LIKE).all()
    assert (attributes["babies"]["glasses"] == 0).all()
    assert (attributes["sunglasses"]["glasses"] >= SUNGLASSES).all()
    assert (attributes["sunglasses"]["babyness"] < 0.2).all()
    assert (attributes["portraits"]["paint"] >= 0.5).all()
    assert (attributes["cats"]["hair_length"] == 0).all()
    assert attributes["cats"]["fur_stripes"].max() > 0.5
    assert attributes["cats"]["fur_patches"].max() > 0.5


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("resolution", [16, 32, 64])
def test_the_same_face_at_every_resolution(domain, resolution):
    fine = box_average(render(domain, 0, range(8), 128).images, 128 // resolution)
    coarse = render(domain, 0, range(8), resolution).images
    assert np.abs(fine - coarse).mean() < 4
    others = np.roll(coarse, 1, axis=0)
    assert np.abs(fine - others).mean() > 25


def test_edges_are_sharp_at_high_resolution():
    images = render("faces", 0, range(16), 128).images.astype(float).mean(-1)
    steps = np.abs(np.diff(images, axis=2)).max((1, 2))
    assert np.median(steps) > 80


def test_thin_lines_keep_their_weight():
    def ink(size):
        ticks = (torch.arange(size) + 0.5) * (2 / size) - 1
        canvas = Canvas(torch.zeros(1, 3, size, size), torch.full((1, 1, 1), 2 / size))
        x, y = ticks.view(1, 1, -1), ticks.view(1, -1, 1)
        canvas.stroke((y + 0 * x) - 0.1, 0.01, torch.ones(1, 3, 1, 1))
        return float(canvas.image.mean())

    # A band of width 0.02 across a picture of height 2 covers a hundredth of it.
    assert ink(32) == pytest.approx(0.01, rel=0.02)
    assert ink(256) == pytest.approx(0.01, rel=0.02)


def test_distances_of_shapes():
    x, y = torch.tensor([2.0, 0.0, 4.0]), torch.tensor([0.0, 1.0, 0.0])
    np.testing.assert_allclose(ellipse(x, y, 2.0, 1.0)[:2], [0, 0], atol=1e-6)
    # Circle of radius 2 at distance 4: (16/4 - 1) / (2 * 4 / 4) = 1.5, first order of 2.
    assert float(ellipse(x, y, 2.0, 2.0)[2]) == pytest.approx(1.5)
    box = rounded_box(torch.tensor([0.0, 5.0]), torch.tensor([0.0, 5.0]), *torch.tensor([2, 1, 0]))
    np.testing.assert_allclose(box, [-1, 5], atol=1e-6)
    line = segment(torch.tensor([1.0, 7.0]), torch.tensor([2.0, 4.0]), (0.0, 0.0), (4.0, 0.0))
    np.testing.assert_allclose(line, [2, 5], atol=1e-6)


def test_glasses_darken_the_eyes():
    with_glasses = render("faces", 4, range(200), 32, SourceShares(0, 1)).images.astype(float)
    without = render("faces", 4, range(200), 32, SourceShares(0, 0)).images.astype(float)
    change = (with_glasses - without).mean((0, 3))
    assert change[12:19, 8:24].mean() < -10
    assert np.abs(change[26:]).max() < 1
    assert np.abs(change[:5]).max() < 1


def test_portraits_are_brown_and_dark_at_the_corners(first_faces):
    images = first_faces["portraits"].images.astype(float)
    assert (images[..., 0] >= images[..., 2]).mean() > 0.99
    corners = images[:, [0, 0, -1, -1], [0, -1, 0, -1]].mean()
    assert corners < 0.6 * images[:, 10:22, 10:22].mean()


def eye_row(image_set, chosen):
    """Mean row of the whites of the eyes, bright and colourless, in the middle of the picture."""
    images = image_set.images[chosen, 8:24, 8:24].astype(float)
    white = np.clip(images.min(-1) - 0.75 * images.max(-1) - 20, 0, None).sum((0, 2))
    return float((white * np.arange(8, 24)).sum() / white.sum())


def test_babies_have_lower_eyes_than_adults():
    adults = render("faces", 5, range(400), 32, SourceShares(0, 0))
    mixed = render("faces", 5, range(400), 32, BABIES_ONLY)
    babies = mixed.attributes["babyness"] > BABY_LIKE
    assert eye_row(mixed, babies) > eye_row(adults, babies) + 0.4


def test_an_empty_list_of_indices_gives_an_empty_set():
    assert render("cats", 0, []).images.shape == (0, 32, 32, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dogs", 0, [0]), "domain 'dogs' is unknown; choose one of faces, babies"),
        (("faces", -1, [0]), "seed -1"),
        (("faces", 0, [-1]), "indices"),
        (("faces", 0, [0.5]), "indices"),
        (("faces", 0, [[0]]), "indices"),
        (("faces", 0, [0], 15), "resolution 15"),
        (("faces", 0, [0], 129), "resolution 129"),
        (("faces", 0, [0], 32.5), "resolution 32.5"),
        (("faces", 0, [0], 32, SourceShares(babies=0.6)), "share of babies is 0.6"),
        (("faces", 0, [0], 32, SourceShares(sunglasses=-0.1)), "share of sunglasses is -0.1"),
        (("faces", 0, [0], 32, SourceShares(babies=float("nan"))), "share of babies is nan"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments, message):
    with pytest.raises(UserError, match=message) as error:
        render(*arguments)
    assert "\n" not in str(error.value)
