# psycopg 3 from PyPI, whose wheel brings a libpq of its own: the extended protocol, pipelines, its own prepared statements.
# shellcheck shell=bash disable=SC2034,SC2154  # run reads and sets the variables
prepare() { prepare_python_environment; }
command=(env "PYTHONPATH=$root/tests/drivers/support" PYTHONDONTWRITEBYTECODE=1
  "$cache/python/bin/python" "$root/tests/drivers/psycopg3/programme.py")
