from __future__ import annotations

import time
import timeit
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from clusterprobe.config.errors import UserError
from clusterprobe.images.augment import Augmentation
from clusterprobe.images.strong_steps import OPERATIONS, Strong


def affine(coefficients: Callable[[float, int], tuple[float, ...]]) -> Callable[..., Image.Image]:
    return lambda picture, value: picture.transform(
        picture.size, Image.Transform.AFFINE, coefficients(value, picture.size[0])
    )


# What the reference code of SCAN does with a picture, operation by operation.
PILLOW: dict[str, Callable[[Image.Image, float], Image.Image]] = {
    "identity": lambda picture, value: picture,
    "autocontrast": lambda picture, value: ImageOps.autocontrast(picture),
    "equalise": lambda picture, value: ImageOps.equalize(picture),
    "rotate": lambda picture, value: picture.rotate(value),
    "solarise": lambda picture, value: ImageOps.solarize(picture, value),
    "colour": lambda picture, value: ImageEnhance.Color(picture).enhance(value),
    "contrast": lambda picture, value: ImageEnhance.Contrast(picture).enhance(value),
    "brightness": lambda picture, value: ImageEnhance.Brightness(picture).enhance(value),
    "sharpness": lambda picture, value: ImageEnhance.Sharpness(picture).enhance(value),
    "shear-x": affine(lambda value, side: (1, value, 0, 0, 1, 0)),
    "shear-y": affine(lambda value, side: (1, 0, 0, value, 1, 0)),
    "translate-x": affine(lambda value, side: (1, 0, value * side, 0, 1, 0)),
    "translate-y": affine(lambda value, side: (1, 0, 0, 0, 1, value * side)),
    "posterise": lambda picture, value: ImageOps.posterize(picture, int(value)),
}
# The intervals of table S2 of the paper.
INTERVALS = {
    "identity": (0, 0),
    "autocontrast": (0, 0),
    "equalise": (0, 0),
    "rotate": (-30, 30),
    "solarise": (0, 256),
    "colour": (0.05, 0.95),
    "contrast": (0.05, 0.95),
    "brightness": (0.05, 0.95),
    "sharpness": (0.05, 0.95),
    "shear-x": (-0.1, 0.1),
    "shear-y": (-0.1, 0.1),
    "translate-x": (-0.1, 0.1),
    "translate-y": (-0.1, 0.1),
    "posterise": (4, 8),
}
NO_CHANGE_OF_GREY = {"colour"}
NO_CHANGE_AT_ALL = {"identity"}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(channels: int, side: int = 32, count: int = 24) -> np.ndarray:
    """Noise, smooth pictures, few levels, narrow ranges, one colour."""
    random = np.random.default_rng(3)
    made = random.integers(0, 256, (count, side, side, channels), dtype=np.uint8)
    grid = np.linspace(0, 1, side)[:, None, None] * np.linspace(0, 255, side)[None, :, None]
    made[: count // 3] = (grid * random.uniform(0.2, 1, (count // 3, 1, 1, channels))).astype(np.uint8)
    made[count // 3] = random.integers(100, 120, made[0].shape)
    made[count // 3 + 1] = random.integers(0, 3, made[0].shape) * 100
    made[-1] = 77
    return made


def expected(name: str, images: np.ndarray, values: torch.Tensor) -> np.ndarray:
    changed = []
    for image, value in zip(images, values, strict=True):
        picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
        changed.append(np.asarray(PILLOW[name](picture, float(value))).reshape(image.shape))
    return np.stack(changed)


def to_tensor(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("side", [8, 32])
def test_operations_equal_pillow_to_the_bit(name, channels, side):
    images = pictures(channels, side)
    values = Strong(1, among=[name]).draw(len(images), generator(1))[:, 1]
    found = OPERATIONS[name].apply(to_tensor(images), values)
    assert found.dtype == torch.uint8
    target = to_tensor(expected(name, images, values))
    assert torch.equal(found, target)
    untouched = name in NO_CHANGE_AT_ALL or (name in NO_CHANGE_OF_GREY and channels == 1)
    few_pixels = name == "equalise" and side == 8
    assert untouched or few_pixels or not torch.equal(found, to_tensor(images))


def test_the_operations_are_those_of_table_s2():
    assert {name: (each.low, each.high) for name, each in OPERATIONS.items()} == INTERVALS
    assert PILLOW.keys() == OPERATIONS.keys()


def test_operations_and_values_are_drawn_per_image_with_replacement_and_fill_their_intervals():
    drawn = Strong().draw(20_000, generator()).view(-1, 4, 2)
    kinds, values = drawn.unbind(dim=2)
    shares = torch.bincount(kinds.flatten().long(), minlength=14) / kinds.numel()
    assert len(shares) == 14
    torch.testing.assert_close(shares, torch.full((14,), 1 / 14), atol=0.004, rtol=0)
    repeats = (kinds.sort(dim=1).values.diff(dim=1) == 0).any(dim=1).float().mean().item()
    assert repeats == pytest.approx(1 - 13 * 12 * 11 / 14**3, abs=0.02)
    for number, (low, high) in enumerate(INTERVALS.values()):
        own = values[kinds == number]
        assert own.min() == pytest.approx(low, abs=0.01 * (high - low))
        assert own.max() == pytest.approx(high, abs=0.01 * (high - low))
        assert own.mean() == pytest.approx((low + high) / 2, abs=0.02 * (high - low))
    bits = values[kinds == list(INTERVALS).index("posterise")].long()
    assert set(bits.tolist()) == {4, 5, 6, 7}


@pytest.mark.parametrize("channels", [1, 3])
def test_a_batch_equals_one_image_after_the_other_in_pillow(channels):
    images = pictures(channels, 16)
    step = Strong(operations=3)
    drawn = step.draw(len(images), generator(4))
    target = images
    for place in range(3):
        kinds, values = drawn[:, 2 * place], drawn[:, 2 * place + 1]
        names = [list(OPERATIONS)[int(kind)] for kind in kinds]
        target = np.concatenate(
            [expected(name, target[i : i + 1], values[i : i + 1]) for i, name in enumerate(names)]
        )
    found = step.apply(to_tensor(images).float() / 255, drawn, (0.0,))
    torch.testing.assert_close(found * 255, to_tensor(target).float(), atol=1e-3, rtol=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_two_images_of_a_batch_are_changed_differently_and_the_generator_decides_how(channels):
    image = to_tensor(pictures(channels))[:1].float() / 255
    augmentation = Augmentation([{"name": "strong"}])
    batch = image.expand(16, -1, -1, -1)
    changed = augmentation(batch, generator(1))
    assert len({each.numpy().tobytes() for each in changed}) > 12
    assert torch.equal(changed, augmentation(batch, generator(1)))
    assert not torch.equal(changed, augmentation(batch, generator(2)))


def test_images_between_two_levels_are_rounded():
    image = torch.full((1, 1, 4, 4), 100.4 / 255)
    same = Strong(1, among=["identity"]).apply(image, torch.zeros(1, 2), (0.0,))
    torch.testing.assert_close(same, torch.full_like(image, 100 / 255))


def test_goes_with_cutout_as_in_the_paper():
    steps = [{"name": "flip"}, {"name": "strong", "operations": 4}, {"name": "cutout", "maximum": 16}]
    batch = torch.full((64, 3, 32, 32), 200 / 255)
    changed = Augmentation(steps, mean=[0.25, 0.5, 0.75])(batch, generator())
    hole = torch.tensor([0.25, 0.5, 0.75]).view(1, 3, 1, 1)
    share = (changed == hole).all(dim=1).float().mean().item()
    assert 0.04 < share < 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"among": ["rotatee"]}, "no operation 'rotatee'; did you mean 'rotate'"),
        ({"among": []}, "at least one"),
        ({"operations": -1}, "must not be negative"),
    ],
)
def test_mistakes_are_user_errors(options, message):
    with pytest.raises(UserError, match=message):
        Augmentation([{"name": "strong", **options}])


def test_a_batch_of_cifar_size_is_cheap(one_thread):
    batch = torch.rand(128, 3, 32, 32, generator=generator())
    augmentation = Augmentation([{"name": "strong"}])
    augmentation(batch, generator())
    taken = timeit.repeat(
        lambda: augmentation(batch, generator()), timer=time.process_time, repeat=5, number=1
    )
    assert min(taken) < 0.2, "Pillow takes about as long, one image at a time"
