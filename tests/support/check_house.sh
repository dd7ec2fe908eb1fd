#!/usr/bin/env bash
# Keeps the house in order: who may include what, how long a file may be, what lies at the top level.
#
# usage: check_house.sh ROOT          the self-test, then the tree under ROOT; prints file:line: what is wrong
#        check_house.sh --self-test   a made-up tree with one violation of each kind: each must be found, and nothing else
# The rules are those of the table of rooms in the design. The rule for a new third-party header is added here, with its file.
set -euo pipefail

max_header_lines=249
# One class over the files client*.cc, which has outgrown that and is to be split by its parts (statements, state, channels).
long_header=proxy/client.h
max_long_header_lines=360
max_source_lines=699
top_level="CMakeLists.txt proxy protocol pool admin conf tests docker README.md Makefile CMakePresets.json LICENSE CHANGELOG.md"

# check_files ROOT: reads file names relative to ROOT, one a line, and checks what is in them.
check_files() {
  (cd "$1" && xargs -r awk -v max_header_lines=$max_header_lines -v long_header=$long_header -v max_long_header_lines=$max_long_header_lines -v max_source_lines=$max_source_lines '
    function wrong(line, text) { printf "%s:%d: %s\n", FILENAME, line, text; }
    function end_file() {
      if (file == "") return;
      if (is_header && !has_once) printf "%s:1: a header needs #pragma once\n", file;
      if (is_header && lines > (file == long_header ? max_long_header_lines : max_header_lines))
        printf "%s:%d: a header of %d lines; at most %d\n", file, lines, lines, max_header_lines;
      if (is_source && lines > max_source_lines)
        printf "%s:%d: a source file of %d lines; at most %d\n", file, lines, lines, max_source_lines;
    }
    function may_name_room(target) {
      if (room == "tests" || target == room) return 1;
      if (room == "proxy") return target != "admin" ? target ~ /^(protocol|pool|conf)$/ : file == "proxy/main.cc";
      if (room == "admin") return target ~ /^(proxy|protocol|pool|conf)$/;
      return 0;
    }
    function check_room_include(path,   target) {
      target = path;
      if (!sub(/\/.*/, "", target)) return wrong(FNR, "\"" path "\": name the room in the path of an include");
      if (!may_name_room(target)) wrong(FNR, room "/ must not include " target "/ (" path ")");
    }
    # The home of a third-party header: the only files that may include it, apart from tests/.
    function check_home(path, header, home) {
      if (path ~ header && file !~ home) wrong(FNR, "<" path "> belongs in " home " only");
    }
    function is_c_library(path) {
      return path ~ /^(assert|ctype|errno|float|inttypes|limits|math|signal|stddef|stdint|stdio|stdlib|string|time)\.h$/;
    }
    function check_system_include(path,   is_std) {
      check_home(path, "^event2?(/|\\.h$)", "^(proxy/(control_loop|dns_client)|admin/(http_endpoint|timer))\\.(h|cc)$");
      check_home(path, "^toml\\+\\+/", "^conf/[a-z_]*(loader|reader)[a-z_]*\\.cc$");
      check_home(path, "^(libpq-fe\\.h|postgresql/)", "^proxy/control_connection\\.(h|cc)$");
      check_home(path, "^(ldap|lber)\\.h$", "^proxy/ldap_login\\.cc$");
      check_home(path, "^security/", "^proxy/pam_login\\.cc$");
      check_home(path, "^spdlog/", "^proxy/log(_syslog)?\\.(h|cc)$");
      check_home(path, "^prometheus/", "^admin/");
      is_std = path !~ /[.\/]/ || is_c_library(path);
      if (room == "protocol") {
        if (path ~ /^(thread|mutex|shared_mutex|condition_variable|future|semaphore|latch|barrier|stop_token)$/)
          wrong(FNR, "protocol/ has no threads (<" path ">)");
        # addresses as text: inet_pton and nothing else of it
        else if (path == "arpa/inet.h" && file == "protocol/proxy_header.cc") {}
        else if (!is_std && path !~ /^(openssl\/|tl\/expected\.hpp$|stringprep\.h$|idna\.h$)/)
          wrong(FNR, "protocol/ includes the standard library, OpenSSL and tl/expected only (<" path ">)");
      }
      if (room == "pool" && !is_std) wrong(FNR, "pool/ includes the standard library only (<" path ">)");
      if (room == "conf" && !is_std && path !~ /^(toml\+\+\/|tl\/expected\.hpp$|(arpa\/inet|netinet\/in)\.h$)/)
        wrong(FNR, "conf/ includes the standard library, toml++ and tl/expected only (<" path ">)");
    }
    FNR == 1 {
      end_file();
      file = FILENAME; lines = 0; has_once = 0;
      room = file; sub(/\/.*/, "", room);
      is_header = file ~ /\.h$/; is_source = file ~ /\.(cc|cpp)$/; is_code = is_header || is_source;
      if (is_header && $0 !~ /^\/\/ /) wrong(1, "a header starts with a comment that says what it is");
    }
    { lines = FNR; }
    /(^|[^A-Za-z_])(TO[D]O|FIX[M]E)([^A-Za-z_]|$)/ { wrong(FNR, "no TO" "DO and no FIX" "ME: do it, or say it in an issue"); }
    !is_code { next; }
    /^#pragma once/ { has_once = 1; }
    /^[ \t]*#[ \t]*include/ {
      path = $0;
      if (path ~ /"/) { sub(/^[^"]*"/, "", path); sub(/".*/, "", path); check_room_include(path); }
      else if (room != "tests") { sub(/^[^<]*</, "", path); sub(/>.*/, "", path); check_system_include(path); }
      next;
    }
    room == "tests" { next; }
    {
      code = $0;
      sub(/\/\/.*/, "", code);
      if ((room == "pool" || room == "protocol") && code ~ /_clock::now|[^A-Za-z_](gettimeofday|clock_gettime) *\(/)
        wrong(FNR, room "/ takes the time as an argument and reads no clock");
      if (room != "admin" && file != "proxy/main.cc" && code ~ /(^|[^A-Za-z0-9_])admin::/)
        wrong(FNR, "only proxy/main.cc names admin");
    }
    END { end_file(); }')
}

