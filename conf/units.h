// Text to base units and back: the spellings that TOML strings, the environment and the command line share.
//
// What: pure functions. Parse returns the value, or a text that completes "KEY ..." ("must be a time such as ..., not
// 'x'").
// Format gives the canonical spelling that SHOW CONFIG prints; Parse(Format(x)) == x for every value a key accepts.
// Threads: none; no state, no locale (from_chars, never strtod).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "conf/config.h"

namespace conf {

template <typename T>
using Parsed = tl::expected<T, std::string>;
inline tl::unexpected<std::string> Refuse(std::string reason) { return tl::unexpected(std::move(reason)); }

// "5s", "10min", "250ms", "1h", "2d", "500us", "1.5h"; a plain number is seconds, as PgBouncer has it. Never negative.
Parsed<Duration> ParseDuration(std::string_view text);
Parsed<Duration> SecondsToDuration(double seconds);
std::string FormatDuration(Duration duration);  // the largest unit that divides it: 90s, 1min, 0

// "10%" or "0.1", from 0 to 1.
Parsed<double> ParseFraction(std::string_view text);
std::string FormatFraction(double fraction);

// Permission bits, always octal: "0777" or "777".
Parsed<int> ParseOctalMode(std::string_view text);
std::string FormatOctalMode(int mode);

Parsed<int64_t> ParseInteger(std::string_view text);
Parsed<bool> ParseBool(std::string_view text);  // true, false, yes, no, on, off, 1, 0

// "10.0.0.0/8", "fd00::/8", or one address without a slash. Bits beyond the prefix are refused: who writes 10.0.0.5/8
// may mean one host or sixteen million.
Parsed<AddressRange> ParseAddressRange(std::string_view text);
std::string FormatAddressRange(const AddressRange& range);

// For messages: in quotes, control bytes as \x0a so that a value cannot forge a log line, cut after 80 bytes.
std::string Quoted(std::string_view text);

// Why no PAM service can be called so: "must ..."; empty = it can.
std::string PamServiceFault(std::string_view name);

std::string_view Trim(std::string_view text);
std::string_view StripLineEnd(std::string_view text);  // one \n or \r\n, as editors and `echo` leave it behind a secret
std::vector<std::string> SplitList(std::string_view text);  // at commas, trimmed, empty items left out
std::string JoinList(const std::vector<std::string>& items);

}  // namespace conf
