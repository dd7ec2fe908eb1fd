// How messages are cut out of a byte stream, and what is lawful for each message type.
//
// What: ReadFrame looks at the front of a chunk and says type, length and how much of it is there. It copies nothing and keeps
// nothing; the connection that reads keeps the few bytes of an unfinished header, or a message that must be whole.
// Threads: pure. Limits: as PostgreSQL's own: large messages up to 1 GB, the others kSmallMessageBytesMax.
// Source: PostgreSQL documentation, "Message Formats".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace protocol {

inline constexpr size_t kFrameHeaderBytes = 5;
inline constexpr size_t kLargeMessageBytesMax = 0x3ffffffe;
inline constexpr size_t kSmallMessageBytesMax = 10000;

struct Frame {
  char type = 0;
  size_t total = 0;       // type, length and body
  std::string_view here;  // the bytes of it that are in the chunk, header included
  bool IsWhole() const { return here.size() == total; }
  std::string_view body() const { return here.substr(kFrameHeaderBytes); }  // as far as it is here
};

enum class FrameStatus : uint8_t {
  kFrame,       // frame is set; at least its header is here
  kIncomplete,  // fewer than kFrameHeaderBytes bytes
  kBadType,
  kBadLength,
};

FrameStatus ReadClientFrame(std::string_view chunk, Frame& frame);
FrameStatus ReadServerFrame(std::string_view chunk, Frame& frame);

}  // namespace protocol
