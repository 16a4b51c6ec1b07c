"""Checks that every autograd node of 60 architectures is known, or reported as unknown.

``inithealth`` reads a network from its autograd graph, so it cannot judge the parts of a network that use unknown
nodes. Each such node must be in the node table (``inithealth/record/graph/node_table.py``), or the report must list it
under "not measured".

Run it in a separate environment::

    pip install -e . -r benchmarks/architectures/requirements.txt
    python -m benchmarks.architectures

It builds each architecture of :data:`benchmarks.architectures.chosen.NAMES` with random weights (nothing is
downloaded), checks it, and walks the graph of its loss. It prints one line for each: the number of nodes, the number of
unknown ones, and how many of these the report lists. The exit status is 1 if some node is neither known nor reported,
or if an architecture cannot be checked. It takes about five minutes on one core.

``chosen`` selects the architectures, ``flexible`` has one that no library provides, ``walk`` counts nodes.
"""
