"""One check, or one watched training, from the arguments to the report.

Measuring is in `record`, judging in `judge`.
"""
