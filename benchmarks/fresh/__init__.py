"""The fresh half of the accuracy benchmark: model families and seeds that were not used before.

The results on the held-out half were inspected while rules were changed. These networks were added after that, and are
judged only with ``--half fresh``. They stay unseen only until a rule is changed because of a verdict on one of them.
"""
