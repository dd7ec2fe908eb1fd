#include "conf/units.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace conf {
namespace {

struct Unit {
  std::string_view name;
  int64_t microseconds;
};

// from the largest, so that Format takes the first that divides
constexpr std::array<Unit, 6> kUnits{{{"d", 86'400'000'000},
                                      {"h", 3'600'000'000},
                                      {"min", 60'000'000},
                                      {"s", 1'000'000},
                                      {"ms", 1'000},
                                      {"us", 1}}};
// Far below the range of int64 microseconds, so that deadlines (now + duration) cannot overflow either.
constexpr double kMaxMicroseconds = 100.0 * 365 * 86'400'000'000.0;

Parsed<Duration> FromMicroseconds(double microseconds) {
  if (!(microseconds >= 0)) return Refuse("must not be negative");
  if (microseconds > kMaxMicroseconds) return Refuse("must be shorter than 100 years");
  const auto rounded = std::llround(microseconds);
  // rounding down to 0 would silently mean "off"
  if (rounded == 0 && microseconds > 0) return Refuse("must be 0 or at least 1us");
  return Duration(rounded);
}

constexpr size_t kLongestQuote = 80;

}  // namespace

std::string Quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char character : text.substr(0, kLongestQuote)) {
    const auto byte = static_cast<unsigned char>(character);
    if (byte >= 0x20 && byte != 0x7f) {
      quoted += character;
      continue;
    }
    std::array<char, 8> escape{};
    const int length = std::snprintf(escape.data(), escape.size(), "\\x%02x", static_cast<unsigned>(byte));
    quoted.append(escape.data(), static_cast<size_t>(length));
  }
  return quoted + (text.size() > kLongestQuote ? "...'" : "'");
}

Parsed<Duration> SecondsToDuration(double seconds) { return FromMicroseconds(seconds * 1e6); }

Parsed<Duration> ParseDuration(std::string_view text) {
  const std::string_view trimmed = Trim(text);
  const std::string wrong = "must be a time such as 250ms, 5s, 10min, 1h or 2d (a plain number is seconds), not " +
                            Quoted(text);
  double number = 0;
  const auto [end, error] =
      std::from_chars(trimmed.data(), trimmed.data() + trimmed.size(), number, std::chars_format::fixed);
  if (error != std::errc() || !std::isfinite(number)) return Refuse(wrong);
  const std::string_view unit = Trim(trimmed.substr(static_cast<size_t>(end - trimmed.data())));
  if (unit.empty()) return SecondsToDuration(number);
  for (const Unit& known : kUnits) {
    if (unit == known.name) return FromMicroseconds(number * static_cast<double>(known.microseconds));
  }
  return Refuse(wrong);
}

std::string FormatDuration(Duration duration) {
  const int64_t microseconds = duration.count();
  if (microseconds == 0) return "0";
  for (const Unit& unit : kUnits) {
    if (microseconds % unit.microseconds == 0) {
      return std::to_string(microseconds / unit.microseconds) + std::string(unit.name);
    }
  }
  return std::to_string(microseconds) + "us";
}

Parsed<double> ParseFraction(std::string_view text) {
  std::string_view number_text = Trim(text);
  const std::string wrong = "must be from 0% to 100%, written 10% or 0.1, not " + Quoted(text);
  const bool percent = !number_text.empty() && number_text.back() == '%';
  if (percent) number_text = Trim(number_text.substr(0, number_text.size() - 1));
  double number = 0;
  const char* last = number_text.data() + number_text.size();
  const auto [end, error] = std::from_chars(number_text.data(), last, number, std::chars_format::fixed);
  if (error != std::errc() || end != last || number_text.empty()) return Refuse(wrong);
  if (percent) number /= 100;
  if (!(number >= 0 && number <= 1)) return Refuse(wrong);
  return number;
}

std::string FormatFraction(double fraction) {
  std::array<char, 32> buffer{};
  const int length = std::snprintf(buffer.data(), buffer.size(), "%.6f", fraction * 100);
  std::string text(buffer.data(), static_cast<size_t>(length));
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text + "%";
}

Parsed<int> ParseOctalMode(std::string_view text) {
  const std::string_view trimmed = Trim(text);
  int mode = 0;
  const char* last = trimmed.data() + trimmed.size();
  const auto [end, error] = std::from_chars(trimmed.data(), last, mode, 8);
  if (error != std::errc() || end != last || trimmed.empty() || mode < 0 || mode > 0777) {
    return Refuse("must be octal permission bits from \"0000\" to \"0777\", not " + Quoted(text));
  }
  return mode;
}

std::string FormatOctalMode(int mode) {
  std::array<char, 16> buffer{};
  const int length = std::snprintf(buffer.data(), buffer.size(), "%04o", static_cast<unsigned>(mode));
  return std::string(buffer.data(), static_cast<size_t>(length));
}

Parsed<int64_t> ParseInteger(std::string_view text) {
  const std::string_view trimmed = Trim(text);
  int64_t number = 0;
  const char* last = trimmed.data() + trimmed.size();
  const auto [end, error] = std::from_chars(trimmed.data(), last, number);
  if (error != std::errc() || end != last || trimmed.empty()) {
    return Refuse("must be a whole number, not " + Quoted(text));
  }
  return number;
}

Parsed<bool> ParseBool(std::string_view text) {
  const std::string_view trimmed = Trim(text);
  for (const std::string_view yes : {"true", "yes", "on", "1"}) {
    if (trimmed == yes) return true;
  }
  for (const std::string_view no : {"false", "no", "off", "0"}) {
    if (trimmed == no) return false;
  }
  return Refuse("must be true or false, not " + Quoted(text));
}

Parsed<AddressRange> ParseAddressRange(std::string_view text) {
  const std::string_view trimmed = Trim(text);
  const std::string wrong = "must be an address or a range such as 10.0.0.0/8 or fd00::/8, not " + Quoted(text);
  const size_t slash = trimmed.find('/');
  const std::string address(trimmed.substr(0, slash));
  AddressRange range;
  if (inet_pton(AF_INET, address.c_str(), range.bytes) != 1) {
    if (inet_pton(AF_INET6, address.c_str(), range.bytes) != 1) return Refuse(wrong);
    range.is_v6 = true;
  }
  if (address.size() != std::strlen(address.c_str())) return Refuse(wrong);  // a NUL ends what inet_pton sees
  const int all_bits = range.is_v6 ? 128 : 32;
  range.prefix_bits = all_bits;
  if (slash != std::string_view::npos) {
    const auto bits = ParseInteger(trimmed.substr(slash + 1));
    if (!bits || *bits < 0 || *bits > all_bits) return Refuse(wrong);
    range.prefix_bits = static_cast<int>(*bits);
  }
  AddressRange masked = range;
  for (int bit = range.prefix_bits; bit < all_bits; ++bit) {
    masked.bytes[bit / 8] = static_cast<uint8_t>(masked.bytes[bit / 8] & ~(0x80 >> (bit % 8)));
  }
  if (!(masked == range)) {
    return Refuse("has bits set beyond its prefix in " + Quoted(text) + "; write " + FormatAddressRange(masked) +
                          " for the range or " + address + " for the one address");
  }
  return range;
}

std::string FormatAddressRange(const AddressRange& range) {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  if (inet_ntop(range.is_v6 ? AF_INET6 : AF_INET, range.bytes, buffer.data(), buffer.size()) == nullptr) return "";
  return std::string(buffer.data()) + "/" + std::to_string(range.prefix_bits);
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::string_view StripLineEnd(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> items;
  while (true) {
    const size_t comma = text.find(',');
    const std::string_view item = Trim(text.substr(0, comma));
    if (!item.empty()) items.emplace_back(item);
    if (comma == std::string_view::npos) return items;
    text.remove_prefix(comma + 1);
  }
}

std::string JoinList(const std::vector<std::string>& items) {
  std::string joined;
  for (const std::string& item : items) {
    if (!joined.empty()) joined += ", ";
    joined += item;
  }
  return joined;
}

std::string PamServiceFault(std::string_view name) {
  constexpr size_t kLongestService = 63;
  // it is the name of a file, and libpam would take a path apart by rules of its own
  const bool is_file_name = std::all_of(name.begin(), name.end(), [](char character) {
    return (character >= 'a' && character <= 'z') || (character >= '0' && character <= '9') || character == '-' || character == '_' || character == '.';
  });
  if (!name.empty() && name.size() <= kLongestService && name.front() != '.' && is_file_name) return "";
  return "must be 1 to 63 lower case letters, digits, - _ and ., not " + Quoted(name);
}

}  // namespace conf
