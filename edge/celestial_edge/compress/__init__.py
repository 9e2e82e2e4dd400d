"""The workstation side: exporting and quantizing Keras models to artifacts."""
