"""Training of the networks: objectives, collators, Trainer subclasses, evaluation, property heads."""
