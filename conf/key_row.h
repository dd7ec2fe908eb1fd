// A row of SHOW CONFIG: a key, its value in force, and who has said so.
// Threads: values. Errors: none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace conf {

// Where the value in force comes from: what SHOW CONFIG prints in its column "source".
enum class Source : uint8_t { kDefault, kFile, kEnvironment, kCommandLine, kConsole };
std::string_view Name(Source);

// One row of SHOW CONFIG. Secrets are never in it.
struct KeyRow {
  std::string key, value, default_value;
  bool changeable = true;  // false: needs a restart
  std::string source;      // "default", "pgweir.toml:12", "PGWEIR_LISTEN_PORT", "command line"
};

}  // namespace conf
