// How messages are cut out of a byte stream, and what is lawful for each message type.
//
// What: ReadFrame looks at the front of a chunk and says type, length and how much of it is there. It copies nothing and keeps
// nothing; the connection that reads keeps the few bytes of an unfinished header, or a message that must be whole.
// Threads: pure. Limits: as PostgreSQL's own: large messages up to 1 GB, the others kSmallMessageBytesMax.
// Source: PostgreSQL documentation, "Message Formats".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "protocol/message_writer.h"

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

// How large a message of each type may be; kForbidden: there is no such message in this direction.
enum class FrameSize : uint8_t { kForbidden, kSmall, kLarge };
using FrameSizes = std::array<FrameSize, 256>;

constexpr FrameSizes MakeFrameSizes(std::string_view small, std::string_view large) {
  FrameSizes sizes{};
  for (char c : small) sizes[static_cast<unsigned char>(c)] = FrameSize::kSmall;
  for (char c : large) sizes[static_cast<unsigned char>(c)] = FrameSize::kLarge;
  return sizes;
}

// p (a password) may be 64 kB; it never reaches a linked client's relay, so it is large here and checked by the login.
inline constexpr FrameSizes kClientFrameSizes = MakeFrameSizes("CDEHScX", "QPBFdfp");
// Everything that carries user data or text may be large; a server may send long errors and long parameter values.
inline constexpr FrameSizes kServerFrameSizes = MakeFrameSizes("123nsIKZGHWcR", "TDdCEtANSVv");

// In the header, since a result has many small messages and each passes here.
inline FrameStatus ReadFrame(const FrameSizes& sizes, std::string_view chunk, Frame& frame) {
  if (chunk.empty()) return FrameStatus::kIncomplete;
  const FrameSize size = sizes[static_cast<unsigned char>(chunk[0])];
  if (size == FrameSize::kForbidden) return FrameStatus::kBadType;
  if (chunk.size() < kFrameHeaderBytes) return FrameStatus::kIncomplete;
  const size_t length = ReadUint32(chunk.data() + 1);
  if (length < 4 || length > (size == FrameSize::kLarge ? kLargeMessageBytesMax : kSmallMessageBytesMax)) return FrameStatus::kBadLength;
  frame.type = chunk[0];
  frame.total = length + 1;
  frame.here = chunk.substr(0, frame.total);
  return FrameStatus::kFrame;
}

inline FrameStatus ReadClientFrame(std::string_view chunk, Frame& frame) { return ReadFrame(kClientFrameSizes, chunk, frame); }
inline FrameStatus ReadServerFrame(std::string_view chunk, Frame& frame) { return ReadFrame(kServerFrameSizes, chunk, frame); }

}  // namespace protocol