# check_tree ROOT: prints every violation.
check_tree() {
  local root=$1 entry
  (cd "$root" && find . -mindepth 1 -maxdepth 1 -not -name '.*' -printf '%P\n') | sort | while read -r entry; do
    case " $top_level " in *" $entry "*) continue ;; esac
    case $entry in build | build-*) continue ;; esac
    # git keeps no empty folder, so none counts
    [[ -d $root/$entry && -z $(find "$root/$entry" -type f -print -quit) ]] && continue
    echo "$entry:1: does not belong at the top level, which holds: $top_level"
  done
  for entry in $top_level; do
    [[ -e $root/$entry ]] || echo "$entry:1: is missing at the top level"
  done
  (cd "$root" && find CMakeLists.txt Makefile proxy protocol pool admin conf tests docker -type f \
    \( -name '*.h' -o -name '*.cc' -o -name '*.cpp' -o -name '*.sh' -o -name '*.py' -o -name '*.toml' -o -name '*.yml' \
    -o -name CMakeLists.txt -o -name Makefile -o -name '*Dockerfile' \) -print 2>/dev/null) | sort | check_files "$root"
}

# Writes a tree without a fault to $1.
make_clean_tree() {
  local root=$1 name
  mkdir -p "$root"/{proxy,protocol,pool,admin,conf,tests/unit,docker,build,empty}
  for name in $top_level; do [[ -d $root/$name ]] || echo "fine" >"$root/$name"; done
  printf '// A frame.\n#pragma once\n#include <vector>\n#include <openssl/evp.h>\n' >"$root/protocol/frame.h"
  printf '#include <tl/expected.hpp>\n#include <stringprep.h>\n' >"$root/protocol/login.cc"
  printf '#include <arpa/inet.h>\n' >"$root/protocol/proxy_header.cc"
  printf '#include "protocol/frame.h"\n// std::chrono::steady_clock::now is for others\n' >"$root/protocol/frame.cc"
  printf '#include <mutex>\n#include <chrono>\n#include <string.h>\n' >"$root/pool/pool.cc"
  printf '#include <toml++/toml.h>\n#include "conf/config.h"\n' >"$root/conf/toml_reader.cc"
  printf '#include <event2/event.h>\nauto now = std::chrono::steady_clock::now();\n' >"$root/proxy/control_loop.cc"
  printf '#include <spdlog/spdlog.h>\n' >"$root/proxy/log.cc"
  printf '#include <libpq-fe.h>\n' >"$root/proxy/control_connection.cc"
  printf '#include "admin/console.h"\n#include "proxy/worker.h"\nadmin::Console console;\n' >"$root/proxy/main.cc"
  printf '#include <prometheus/registry.h>\n#include "proxy/worker.h"\n#include "pool/pool.h"\n' >"$root/admin/metrics.cc"
  printf '#include <event2/http.h>\n' >"$root/admin/http_endpoint.cc"
  printf '#include <event2/event.h>\n' >"$root/admin/timer.cc"
  printf '#include <thread>\n#include <libpq-fe.h>\n#include "admin/console.h"\n' >"$root/tests/unit/all_test.cc"
}

