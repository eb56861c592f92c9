"""Data sets, networks, training and checkpoints: everything the course needs to have a trained network."""
