"""What air, rain and lenses do to light on its way, in linear light: fog, rain, glare, bloom."""

import cv2
import numpy as np

CONTRAST = 0.02  # at which Koschmieder's visibility ends


def add_fog(light, distance, visibility, airlight):
    """`light` (height, width, 3) through fog: Beer-Lambert over `distance` (height, width), metres.

    What is left of a contrast at `visibility` metres is 2 % (Koschmieder); the rest is `airlight`
    (3,). Sky is infinitely far.
    """
    kept = np.exp(np.log(CONTRAST) / visibility * distance)[..., None]
    return light * kept + airlight * (1 - kept)


def add_streaks(light, distance, rng, focal, airlight):
    """Drops blurred by their fall, each before what lies further off; `focal` in pixels."""
    lean = np.deg2rad(rng.normal(0, 9))
    for away in (2.5, 4.0, 7.0, 12.0, 20.0):
        long = max(2.0, focal * 0.22 / away)
        size = int(long) | 1
        along = np.arange(size) - size // 2
        kernel = np.zeros((size, size), np.float32)
        kernel[along + size // 2, np.round(along * np.tan(lean)).astype(int) + size // 2] = 1
        count = 0.00035 * distance.size * (away / 4) ** 0.8
        drops = (rng.random(distance.shape) < count / distance.size).astype(np.float32)
        streak = cv2.GaussianBlur(cv2.filter2D(drops, -1, kernel), (0, 0), max(0.4, 1.6 / away))
        share = (0.22 * streak.clip(0, 1) * (distance > away))[..., None]
        light = light * (1 - share) + 0.9 * airlight * share
    return light


def add_glare(light, rays, sun, strength):
    """The veil that a sun in sight spreads over the picture, as the inverse square of the angle.

    The CIE's law of disability glare is 10 times the irradiance over the angle in degrees squared;
    `strength` 1 is as much, and a clean lens has less.
    """
    apart = np.rad2deg(np.arccos((rays @ sun.towards).clip(-1, 1)))[..., None]
    return light + strength * 10 * sun.irradiance / np.maximum(apart, 0.5) ** 2


def add_bloom(light, share=0.06):
    """Light that lenses and the pane scatter around lamps: `share` of it, near and far."""
    unit = light.shape[1] / 320
    halo = [cv2.GaussianBlur(light.astype(np.float32), (0, 0), s * unit) for s in (1.5, 5, 16)]
    return light * (1 - share) + share * np.mean(halo, 0)
