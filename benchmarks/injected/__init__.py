"""The faults of benchmarks/faults.py, by what they are done to, and what all of them share."""
