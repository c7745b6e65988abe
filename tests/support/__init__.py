"""What several tests share: small data, stand-ins, and a copy of the project."""
