from __future__ import annotations

import time
import timeit

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torchvision.transforms import functional as reference

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.images.augment import STEPS, Augmentation, CentreCrop

RANDOM = {
    "strong": {"operations": 4},
    "random-resized-crop": {"scale": [0.2, 0.8]},
    "crop": {"sides": [0.4, 0.7]},
    "flip": {"p": 0.5, "vertical": 0.5},
    "affine": {"degrees": 30, "translate": 0.1, "scale": [0.8, 1.2], "shear": 0.2},
    "colour-jitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1},
    "grayscale": {"p": 0.5},
    "gaussian-blur": {"sigma": [0.3, 2.0], "p": 1.0},
    "gaussian-noise": {"sigma": 0.1},
    "solarise": {"p": 0.5},
    "cutout": {"maximum": 16},
}
IDENTITY = {
    "strong": {"operations": 0},
    "random-resized-crop": {"scale": [1, 1], "ratio": [1, 1]},
    "crop": {"sides": [1]},
    "flip": {"p": 0.0},
    "affine": {},
    "colour-jitter": {},
    "grayscale": {"p": 0.0},
    "gaussian-blur": {"p": 0.0},
    "gaussian-noise": {"sigma": 0.0},
    "solarise": {"p": 0.0},
    "cutout": {"maximum": 1},
}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def image(channels: int = 3, side: int = 16) -> torch.Tensor:
    return torch.rand(channels, side, side, generator=generator(99))


def apply_one(name: str, parameters: list[float], images: torch.Tensor, **options: object) -> torch.Tensor:
    """One step with given parameters in place of drawn ones."""
    drawn = torch.tensor([parameters]).expand(len(images), -1)
    return Augmentation([{"name": name, **options}]).apply(images, (drawn,))


def test_every_step_is_covered_here():
    assert RANDOM.keys() == IDENTITY.keys() == STEPS.keys()


@pytest.mark.parametrize(
    ("name", "channels"),
    [(name, channels) for name in STEPS for channels in (1, 3) if (name, channels) != ("grayscale", 1)],
)
def test_copies_of_one_image_in_a_batch_are_changed_differently(name, channels):
    batch = image(channels).expand(8, -1, -1, -1)
    changed = Augmentation([{"name": name, **RANDOM[name]}])(batch, generator())
    assert changed.shape == batch.shape
    assert len({each.numpy().tobytes() for each in changed}) > 1
    assert changed.min() >= 0
    assert changed.max() <= 1 + 1e-6


@pytest.mark.parametrize("name", STEPS)
def test_identity_parameters_give_the_image_back(name):
    batch = torch.stack([image(), 1 - image()])
    same = Augmentation([{"name": name, **IDENTITY[name]}])(batch, generator())
    torch.testing.assert_close(same, batch, atol=2e-6, rtol=0)


def test_the_generator_decides_everything():
    augmentation = Augmentation([{"name": name, **options} for name, options in RANDOM.items()])
    batch = image().expand(4, -1, -1, -1)
    assert torch.equal(augmentation(batch, generator(1)), augmentation(batch, generator(1)))
    assert not torch.equal(augmentation(batch, generator(1)), augmentation(batch, generator(2)))


def test_parts_of_a_batch_with_parts_of_the_draws_equal_the_whole():
    augmentation = Augmentation([{"name": name, **options} for name, options in RANDOM.items()])
    batch = torch.rand(5, 3, 16, 16, generator=generator())
    draws = augmentation.draw(5, (3, 16, 16), generator(1))
    whole = augmentation.apply(batch, draws)
    parts = [
        augmentation.apply(batch[part], tuple(d[part] for d in draws)) for part in (slice(2), slice(2, 5))
    ]
    torch.testing.assert_close(torch.cat(parts), whole, atol=1e-6, rtol=0)


def test_flip_mirrors():
    batch = image()[None]
    torch.testing.assert_close(apply_one("flip", [-1, 1], batch), batch.flip(3), atol=2e-6, rtol=0)
    torch.testing.assert_close(apply_one("flip", [1, -1], batch), batch.flip(2), atol=2e-6, rtol=0)


