"""The board side: classify and benchmark with an artifact, without TensorFlow."""
