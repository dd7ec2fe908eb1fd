#include "protocol/frame.h"

#include <array>

#include "protocol/message_writer.h"

namespace protocol {
namespace {

enum class Size : uint8_t { kForbidden, kSmall, kLarge };
using Sizes = std::array<Size, 256>;

constexpr Sizes MakeSizes(std::string_view small, std::string_view large) {
  Sizes sizes{};
  for (char c : small) sizes[static_cast<unsigned char>(c)] = Size::kSmall;
  for (char c : large) sizes[static_cast<unsigned char>(c)] = Size::kLarge;
  return sizes;
}

// p (a password) may be 64 kB; it never reaches a linked client's relay, so it is large here and checked by the login.
constexpr Sizes kClientSizes = MakeSizes("CDEHScX", "QPBFdfp");
// Everything that carries user data or text may be large; a server may send long errors and long parameter values.
constexpr Sizes kServerSizes = MakeSizes("123nsIKZGHWcR", "TDdCEtANSVv");

inline FrameStatus Read(const Sizes& sizes, std::string_view chunk, Frame& frame) {
  if (chunk.empty()) return FrameStatus::kIncomplete;
  const Size size = sizes[static_cast<unsigned char>(chunk[0])];
  if (size == Size::kForbidden) return FrameStatus::kBadType;
  if (chunk.size() < kFrameHeaderBytes) return FrameStatus::kIncomplete;
  const size_t length = ReadUint32(chunk.data() + 1);
  if (length < 4 || length > (size == Size::kLarge ? kLargeMessageBytesMax : kSmallMessageBytesMax)) return FrameStatus::kBadLength;
  frame.type = chunk[0];
  frame.total = length + 1;
  frame.here = chunk.substr(0, frame.total);
  return FrameStatus::kFrame;
}

}  // namespace

FrameStatus ReadClientFrame(std::string_view chunk, Frame& frame) { return Read(kClientSizes, chunk, frame); }
FrameStatus ReadServerFrame(std::string_view chunk, Frame& frame) { return Read(kServerSizes, chunk, frame); }

}  // namespace protocol
