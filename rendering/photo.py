"""How light becomes a photo: denoise, expose, develop, frame."""

import cv2
import numpy as np


def denoise(radiance, albedo, normal, position, rounds=5, scale=None, lit=None):
    """Linear radiance (height, width, 3) without the path tracer's noise.

    Edge-avoiding wavelets (Dammertz et al. 2010) over the light alone, the radiance over the
    albedo, so that textures stay sharp: a pixel averages with those that lie in its plane, face its
    way and are about as bright. The guides have the radiance's shape; positions are in metres.
    `scale` (height, width) is how far from its plane a point may lie, else a room's 2 %; where
    `lit` bool (height, width) is given, what the sun lights and what it does not stay apart.
    """
    albedo = albedo + 0.03
    light = (radiance / albedo).astype(np.float32)
    # A rare path over a mirror or close to a lamp leaves one dot: no brighter than its neighbours.
    light = np.minimum(light, 2 * cv2.medianBlur(light, 5) + 1e-3)
    tone = cv2.GaussianBlur(np.log(light.mean(2) + 1e-3), (0, 0), 2.0)
    if scale is None:
        scale = 0.02 * np.linalg.norm(position - position.mean((0, 1)), axis=2).mean()
    lit = None if lit is None else lit.astype(np.float32)
    for step in 2 ** np.arange(rounds):
        total, weights = np.zeros_like(light), np.zeros_like(tone)
        for dy in (-step, 0, step):
            for dx in (-step, 0, step):

                def shift(image, dy=dy, dx=dx):
                    matrix = np.float32([[1, 0, dx], [0, 1, dy]])
                    size = image.shape[1::-1]
                    return cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REFLECT)

                off_plane = np.abs(((shift(position) - position) * normal).sum(2)) / scale
                turned = 1 - (shift(normal) * normal).sum(2).clip(0, 1)
                weight = np.exp(-off_plane - 8 * turned - np.abs(shift(tone) - tone) / 0.5)
                if lit is not None:
                    weight *= np.where(shift(lit) == lit, 1, 1e-3)
                weight *= 4.0 / 2 ** ((dy != 0) + (dx != 0))
                total += weight[..., None] * shift(light)
                weights += weight
        light = total / weights[..., None]
    return light * albedo


def develop(radiance, rng, brightness=(0.16, 0.3), balance=(0.3, 0.8)):
    """An 8-bit sRGB photo (height, width, 3) of linear radiance, as a cheap camera makes it.

    Automatic exposure and white balance miss a little, highlights clip softly, corners darken,
    and the sensor adds a little noise. `brightness` is the range of what the picture's middle tone
    becomes, `balance` of the share of the light's colour that is taken out.
    """
    height, width = radiance.shape[:2]
    grey = radiance.mean(2)
    key = np.exp(np.log(grey + 1e-4).mean())
    exposure = rng.uniform(*brightness) / (0.6 * key + 0.4 * np.median(grey) + 1e-6)
    gains = np.mean(radiance, (0, 1)).mean() / (np.mean(radiance, (0, 1)) + 1e-6)
    colour = gains ** rng.uniform(*balance) * rng.uniform(0.96, 1.04, 3)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    vignette = 1 - rng.uniform(0.0, 0.2) * (x**2 + y**2) / 2
    light = radiance * exposure * colour * vignette[..., None]
    light = np.where(light > 0.7, 1 - 0.3 * np.exp(-(light - 0.7) / 0.3), light)
    gamma = 1.055 * light.clip(1e-6) ** (1 / 2.4) - 0.055
    photo = np.where(light < 0.0031308, 12.92 * light, gamma) * 255
    grain = rng.normal(0, rng.uniform(0.3, 1.5), photo.shape)
    return (photo + grain).round().clip(0, 255).astype(np.uint8)


def add_border(photo, rng):
    """The photo with the white, slightly uneven frame that undistortion leaves in NYU.

    Measured there at 480x640: rows 5 to 474 and columns 6 to 632 are picture, give or take one.
    """
    height, width = photo.shape[:2]
    y, x = np.mgrid[:height, :width]
    bow = 0.5 * np.sin(np.pi * x / width), 0.5 * np.sin(np.pi * y / height)
    wave = rng.uniform(-0.5, 0.5, 4)
    inside = (
        (y + 0.5 > 5.5 * height / 480 + bow[0] + wave[0])
        & (y + 0.5 < 474 * height / 480 - bow[0] + wave[1])
        & (x + 0.5 > 6.5 * width / 640 + bow[1] + wave[2])
        & (x + 0.5 < 632 * width / 640 - bow[1] + wave[3])
    )
    return np.where(inside[..., None], photo, np.uint8(255))
