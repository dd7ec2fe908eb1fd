// The commands of the binary that do not run the proxy: check, convert and health.
#pragma once

#include <string>

#include "conf/loader.h"

namespace proxy {

conf::LoadOptions LoadOptionsFor(const std::string& file, const std::vector<std::string>& settings);

enum class CheckDepth : unsigned char { kFile, kConnect };
// Prints every mistake; with kConnect it also logs in to each database and compares the caps with its max_connections.
int RunCheck(const conf::LoadOptions& options, CheckDepth depth);

// Prints the TOML that means the same as a pgbouncer.ini; of the file alone, whatever the environment says.
int RunConvert(const std::string& file);

// The probe for images without a shell: /readyz where http_listen_port is set, else whether the listener answers.
int RunHealth(const conf::LoadOptions& options);

}  // namespace proxy
