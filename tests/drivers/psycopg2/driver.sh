# psycopg2 from Debian: libpq's simple protocol, parameters put into the text by the client.
# shellcheck shell=bash disable=SC2034,SC2154  # run reads and sets the variables
prepare() { :; }
command=(env "PYTHONPATH=$root/tests/drivers/support" PYTHONDONTWRITEBYTECODE=1
  /usr/bin/python3 "$root/tests/drivers/psycopg2/programme.py")
