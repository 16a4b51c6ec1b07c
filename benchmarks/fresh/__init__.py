"""What was drawn later: families that were never named, seeds that were never run.

The held-out half of the accuracy benchmark was looked at while rules were changed. These networks were drawn when the
rules were there, and are judged only with ``--half fresh``. Once a rule is changed because of what is said of them,
they are as used up as the others.
"""
