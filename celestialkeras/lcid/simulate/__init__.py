"""Hubble-like raw exposures of galaxies and of nebulae and star clusters, with known truth.

Start at `survey.simulate_survey`; needs the extra `simulate`. A plan (`plan`) becomes a scene of electron rates
(`scene`, fed by `galaxies`, `clusters`, `nebulae` and `field`), is blurred (`optics`), recorded (`detector`) and
written (`rawfile`).
"""
