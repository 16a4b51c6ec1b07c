"""Whether ``check`` runs the LightningModules of four libraries, which all use their Trainer in ``training_step``.

Run it in an environment of its own::

    pip install -e . -r benchmarks/libraries/requirements.txt
    python -m benchmarks.libraries
    python -m benchmarks.libraries --before REVISION

It checks models of pytorch-forecasting, scvi-tools, neuralforecast (after ``fit``) and lightly on small synthetic data;
nothing is downloaded. A line is printed for each: the verdict, or the error. With ``--before`` a second column has the
same of the ``inithealth`` of a git revision. The exit status is 1 if a model cannot be checked.
"""
