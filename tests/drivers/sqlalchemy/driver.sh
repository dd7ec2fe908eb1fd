# SQLAlchemy from PyPI over psycopg 3 and over asyncpg, each with the defaults of its dialect.
# shellcheck shell=bash disable=SC2034,SC2154  # run reads and sets the variables
prepare() { prepare_python_environment; }
command=(env "PYTHONPATH=$root/tests/drivers/support" PYTHONDONTWRITEBYTECODE=1
  "$cache/python/bin/python" "$root/tests/drivers/sqlalchemy/programme.py")
