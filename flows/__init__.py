"""The flows: Prefect is known here and nowhere else."""
