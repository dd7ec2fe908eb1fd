// Text from outside made safe for where it is printed: error messages, metric labels, HTML, JSON.
//
// What: database and user names come from clients, so they may hold anything: control characters, broken UTF-8, markup.
// One label with broken UTF-8 would make Prometheus refuse the whole scrape; one in an error would break strict
// drivers. Threads: pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace admin {

inline constexpr size_t kPrintableBytesMax = 255;

// Valid UTF-8 without control characters; every byte that is neither becomes '?'. Cut (with "...") after `bytes_max`.
std::string Printable(std::string_view text, size_t bytes_max = kPrintableBytesMax);

std::optional<std::string> PrintableOrNull(std::string_view text, size_t bytes_max = kPrintableBytesMax);  // nothing for ""

std::string EscapeHtml(std::string_view text);  // after Printable
std::string JsonString(std::string_view text);  // after Printable, with the quotes

std::string Upper(std::string_view text);  // ASCII only
std::string Lower(std::string_view text);  // ASCII only

}  // namespace admin
