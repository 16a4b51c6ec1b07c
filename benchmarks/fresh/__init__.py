"""What was drawn later: families that were never named, seeds that were never run.

The held-out half of the accuracy benchmark was looked at while rules were changed. These networks were drawn after
that, and are judged only with ``--half fresh``. Once a rule is changed because of a verdict on one of them, they are
no longer unseen.
"""
