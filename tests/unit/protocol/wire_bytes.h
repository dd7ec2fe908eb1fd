// What the tests of the login machines share: cutting written bytes into messages, big-endian numbers, exactly sized copies.
// Threads: pure. Split fails the test when the bytes are not whole messages.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/message_writer.h"

namespace protocol {

struct WrittenMessage {
  char type = 0;
  std::string body;
};

inline std::vector<WrittenMessage> Split(std::string_view bytes) {
  std::vector<WrittenMessage> messages;
  while (!bytes.empty()) {
    const size_t length = bytes.size() >= 5 ? ReadUint32(bytes.data() + 1) : 0;
    if (length < 4 || length + 1 > bytes.size()) {
      ADD_FAILURE() << "not a whole message: " << bytes.size() << " bytes left";
      return messages;
    }
    messages.push_back({bytes.front(), std::string(bytes.substr(5, length - 4))});
    bytes.remove_prefix(length + 1);
  }
  return messages;
}

inline std::string Big32(uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(value >> shift & 0xff));
  return bytes;
}

// A text and its zero byte.
inline std::string Z(std::string_view text) { return std::string(text) + '\0'; }

// A heap block of exactly this size, so that AddressSanitizer sees a read of one byte too many.
class ExactCopy {
 public:
  explicit ExactCopy(std::string_view bytes) : size_(bytes.size()), bytes_(new char[bytes.size()]) {
    std::memcpy(bytes_.get(), bytes.data(), size_);
  }
  std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  size_t size_;
  std::unique_ptr<char[]> bytes_;
};

}  // namespace protocol
