// /etc/hosts: the addresses that the machine itself gives a name, before any name server is asked.
//
// What: FindInHosts reads the text anew each time, as the system's resolver does, so that a change needs no reload. Threads: any.
// Limits: a file of more than kHostsFileBytesMax counts as empty. Source: hosts(5).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proxy/socket_address.h"

namespace proxy {

inline constexpr const char* kHostsFile = "/etc/hosts";
inline constexpr size_t kHostsFileBytesMax = 4 * 1024 * 1024;

// In the order of the lines; names are the same in any case of letters. Lines that are none are passed over.
std::vector<SocketAddress> FindInHosts(std::string_view text, std::string_view name);
std::string ReadHostsFile(const std::string& path);  // empty when it cannot be read

}  // namespace proxy
