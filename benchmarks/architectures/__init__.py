"""Whether every autograd node of 60 architectures is known, or reported as unknown.

``inithealth`` reads a network from its autograd graph, so a node that it does not know is a part of the network that
it does not see. Each such node has to be in the node table (``inithealth/record/graph/node_table.py``), or the report
has to name it under "not measured".

Run it in an environment of its own::

    pip install -e . -r benchmarks/architectures/requirements.txt
    python -m benchmarks.architectures

It builds each architecture of :data:`benchmarks.architectures.chosen.NAMES` with random weights (nothing is
downloaded), checks it, and walks the graph behind its loss. One line is printed for each: its nodes, those that are
unknown, and how many of these the report names. The exit status is 1 if some node is neither known nor reported, or
if an architecture cannot be checked. It takes about five minutes on one core.

``chosen`` names the architectures, ``flexible`` has the one that no library builds, ``walk`` counts.
"""
