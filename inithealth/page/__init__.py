"""The data of the page: what it shows of a run, for TensorBoard's tab, the HTML report and notebooks.

``document``, ``step_values`` and ``empty`` need the standard library only: TensorBoard's server imports them.
"""
