# Shell functions that the driver.sh files share; run sources it. $root and $cache are run's.
# shellcheck shell=bash disable=SC2154

# The Python of all drivers from PyPI: one virtual environment with the versions of requirements.txt.
prepare_python_environment() {
  local wanted=$root/tests/drivers/requirements.txt environment=$cache/python
  cmp -s "$wanted" "$environment/requirements.txt" && return
  rm -rf "$environment"
  # Debian's Python by its full name: another one in PATH may be of a version that requirements.txt has no wheels for.
  /usr/bin/python3 -m venv "$environment"
  "$environment/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: -r "$wanted"
  cp "$wanted" "$environment/requirements.txt"
}

# is_newer_than TARGET FILE...: TARGET exists and no FILE is newer.
is_newer_than() {
  local target=$1 file
  shift
  [[ -e $target ]] || return
  for file in "$@"; do
    [[ ! $file -nt $target ]] || return
  done
}
