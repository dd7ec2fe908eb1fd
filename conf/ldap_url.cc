#include "conf/ldap_url.h"

#include <algorithm>
#include <vector>

namespace conf {
namespace {

int HexDigit(char character) {
  if (character >= '0' && character <= '9') return character - '0';
  if (character >= 'a' && character <= 'f') return character - 'a' + 10;
  if (character >= 'A' && character <= 'F') return character - 'A' + 10;
  return -1;
}

// nullopt-like: false when a % is followed by no two digits, or stands for a control character.
bool Decode(std::string_view text, std::string& decoded) {
  for (size_t i = 0; i < text.size(); ++i) {
    char character = text[i];
    if (character == '%') {
      const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return false;
      character = static_cast<char>(high * 16 + low);
      if (static_cast<unsigned char>(character) < 0x20 || character == 0x7f) return false;
      i += 2;
    }
    decoded += character;
  }
  return true;
}

// "host", "host:389", "[::1]:389".
bool TakeHost(std::string_view text, LdapUrl& url) {
  const size_t bracket = text.find(']');
  const size_t colon = text.find(':', bracket == std::string_view::npos ? 0 : bracket);
  url.host = text.substr(0, colon);
  if (!IsLdapHost(url.host)) return false;
  if (colon == std::string_view::npos) return true;
  const auto port = ParseInteger(text.substr(colon + 1));
  if (!port || *port < 1 || *port > 65535) return false;
  url.port = static_cast<int>(*port);
  return true;
}

bool TakeScope(std::string_view text, LdapUrl& url) {
  if (text.empty() || text == "base") url.scope = LdapScope::kBase;
  else if (text == "one") url.scope = LdapScope::kOne;
  else if (text == "sub") url.scope = LdapScope::kSub;
  else return false;
  return true;
}

}  // namespace

bool IsLdapHost(std::string_view host) {
  const bool is_v6 = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (is_v6) host = host.substr(1, host.size() - 2);
  constexpr size_t kLongestHost = 255;
  return !host.empty() && host.size() <= kLongestHost && std::all_of(host.begin(), host.end(), [is_v6](char character) {
    if (is_v6) return HexDigit(character) >= 0 || character == ':' || character == '.';
    return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
           (character >= '0' && character <= '9') || character == '.' || character == '-' || character == '_';
  });
}

Parsed<LdapUrl> ParseLdapUrl(std::string_view text) {
  LdapUrl url;
  if (text.starts_with("ldaps://")) url.is_ldaps = true;
  else if (!text.starts_with("ldap://")) return Refuse("must begin with ldap:// or ldaps://");
  text.remove_prefix(url.is_ldaps ? 8 : 7);
  const size_t slash = std::min(text.find('/'), text.size());
  if (!TakeHost(text.substr(0, slash), url)) {
    return Refuse("must name a host, with a port from 1 to 65535 or none, such as ldap://10.0.0.5:389/dc=example,dc=net?uid?sub");
  }
  std::string_view rest = text.substr(std::min(slash + 1, text.size()));
  std::vector<std::string_view> parts;
  for (bool is_last = false; !is_last;) {
    const size_t end = rest.find('?');
    is_last = end == std::string_view::npos;
    parts.push_back(rest.substr(0, end));
    if (!is_last) rest.remove_prefix(end + 1);
  }
  if (parts.size() > 5 || (parts.size() == 5 && !parts[4].empty())) return Refuse("must not have extensions behind the filter");
  parts.resize(5);
  if (!Decode(parts[0], url.base_dn) || !Decode(parts[1], url.attribute) || !Decode(parts[3], url.filter)) {
    return Refuse("has a % that is not followed by two hexadecimal digits of a printable character");
  }
  if (url.attribute.find(',') != std::string::npos) return Refuse("must name one attribute");
  if (!TakeScope(parts[2], url)) return Refuse("must have the scope base, one or sub, not " + Quoted(parts[2]));
  return url;
}

}  // namespace conf
