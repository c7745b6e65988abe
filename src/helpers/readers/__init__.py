"""The reader study: people look at real and synthetic images and say which are which."""
