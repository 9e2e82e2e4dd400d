"""LCID-Blurry and what else can go wrong: worse exposures made from the stored ones as they are read.

`kinds` has every kind with five levels in physical units, `degrade` takes stored codes to worse ones; what is done
stands in `optics` (blur, trails), `photons` (exposure time, sky, readout), `readout` (cosmic rays, charge transfer,
saturation, bias, bad columns) and `rotation`.

Degradations act on light, so codes are first taken back to signal in units of the frame's noise above its sky
(`stretch.decode`), and the worse frame is stretched anew about its own sky and noise, as a frame from a file is. What
is stated in electrons goes through the frame's gain, read noise and sky (`frame_noise` has the sources).

What codes cannot give back: below white, a code stands for signals 3.5 % apart (0.07 noises apart at the sky), an
error of 1 % rms (0.025 noises in the sky); a pixel that is white had any signal from there on, so blurred, dimmed or
spilled cores of the brightest stars lack the light above it. Cosmic rays and hot pixels are blurred and turned too, as
only light should.
"""

from celestialkeras.lcid.degradations.kinds import KINDS, Degradation, Kind, parse_degradation

__all__ = ["KINDS", "Degradation", "Kind", "parse_degradation"]
