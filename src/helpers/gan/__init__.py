"""The paper's generative networks, their training, synthesis, filtering and fidelity."""

# what a training's weights come from, below src/helpers; health and records only look on
TRAINING_CODE = tuple(
    f"gan/{name}.py"
    for name in (
        "networks",
        "stylegan2",
        "losses",
        "augmentation",
        "batches",
        "graphs",
        "weights",
        "training",
    )
)
