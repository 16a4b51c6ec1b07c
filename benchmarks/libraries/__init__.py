"""Trains models of published libraries and plain loops with every step watched, and compares each with a plain twin.

Run it in a separate environment::

    pip install -e . -r benchmarks/libraries/requirements.txt
    python -m benchmarks.libraries --results results.jsonl
    python -m benchmarks.libraries --results results.jsonl --only scvi-tools/SCVI
    python -m benchmarks.libraries --results results.jsonl --judge
    python -m benchmarks.libraries --results results.jsonl --table

Each model is trained for 50 steps on small synthetic data of its own kind; nothing is downloaded. A run has three
trainings from one seed: two plain ones, which show whether the library itself repeats, and a watched one. Results are
appended to the file, so an interrupted run continues. ``--judge`` trains every model with an alarm for longer, as it
is and with the fix, over three seeds. ``--table`` prints the tables of docs/libraries.md.
"""
