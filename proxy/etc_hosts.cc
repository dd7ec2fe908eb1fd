#include "proxy/etc_hosts.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <strings.h>

#include <algorithm>
#include <array>
#include <fstream>

namespace proxy {
namespace {

constexpr std::string_view kBlanks = " \t\r\f\v";

// The next word of the line, which is taken off; empty at its end.
std::string_view TakeWord(std::string_view& line) {
  const size_t begin = line.find_first_not_of(kBlanks);
  if (begin == line.npos) return line = {};
  const size_t end = std::min(line.find_first_of(kBlanks, begin), line.size());
  const std::string_view word = line.substr(begin, end - begin);
  line.remove_prefix(end);
  return word;
}

bool IsSameName(std::string_view left, std::string_view right) {
  return left.size() == right.size() && strncasecmp(left.data(), right.data(), left.size()) == 0;
}

}  // namespace

std::vector<SocketAddress> FindInHosts(std::string_view text, std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  std::vector<SocketAddress> addresses;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    line = line.substr(0, line.find('#'));
    const std::string address(TakeWord(line));
    bool is_ours = false;
    for (std::string_view word = TakeWord(line); !word.empty(); word = TakeWord(line)) is_ours = is_ours || IsSameName(word, name);
    if (!is_ours) continue;
    in6_addr raw{};  // room for either
    for (const int family : {AF_INET, AF_INET6}) {
      if (inet_pton(family, address.c_str(), &raw) != 1) continue;
      const SocketAddress found = SocketAddress::OfIp(static_cast<sa_family_t>(family), &raw);
      if (!Contains(addresses, found)) addresses.push_back(found);
    }
  }
  return addresses;
}

std::string ReadHostsFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text;
  std::array<char, 16 * 1024> part;
  while (file.read(part.data(), part.size()), file.gcount() > 0) {
    text.append(part.data(), static_cast<size_t>(file.gcount()));
    if (text.size() > kHostsFileBytesMax) return "";
  }
  return text;
}

}  // namespace proxy
