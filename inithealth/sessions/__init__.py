"""One check, or one watched training run, from the arguments to the report.

Measuring is in `record`, judging is in `judge`.
"""
