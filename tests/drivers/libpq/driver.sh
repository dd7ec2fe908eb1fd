# libpq itself, in C: pipeline mode, named statements, single-row mode. The other programmes over libpq use parts of it only.
# shellcheck shell=bash disable=SC2034,SC2154  # run reads and sets the variables
prepare() {
  is_newer_than "$cache/libpq/programme" "$root"/tests/drivers/libpq/*.[ch] && return
  mkdir -p "$cache/libpq"
  gcc -std=c11 -D_GNU_SOURCE -O1 -Wall -Wextra -Wconversion -Wshadow -Werror -I"$(pg_config --includedir)" \
    -o "$cache/libpq/programme" "$root"/tests/drivers/libpq/*.c -lpq
}
command=("$cache/libpq/programme")
