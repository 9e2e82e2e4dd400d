"""Galaxies against nebulae and star clusters, on single exposures of the Hubble Space Telescope.

Importing the package is cheap: TensorFlow, Keras and SciPy load with the module that needs them.
"""

from importlib.metadata import version

__version__ = version("celestialkeras")
