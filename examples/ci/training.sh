#!/bin/sh
# A training job, of one process or many: InitHealth(on_unhealthy="raise", report_path="init-health.json") ends it with
# a status other than 0 before the first optimizer step; its saved report can then be converted to any format.
python train.py
status=$?
inithealth report init-health.json --output-format github --output-format junit=init-health.xml --exit-zero
exit $status
