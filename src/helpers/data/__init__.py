"""Images, metadata and splits. Imports nothing of the other rooms."""
