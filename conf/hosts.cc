#include "conf/hosts.h"

#include <arpa/inet.h>

#include <algorithm>

namespace conf {
namespace {

constexpr size_t kLongestName = 255;

bool IsV6Address(std::string_view text) {
  in6_addr address{};
  return text.find('\0') == std::string_view::npos && inet_pton(AF_INET6, std::string(text).c_str(), &address) == 1;
}

bool IsHostCharacter(char character) {
  const auto byte = static_cast<unsigned char>(character);
  return byte > 0x20 && byte != 0x7f && character != '[' && character != ']' && character != '/' && character != '@';
}

}  // namespace

Parsed<uint16_t> ParsePort(std::string_view text) {
  const auto number = ParseInteger(text);
  if (!number || *number < 1 || *number > 65535) return Refuse("port must be a whole number from 1 to 65535");
  return static_cast<uint16_t>(*number);
}

Parsed<Host> ParseHost(std::string_view text) {
  text = Trim(text);
  Host host;
  host.port = 0;
  if (text.empty()) return Refuse("must not contain an empty host");
  if (text.size() > kLongestName) return Refuse("must not contain a host longer than 255 bytes");
  if (text.front() == '/' || text.front() == '@') {
    if (std::any_of(text.begin(), text.end(), [](char byte) { return byte == '\0' || byte == '\n'; })) {
      return Refuse("must not contain control characters, as in " + Quoted(text));
    }
    host.name = text;
    return host;
  }
  std::string_view port;
  bool has_port = false;
  if (text.front() == '[') {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return Refuse("must close the bracket in " + Quoted(text));
    host.name = text.substr(1, close - 1);
    const std::string_view rest = text.substr(close + 1);
    if (!IsV6Address(host.name) || (!rest.empty() && rest.front() != ':')) {
      return Refuse("must write an IPv6 address as [::1] or [::1]:5432, not " + Quoted(text));
    }
    has_port = !rest.empty();
    if (has_port) port = rest.substr(1);
  } else if (std::count(text.begin(), text.end(), ':') > 1) {
    if (!IsV6Address(text)) {
      return Refuse("must write an IPv6 address as [::1] or [::1]:5432, not " + Quoted(text));
    }
    host.name = text;
  } else {
    const size_t colon = text.find(':');
    host.name = text.substr(0, colon);
    has_port = colon != std::string_view::npos;
    if (has_port) port = text.substr(colon + 1);
    if (host.name.empty() || !std::all_of(host.name.begin(), host.name.end(), IsHostCharacter)) {
      return Refuse("must be a host name, an address, /folder or @abstract, not " + Quoted(text));
    }
  }
  if (has_port) {
    const auto number = ParsePort(port);
    if (!number) return Refuse("has a wrong port in " + Quoted(text) + ": " + number.error());
    host.port = *number;
  }
  return host;
}

Parsed<std::vector<Host>> ParseHosts(const std::vector<std::string>& items) {
  std::vector<Host> hosts;
  for (const std::string& item : items) {
    auto host = ParseHost(item);
    if (!host) return Refuse(host.error());
    hosts.push_back(std::move(*host));
  }
  if (hosts.empty()) return Refuse("must name at least one host");
  if (hosts.size() > kMaxHosts) return Refuse("must not name more than " + std::to_string(kMaxHosts) + " hosts");
  return hosts;
}

std::string FormatHosts(const std::vector<Host>& hosts) {
  std::vector<std::string> items;
  for (const Host& host : hosts) {
    const bool needs_brackets = host.name.find(':') != std::string::npos && !host.is_unix();
    std::string item = needs_brackets ? "[" + host.name + "]" : host.name;
    // a socket's port has no place inside the entry, yet a change of it must show
    if (host.is_unix()) {
      item += " port " + std::to_string(host.port);
    } else {
      item += ":" + std::to_string(host.port);
    }
    items.push_back(std::move(item));
  }
  return JoinList(items);
}

}  // namespace conf
