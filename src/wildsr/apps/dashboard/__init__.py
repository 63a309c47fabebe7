"""A dashboard on wandb."""
