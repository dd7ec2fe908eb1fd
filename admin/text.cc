#include "admin/text.h"

#include <algorithm>
#include <cstdint>

namespace admin {
namespace {

bool IsWithin(std::string_view text, size_t at, uint8_t low, uint8_t high) {
  if (at >= text.size()) return false;
  const auto byte = static_cast<uint8_t>(text[at]);
  return byte >= low && byte <= high;
}

// The bytes of the well-formed sequence that starts here, 0 when there is none (Unicode 15, table 3-7).
size_t SequenceBytes(std::string_view text) {
  const auto lead = static_cast<uint8_t>(text[0]);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return IsWithin(text, 1, 0x80, 0xbf) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    const uint8_t low = lead == 0xe0 ? 0xa0 : 0x80;   // no overlong forms
    const uint8_t high = lead == 0xed ? 0x9f : 0xbf;  // no surrogates
    return IsWithin(text, 1, low, high) && IsWithin(text, 2, 0x80, 0xbf) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const uint8_t low = lead == 0xf0 ? 0x90 : 0x80;
    const uint8_t high = lead == 0xf4 ? 0x8f : 0xbf;
    return IsWithin(text, 1, low, high) && IsWithin(text, 2, 0x80, 0xbf) && IsWithin(text, 3, 0x80, 0xbf) ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string Printable(std::string_view text, size_t bytes_max) {
  const auto is_plain = [](char c) { return c >= 0x20 && c < 0x7f; };
  if (text.size() <= bytes_max && std::all_of(text.begin(), text.end(), is_plain)) return std::string(text);
  std::string out;
  while (!text.empty()) {
    const size_t bytes = SequenceBytes(text);
    if (out.size() + std::max<size_t>(bytes, 1) > bytes_max) return out + "...";
    const auto first = static_cast<uint8_t>(text[0]);
    const bool is_control = bytes == 1 && (first < 0x20 || first == 0x7f);
    if (bytes == 0 || is_control) {
      out.push_back('?');
    } else {
      out.append(text.substr(0, bytes));
    }
    text.remove_prefix(std::max<size_t>(bytes, 1));
  }
  return out;
}

std::optional<std::string> PrintableOrNull(std::string_view text, size_t bytes_max) {
  if (text.empty()) return std::nullopt;
  return Printable(text, bytes_max);
}

std::string EscapeHtml(std::string_view text) {
  std::string out;
  for (const char c : Printable(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out.push_back(c);
    }
  }
  return out;
}

std::string JsonString(std::string_view text) {
  std::string out = "\"";
  for (const char c : Printable(text)) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + '"';
}

std::string Upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

}  // namespace admin
