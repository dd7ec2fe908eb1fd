#include "protocol/wire_value.h"

#include "protocol/message_writer.h"

namespace protocol {

std::optional<WireValue> TakeValue(std::string_view& rest) {
  constexpr uint32_t kNull = 0xffffffff;
  if (rest.size() < 4) return std::nullopt;
  const uint32_t length = ReadUint32(rest.data());
  rest.remove_prefix(4);
  if (length == kNull) return WireValue{.is_null = true, .text = {}};
  if (length > rest.size()) return std::nullopt;
  const WireValue value{.is_null = false, .text = rest.substr(0, length)};
  rest.remove_prefix(length);
  return value;
}

}  // namespace protocol
