"""Classifiers on the features of a frozen encoder."""

from collections.abc import Callable

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

# Of the logistic regression, scikit-learn's default: fixed, so that nothing is chosen on any clip.
INVERSE_REGULARISATION = 1.0
MAX_ITERATIONS = 1000


def linear() -> ClassifierMixin:
    """Logistic regression on standardised features.

    Papers train a linear layer by SGD. This has the same form, no schedule and no random numbers.
    """
    regression = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=MAX_ITERATIONS)
    return make_pipeline(StandardScaler(), regression)


def nearest_neighbour() -> ClassifierMixin:
    """The class of the training clip whose features have the largest cosine."""
    return KNeighborsClassifier(n_neighbors=1, metric="cosine")


FROZEN: dict[str, Callable[[], ClassifierMixin]] = {"linear": linear, "1-NN": nearest_neighbour}


def classified(
    classifier: ClassifierMixin,
    training: np.ndarray,
    labels: np.ndarray,
    tested: np.ndarray,
    num_classes: int,
) -> np.ndarray:
    """Class probabilities (n', C) float32 of tested clips; fits the classifier to training clips.

    training (n, C'), tested (n', C'): features; labels (n,). A class without training clips has
    probability zero.
    """
    classifier.fit(training, labels)
    probabilities = np.zeros((len(tested), num_classes), dtype=np.float32)
    probabilities[:, classifier.classes_] = classifier.predict_proba(tested)
    return probabilities
