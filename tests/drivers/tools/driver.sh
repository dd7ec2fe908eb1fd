# The programs that come with PostgreSQL: psql, pg_dump, pg_restore, pgbench; and migrators that lock each other out.
# shellcheck shell=bash disable=SC2034,SC2154  # run reads and sets the variables
prepare() { :; }
command=(bash "$root/tests/drivers/tools/programme.sh")
