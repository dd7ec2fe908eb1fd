// A value as DataRow and Bind carry it: its length, or -1 for NULL, then so many bytes.
//
// Threads: pure. Source: PostgreSQL documentation, "Message Formats": DataRow, Bind.
#pragma once

#include <optional>
#include <string_view>

namespace protocol {

struct WireValue {
  bool is_null = false;
  std::string_view text;
};
// The value at the front of `rest`, which is moved behind it; nullopt when its length does not fit.
std::optional<WireValue> TakeValue(std::string_view& rest);

}  // namespace protocol
