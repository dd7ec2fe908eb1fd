# asyncpg from PyPI: the binary protocol by itself without libpq; every query is a named statement from its cache.
# shellcheck shell=bash disable=SC2034,SC2154  # run reads and sets the variables
prepare() { prepare_python_environment; }
command=(env "PYTHONPATH=$root/tests/drivers/support" PYTHONDONTWRITEBYTECODE=1
  "$cache/python/bin/python" "$root/tests/drivers/asyncpg/programme.py")
