#!/usr/bin/env bash
# Runs each fuzzer for a while over its committed corpus; the first finding ends it with a non-zero status.
#
# usage: run_fuzzers.sh FOLDER-OF-PROGRAMS SECONDS-EACH
# A fuzzer is a program named after its source in tests/fuzz/; its corpus is tests/fuzz/corpus/<name>/. The corpus is only
# read: what a run finds new stays in a temporary folder. An input that fails is kept in FOLDER-OF-PROGRAMS/fuzz-findings/.
set -euo pipefail

if (($# != 2)); then
  echo "usage: run_fuzzers.sh FOLDER-OF-PROGRAMS SECONDS-EACH" >&2
  exit 2
fi
programs=$1
seconds=$2
fuzz=$(cd "$(dirname "${BASH_SOURCE[0]}")/../fuzz" && pwd)
findings=$programs/fuzz-findings
mkdir -p "$findings"
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT

count=0
for source in "$fuzz"/*.cc; do
  [[ -e $source ]] || continue
  name=$(basename "$source" .cc)
  corpus=$fuzz/corpus/$name
  if [[ ! -x $programs/$name ]]; then
    echo "run_fuzzers: $programs/$name was not built" >&2
    exit 1
  fi
  if [[ -z $(ls -A "$corpus" 2>/dev/null) ]]; then
    echo "run_fuzzers: $name has no corpus; add its first inputs to $corpus/" >&2
    exit 1
  fi
  mkdir "$new/$name"
  if ! "$programs/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
      -artifact_prefix="$findings/$name-" "$new/$name" "$corpus" >"$new/$name.log" 2>&1; then
    tail -n 60 "$new/$name.log" >&2
    echo "run_fuzzers: $name failed; the input is in $findings/" >&2
    exit 1
  fi
  printf '%-24s %9s inputs tried, %s in the corpus\n' "$name" \
    "$(sed -n 's/^stat::number_of_executed_units: *//p' "$new/$name.log")" "$(find "$corpus" -type f | wc -l)"
  count=$((count + 1))
done
if ((count == 0)); then
  echo "run_fuzzers: no fuzzer under $fuzz" >&2
  exit 1
fi
echo "$count fuzzers, no finding"
