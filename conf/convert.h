// A Config that was read from pgbouncer.ini, written as TOML that loads to the same.
//
// What: the keys that are given or are not pgweir's default, each with a comment where pgweir behaves differently, then
// the databases and users. The result was loaded again and compared before it is handed out; a refusal says what TOML
// cannot express (text that is not UTF-8). Passwords are in it, as they are in the ini.
// Threads: none. Reads auth_file and the other files that the configuration names, by options.read_file.
#pragma once

#include <string>

#include "conf/loader.h"
#include "conf/units.h"

namespace conf {

// `options` are those that `config` was loaded with.
Parsed<std::string> ToToml(const Config& config, const LoadOptions& options);

// The same settings, databases, users and secrets, wherever they were read from.
bool MeanTheSame(const Config& left, const Config& right);

}  // namespace conf
