"""Balanced representation learning for long-tailed skeleton-based action recognition."""

import os

# Between two layers OpenMP's threads wait in a loop, by default for milliseconds, which can stall
# a training beside another busy program on the same few cores. A short wait, then sleep, costs
# little on an idle machine. Read when torch is loaded, so set before.
os.environ.setdefault("GOMP_SPINCOUNT", "3000")
# MLflow reports its use unless told not to. Read when mlflow is loaded.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
