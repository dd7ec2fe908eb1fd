// Server addresses as [databases.X] host and DATABASE_URL write them.
//
// What: pure functions. Forms: host, host:port, 10.0.0.1:5433, ::1, [::1]:5433, /folder, @abstract; several with
// commas.
// Port 0 in a parsed Host means "none given": the caller puts the section's port or 5432.
// Limits: kMaxHosts entries, names of at most 255 bytes.
// Threads: none; no name is looked up here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "conf/config.h"
#include "conf/units.h"

namespace conf {

inline constexpr size_t kMaxHosts = 64;
inline constexpr uint16_t kDefaultPort = 5432;
inline constexpr std::string_view kDefaultSocketFolder = "/var/run/postgresql";

Parsed<Host> ParseHost(std::string_view text);
Parsed<std::vector<Host>> ParseHosts(const std::vector<std::string>& items);
std::string FormatHosts(const std::vector<Host>& hosts);
Parsed<uint16_t> ParsePort(std::string_view text);

}  // namespace conf
