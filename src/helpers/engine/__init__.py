"""The front door's machinery: plan, lock, progress, and the engine's command line."""
