"""Trains models of published libraries and plain loops with every step watched, and compares each with a plain twin.

Run it in a separate environment::

    pip install -e . -r benchmarks/libraries/requirements.txt
    python -m benchmarks.libraries --results results.jsonl
    python -m benchmarks.libraries --results results.jsonl --only scvi-tools/SCVI
    python -m benchmarks.libraries --results results.jsonl --judge
    python -m benchmarks.libraries --results results.jsonl --table

Each model is trained for 50 steps on small synthetic data of its own kind; nothing is downloaded. The watched training
and its plain twin start from one seed; if they differ, a second plain training shows whether the library repeats at
all. Results are appended to the file, so an interrupted run continues. ``--judge`` trains every model with an alarm for
longer, as it is and with the fix, over three seeds. ``--table`` prints the tables of docs/libraries.md.
"""
