// Whole small files: configuration, user list, secrets, certificates to be checked.
//
// What: reads at most kMaxFileSize bytes; folders and larger files are refused. A failure says why and what to do.
// Threads: any, blocking; never a worker.
#pragma once

#include <string>

#include "conf/units.h"

namespace conf {

inline constexpr size_t kMaxFileSize = 16 << 20;

Parsed<std::string> ReadFile(const std::string& path);

}  // namespace conf
