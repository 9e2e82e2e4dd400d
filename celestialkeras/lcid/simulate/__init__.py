"""Hubble- and CSST-like raw exposures of galaxies and of nebulae and star clusters, with known truth.

Start at `survey.simulate_survey` for FITS files, at `source.plan_simulated_build` for a data set without them; needs
the extra `simulate`. A plan (`plan`) becomes a scene of electron rates (`scene`: the object by its kind, from
`spirals`, `ellipticals`, `edge_on`, `irregulars`, `clusters`, `nebulae`, `planetary` and `remnants`, amid the stars and
galaxies of `field`), is blurred (`optics`), recorded (`detector`, with `cosmic_rays` and `transfer`) and written
(`rawfile`).
"""
