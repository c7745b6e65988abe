"""The paper's generative networks, their training, synthesis, filtering and fidelity."""
