"""The generative networks, their training, and what is made and measured of their images."""
