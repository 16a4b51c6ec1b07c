"""One check, or one watched training, from start to report.

How something is measured is in `record`, how it is judged in `judge`.
"""
