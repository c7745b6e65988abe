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
# parameters that change no weight of one seed
WITHOUT_EFFECT = frozenset(
    {"seeds", "checkpoint_minutes", "log_every", "sample_every", "min_diversity", "tensorboard"}
)
