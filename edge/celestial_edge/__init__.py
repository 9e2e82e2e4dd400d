"""From a Keras model to an artifact, and from an artifact to a verdict on the board."""
