"""Checks that ``check`` runs on LightningModules of four libraries, which all use their Trainer in ``training_step``.

Run it in a separate environment::

    pip install -e . -r benchmarks/libraries/requirements.txt
    python -m benchmarks.libraries
    python -m benchmarks.libraries --before REVISION

It checks models of pytorch-forecasting, scvi-tools, neuralforecast (after ``fit``) and lightly on small synthetic data;
nothing is downloaded. It prints one line for each: the verdict, or the error. ``--before`` adds a second column with
the results of the ``inithealth`` of a git revision. The exit status is 1 if a model cannot be checked.
"""