def test_affine_turns_magnifies_and_shifts():
    batch = image()[None]
    turned = apply_one("affine", [torch.pi / 2, 0, 0, 1, 0, 0], batch)
    assert any(torch.allclose(turned, torch.rot90(batch, k, (2, 3)), atol=1e-5) for k in (1, 3))
    magnified = apply_one("affine", [0, 0, 0, 2, 0, 0], batch)
    expected = F.interpolate(batch[..., 4:12, 4:12], size=16, mode="bilinear", align_corners=False)
    torch.testing.assert_close(magnified[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1], atol=1e-5, rtol=0)
    shifted = apply_one("affine", [0, 2 * 4 / 16, 0, 1, 0, 0], batch)
    torch.testing.assert_close(shifted[..., :12], batch[..., 4:], atol=2e-6, rtol=0)
    assert (shifted[..., 12:] == 0).all()


def test_crop_shows_the_rectangle_it_drew():
    batch = image(side=32)[None]
    quarter = apply_one("random-resized-crop", [0.5, 0.5, -0.5, 0.5], batch)
    expected = F.interpolate(batch[..., 16:, :16], size=32, mode="bilinear", align_corners=False)
    torch.testing.assert_close(quarter[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2], atol=1e-5, rtol=0)


def test_crops_have_the_areas_and_ratios_asked_for_and_stay_inside():
    augmentation = Augmentation([{"name": "random-resized-crop", "scale": [0.2, 1.0]}])
    width, height, x, y = augmentation.draw(4000, (3, 8, 8), generator())[0].unbind(dim=1)
    area, ratio = width * height, width / height
    assert area.min() >= 0.2 - 1e-5
    assert area.max() <= 1
    assert ((ratio > 0.7499) & (ratio < 1.3334)).all()
    assert (x.abs() + width <= 1 + 1e-5).all()
    assert (y.abs() + height <= 1 + 1e-5).all()
    assert abs(x.mean()) < 0.02
    assert ratio.log().std() > 0.1


def test_square_crops_have_one_of_the_sides_and_lie_anywhere_inside():
    drawn = STEPS["crop"](sides=[0.25, 0.75]).draw(4000, generator())
    assert torch.equal(drawn[:, 0], drawn[:, 1])
    assert set(drawn[:, 0].tolist()) == {0.25, 0.75}
    assert (drawn[:, 0] == 0.25).float().mean().item() == pytest.approx(0.5, abs=0.05)
    for side in (0.25, 0.75):
        centres = drawn[drawn[:, 0] == side][:, 2:]
        assert centres.abs().max() <= 1 - side
        assert centres.std().item() == pytest.approx((1 - side) / 3**0.5, rel=0.05)
    batch = image(1, 8)[None]
    shown = apply_one("crop", [0.5, 0.5, -0.5, 0.5], batch, sides=[0.5])
    expected = F.interpolate(batch[..., 4:, :4], size=8, mode="bilinear", align_corners=False)
    torch.testing.assert_close(shown[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])


@pytest.mark.parametrize("side", [12, 13, 15, 16])
def test_the_centre_is_the_one_that_preprocessing_cuts_out(side):
    pixels = (image(3, side) * 255).round().to(torch.uint8)
    picture = Image.fromarray(pixels.permute(1, 2, 0).numpy())
    preprocessing = Preprocessing.from_dict(
        {"size": 12, "resize": side, "mean": [0.5] * 3, "std": [0.25] * 3}
    )
    whole = torch.from_numpy(preprocessing.uncropped().apply(picture))[None]
    assert torch.equal(whole[0], pixels)
    assert torch.equal(CentreCrop(12).apply(whole, ()), torch.from_numpy(preprocessing.apply(picture))[None])


def test_geometric_steps_in_one_resampling_equal_one_after_the_other():
    smooth = F.interpolate(torch.rand(1, 1, 4, 4, generator=generator()), size=64, mode="bicubic")
    steps = [{"name": "flip"}, {"name": "affine"}, {"name": "random-resized-crop"}]
    drawn = (
        torch.tensor([[-1.0, 1]]),
        torch.tensor([[0.3, 0.1, 0, 1.2, 0, 0.1]]),
        torch.tensor([[0.5, 0.6, 0.2, 0]]),
    )
    at_once = Augmentation(steps).apply(smooth, drawn)
    one_by_one = smooth
    for step, parameters in zip(steps, drawn, strict=True):
        one_by_one = Augmentation([step]).apply(one_by_one, (parameters,))
    assert (at_once - one_by_one).abs().mean() < 0.005
    assert (at_once - smooth).abs().mean() > 0.05