# plant ROOT FILE LINE TEXT...: writes FILE (its lines after the first are filled up to LINE - 1) and expects FILE:LINE.
expected=
plant() {
  local root=$1 file=$2 line=$3 text=$4
  { for ((i = 1; i < line; ++i)); do echo "// line"; done; printf '%b\n' "$text"; } >"$root/$file"
  expected+="$file:$line"$'\n'
}

self_test() {
  local root found
  root=$(mktemp -d)
  # shellcheck disable=SC2064  # the path of now
  trap "rm -rf '$root'" EXIT
  make_clean_tree "$root"
  found=$(check_tree "$root")
  if [[ -n $found ]]; then
    printf 'check_house: self-test: a faultless tree is reported:\n%s\n' "$found" >&2
    exit 1
  fi

  plant "$root" protocol/a.cc 3 '#include <sys/socket.h>'
  plant "$root" protocol/b.cc 2 '#include <thread>'
  plant "$root" protocol/c.cc 2 '#include "pool/pool.h"'
  plant "$root" protocol/d.cc 4 'auto now = std::chrono::system_clock::now();'
  plant "$root" protocol/e.cc 1 '#include <fmt/format.h>'
  plant "$root" protocol/f.cc 2 '#include <arpa/inet.h>'
  plant "$root" pool/a.cc 2 '#include <openssl/evp.h>'
  plant "$root" pool/b.cc 2 '#include "protocol/frame.h"'
  plant "$root" pool/c.cc 2 'auto now = Clock::steady_clock::now();'
  plant "$root" pool/d.cc 2 '  # include <unistd.h>'
  plant "$root" conf/a.cc 2 '#include <toml++/toml.h>'
  plant "$root" conf/b.cc 2 '#include "proxy/worker.h"'
  plant "$root" conf/c.cc 2 '#include <event2/event.h>'
  expected+="conf/c.cc:2"$'\n'  # both not for conf/ and not at home
  plant "$root" proxy/a.cc 2 '#include "admin/console.h"'
  plant "$root" proxy/b.cc 2 'admin::Console* console;'
  plant "$root" proxy/c.cc 2 '#include <event2/bufferevent.h>'
  plant "$root" proxy/d.cc 2 '#include <libpq-fe.h>'
  plant "$root" proxy/e.cc 2 '#include <spdlog/spdlog.h>'
  plant "$root" proxy/f.cc 2 '#include <toml++/toml.h>'
  plant "$root" proxy/g.cc 2 '#include <prometheus/counter.h>'
  plant "$root" proxy/h.cc 2 '#include "socket.h"'
  plant "$root" admin/a.cc 2 '#include <event2/event.h>'
  plant "$root" admin/b.cc 2 '#include <spdlog/spdlog.h>'
  plant "$root" admin/c.cc 2 "// TO""DO later"
  plant "$root" docker/a.sh 2 "# FIX""ME"
  plant "$root" proxy/no_once.h 1 '// A header.'
  plant "$root" proxy/no_comment.h 1 '#pragma once'
  plant "$root" proxy/long.h $((max_header_lines + 1)) '#pragma once'
  plant "$root" proxy/just_short_enough.h "$max_header_lines" '#pragma once'
  plant "$root" proxy/long.cc $((max_source_lines + 1)) ''
  plant "$root" proxy/just_short_enough.cc "$max_source_lines" ''
  expected=$(grep -v just_short_enough <<<"$expected")
  mkdir "$root/scripts" && touch "$root/scripts/run.sh"
  rm "$root/LICENSE"
  expected+=$'\nLICENSE:1\nscripts:1'

  found=$(check_tree "$root")
  if ! diff <(sort <<<"$expected" | sed '/^$/d') <(cut -d: -f1,2 <<<"$found" | sort) >"$root/difference"; then
    printf 'check_house: self-test: < expected but not found, > found but not expected\n' >&2
    cat "$root/difference" >&2
    exit 1
  fi
  rm -rf "$root"
  trap - EXIT
}

if (($# != 1)); then
  echo "usage: check_house.sh ROOT | --self-test" >&2
  exit 2
fi
self_test
if [[ $1 == --self-test ]]; then
  echo "self-test passed"
  exit 0
fi
if [[ ! -f $1/CMakeLists.txt ]]; then
  echo "check_house: $1 is not the root of the tree" >&2
  exit 2
fi
violations=$(check_tree "$1")
if [[ -n $violations ]]; then
  printf '%s\n%d violations of the rules of the house\n' "$violations" "$(wc -l <<<"$violations")" >&2
  exit 1
fi
