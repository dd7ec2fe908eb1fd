# Django from PyPI over psycopg 3: persistent connections, server-side cursors for iterator().
# shellcheck shell=bash disable=SC2034,SC2154  # run reads and sets the variables
prepare() { prepare_python_environment; }
command=(env "PYTHONPATH=$root/tests/drivers/support" PYTHONDONTWRITEBYTECODE=1
  "$cache/python/bin/python" "$root/tests/drivers/django/programme.py")
