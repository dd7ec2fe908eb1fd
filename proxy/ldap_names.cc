#include "proxy/ldap_names.h"

namespace proxy {
namespace {

void AppendHex(std::string& out, char character) {
  constexpr char kDigits[] = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(character);
  out += '\\';
  out += kDigits[byte >> 4];
  out += kDigits[byte & 15];
}

bool IsControl(char character) { return static_cast<unsigned char>(character) < 0x20 || character == 0x7f; }

}  // namespace

std::string EscapeForDn(std::string_view value) {
  constexpr std::string_view kSpecial = "\"+,;<>\\=";
  std::string escaped;
  for (size_t i = 0; i < value.size(); ++i) {
    const char character = value[i];
    const bool is_edge = i == 0 || i + 1 == value.size();
    if (IsControl(character)) {
      AppendHex(escaped, character);
      continue;
    }
    if (kSpecial.find(character) != std::string_view::npos || (character == ' ' && is_edge) || (character == '#' && i == 0)) escaped += '\\';
    escaped += character;
  }
  return escaped;
}

std::string EscapeForFilter(std::string_view value) {
  constexpr std::string_view kSpecial = "*()\\";
  std::string escaped;
  for (const char character : value) {
    if (IsControl(character) || kSpecial.find(character) != std::string_view::npos) AppendHex(escaped, character);
    else escaped += character;
  }
  return escaped;
}

std::string DnOf(const conf::LdapOptions& options, std::string_view user) { return options.prefix + EscapeForDn(user) + options.suffix; }

std::string FilterOf(const conf::LdapOptions& options, std::string_view user) {
  const std::string name = EscapeForFilter(user);
  if (options.filter.empty()) return "(" + options.attribute + "=" + name + ")";
  std::string filter;
  std::string_view rest = options.filter;
  for (size_t at = rest.find(conf::kLdapUserName); at != std::string_view::npos; at = rest.find(conf::kLdapUserName)) {
    filter += std::string(rest.substr(0, at)) + name;
    rest.remove_prefix(at + conf::kLdapUserName.size());
  }
  return filter + std::string(rest);
}

}  // namespace proxy