@pytest.mark.parametrize(
    ("column", "function"),
    [(0, "adjust_brightness"), (1, "adjust_contrast"), (2, "adjust_saturation"), (3, "adjust_hue")],
)
@pytest.mark.parametrize("amount", [0.3, -0.3])
def test_colour_jitter_equals_torchvision(column, function, amount):
    parameters = [1.0, 1.0, 1.0, 0.0]
    parameters[column] += amount
    strengths = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.4}
    batch = torch.stack([image(), torch.full_like(image(), 0.4)])
    expected = getattr(reference, function)(batch, parameters[column])
    torch.testing.assert_close(
        apply_one("colour-jitter", parameters, batch, **strengths), expected, atol=2e-3, rtol=0
    )


@pytest.mark.parametrize("sigma", [0.4, 1.5])
def test_blur_equals_torchvision(sigma):
    batch = image()[None]
    expected = reference.gaussian_blur(batch, [5, 5], [sigma, sigma])
    torch.testing.assert_close(
        apply_one("gaussian-blur", [sigma], batch, kernel=5), expected, atol=1e-5, rtol=0
    )


def test_solarise_and_grayscale_equal_torchvision():
    batch = image()[None]
    torch.testing.assert_close(apply_one("solarise", [1.0], batch), reference.solarize(batch, 0.5))
    grey = reference.rgb_to_grayscale(batch, 3)
    torch.testing.assert_close(apply_one("grayscale", [1.0], batch), grey, atol=1e-3, rtol=0)


def test_cutout_erases_what_the_reference_code_of_scan_erases():
    augmentation = Augmentation([{"name": "cutout", "maximum": 16}], mean=[0.25, 0.5, 0.75])
    erased = augmentation(torch.ones(8000, 3, 32, 32), generator(1))
    holes = (erased != 1).all(dim=1)
    assert holes.float().mean().item() == pytest.approx(0.0689, abs=0.002)
    assert (holes.any(dim=1).sum(dim=1) <= 16).all()
    assert erased.permute(0, 2, 3, 1)[holes].unique(dim=0).tolist() == [[0.25, 0.5, 0.75]]
    half_sides = augmentation.draw(200_000, (3, 32, 32), generator())[0][:, 0]
    assert (half_sides == 0).float().mean().item() == pytest.approx(1 / 16, abs=0.002)
    assert half_sides.max() == 8


def test_size_of_the_result_is_set_once():
    batch = image(side=16)[None]
    grown = Augmentation([{"name": "flip", "p": 0}, {"name": "gaussian-noise"}], size=24)(batch, generator())
    assert grown.shape == (1, 3, 24, 24)
    plain = Augmentation([], size=24)(batch, generator())
    assert plain.shape == (1, 3, 24, 24)
    assert torch.equal(Augmentation([])(batch, generator()), batch)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"name": "flipp"}, "no step 'flipp'; did you mean 'flip'"),
        ({"p": 0.5}, "no step None"),
        ({"name": "flip", "prob": 0.5}, "step 'flip' has no option 'prob'"),
        ({"name": "random-resized-crop", "scale": [0.5, 0.2]}, "smaller first"),
        ({"name": "gaussian-blur", "kernel": 4}, "odd number"),
    ],
)
def test_mistakes_are_user_errors(step, message):
    with pytest.raises(UserError, match=message):
        Augmentation([step])


def test_tiny_images_are_cheap(one_thread):
    augmentation = Augmentation(
        [
            {"name": name, **RANDOM[name]}
            for name in ("random-resized-crop", "affine", "colour-jitter", "gaussian-noise")
        ]
    )
    batch = torch.rand(256, 1, 8, 8, generator=generator())
    augmentation(batch, generator())
    taken = timeit.repeat(
        lambda: augmentation(batch, generator()), timer=time.process_time, repeat=20, number=1
    )
    assert min(taken) < 0.02, "200 epochs of 2 x 1,437 images would take over 45 s"
