// Every message type from both sides: which are known, which lengths are believed.
#include "protocol/frame.h"

#include <gtest/gtest.h>

#include "tests/unit/protocol/wire_bytes.h"

namespace protocol {
namespace {

using Reader = FrameStatus (*)(std::string_view, Frame&);

struct Side {
  const char* name;
  Reader read;
  std::string_view small, large;
};
// PostgreSQL's own limits: SocketBackend() in postgres.c for the first; a server may send anything long that carries
// text.
const Side kSides[] = {{"client", &ReadClientFrame, "CDEHScX", "QPBFdfp"},
                       {"server", &ReadServerFrame, "123nsIKZGHWcR", "TDdCEtANSVv"}};

FrameStatus ReadHead(const Side& side, char type, uint32_t length) {
  const ExactCopy head(std::string(1, type) + Big32(length));
  Frame frame;
  return side.read(head.view(), frame);
}

TEST(FrameTest, KnowsTheTypesOfEachSideAndNoOthers) {
  for (const Side& side : kSides) {
    for (int type = 0; type < 256; ++type) {
      const char c = static_cast<char>(type);
      const bool is_known =
          type != 0 && (side.small.find(c) != std::string_view::npos || side.large.find(c) != std::string_view::npos);
      EXPECT_EQ(ReadHead(side, c, 4), is_known ? FrameStatus::kFrame : FrameStatus::kBadType)
          << side.name << " " << type;
      // An unknown type is told from its first byte: no need to wait for a length.
      Frame frame;
      EXPECT_EQ(side.read(std::string_view(&c, 1), frame), is_known ? FrameStatus::kIncomplete : FrameStatus::kBadType);
    }
  }
}

TEST(FrameTest, LengthsAreCheckedAtEachLimit) {
  for (const Side& side : kSides) {
    for (const auto& [types, max] :
         {std::pair(side.small, kSmallMessageBytesMax), std::pair(side.large, kLargeMessageBytesMax)}) {
      for (const char type : types) {
        for (const uint32_t bad : {0u, 1u, 3u, 0x7fffffffu, 0x80000000u, 0xffffffffu, static_cast<uint32_t>(max) + 1}) {
          EXPECT_EQ(ReadHead(side, type, bad), FrameStatus::kBadLength) << side.name << " " << type << " " << bad;
        }
        for (const size_t good : {size_t{4}, max - 1, max}) {
          EXPECT_EQ(ReadHead(side, type, static_cast<uint32_t>(good)), FrameStatus::kFrame)
              << side.name << " " << type << " " << good;
        }
      }
    }
  }
}

TEST(FrameTest, SaysHowMuchIsThereAtEveryByte) {
  const std::string message = "Q" + Big32(4 + 6) + Z("hello");
  const std::string behind = "X" + Big32(4);
  for (size_t there = 0; there <= message.size() + behind.size(); ++there) {
    const ExactCopy chunk((message + behind).substr(0, there));
    Frame frame;
    const FrameStatus status = ReadClientFrame(chunk.view(), frame);
    if (there < kFrameHeaderBytes) {
      EXPECT_EQ(status, FrameStatus::kIncomplete) << there;
      continue;
    }
    ASSERT_EQ(status, FrameStatus::kFrame) << there;
    EXPECT_EQ(frame.type, 'Q');
    EXPECT_EQ(frame.total, message.size());
    EXPECT_EQ(frame.here, message.substr(0, there));
    EXPECT_EQ(frame.IsWhole(), there >= message.size());
    EXPECT_EQ(frame.body(), message.substr(kFrameHeaderBytes, std::min(there, message.size()) - kFrameHeaderBytes));
  }
}

}  // namespace
}  // namespace protocol
