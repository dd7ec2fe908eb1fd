// The pieces of one write: what is merged, what is copied, what is cut off again, and never a byte out of order.
#include "proxy/parts.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace proxy {
namespace {

std::string BytesOf(Parts& parts) {
  std::string bytes;
  for (const iovec& piece : parts.Vector()) bytes.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
  EXPECT_EQ(parts.bytes(), bytes.size());
  EXPECT_EQ(parts.empty(), bytes.empty());
  return bytes;
}

TEST(PartsTest, EmptyAtFirstAndAfterClear) {
  Parts parts;
  EXPECT_TRUE(parts.empty());
  EXPECT_EQ(parts.Vector().size(), 0u);
  parts.Add("");
  parts.AddOwn("");
  EXPECT_TRUE(parts.empty());
  parts.AddOwn("own");
  parts.Clear();
  EXPECT_EQ(BytesOf(parts), "");
}

// A stream that is only forwarded is one piece, and is not copied.
TEST(PartsTest, SlicesThatFollowOneAnotherStayOne) {
  const std::string buffer = "abcdefghi";
  const std::string_view all = buffer;
  Parts parts;
  for (size_t i = 0; i < all.size(); i += 3) parts.Add(all.substr(i, 3));
  ASSERT_EQ(parts.Vector().size(), 1u);
  EXPECT_EQ(parts.Vector()[0].iov_base, buffer.data());
  EXPECT_EQ(BytesOf(parts), buffer);
}

TEST(PartsTest, ShortSlicesBehindOurOwnAreCopiedBesideIt) {
  const std::string buffer(kCopiedSliceMax, 'x');
  Parts parts;
  parts.AddOwn("own");
  parts.Add(buffer);
  parts.AddOwn("own");
  EXPECT_EQ(parts.Vector().size(), 1u);
  EXPECT_EQ(BytesOf(parts), "own" + buffer + "own");
}

TEST(PartsTest, LongSlicesStayWhereTheyAre) {
  const std::string buffer(kCopiedSliceMax + 1, 'x');
  Parts parts;
  parts.AddOwn("own");
  parts.Add(buffer);
  parts.AddOwn("more");
  ASSERT_EQ(parts.Vector().size(), 3u);
  EXPECT_EQ(parts.Vector()[1].iov_base, buffer.data());
  EXPECT_EQ(BytesOf(parts), "own" + buffer + "more");
}

TEST(PartsTest, TheFirstSliceIsNeverCopied) {
  const std::string buffer = "abc";
  Parts parts;
  parts.Add(buffer);
  parts.AddOwn("own");
  EXPECT_EQ(parts.Vector()[0].iov_base, buffer.data());
  EXPECT_EQ(BytesOf(parts), "abcown");
}

TEST(PartsTest, OurOwnBytesMayMoveWhileTheyGrow) {
  Parts parts;
  std::string expected;
  const std::string buffer(kCopiedSliceMax + 1, 'x');
  for (int i = 0; i < 5; ++i) {
    const std::string own(size_t{10'000}, static_cast<char>('a' + i));
    parts.AddOwn(own);
    parts.Add(buffer);
    expected += own + buffer;
  }
  EXPECT_EQ(BytesOf(parts), expected);
}

TEST(PartsTest, BeginAndEndAroundWhatIsWritten) {
  Parts parts;
  parts.BeginOwn().append("one");
  parts.EndOwn();
  parts.BeginOwn();
  parts.EndOwn();
  parts.BeginOwn().append("two");
  parts.EndOwn();
  EXPECT_EQ(parts.Vector().size(), 1u);
  EXPECT_EQ(BytesOf(parts), "onetwo");
}

// At the limit even long slices are copied: the number of pieces ends, the bytes do not.
TEST(PartsTest, NoMorePiecesThanTheLimitAndOneOfOurOwn) {
  const std::string buffer(kCopiedSliceMax + 1, 'x');
  for (const size_t count : {kPartsMax - 1, kPartsMax, kPartsMax + 1, 3 * kPartsMax}) {
    for (const std::string& own : {std::string(), std::string("own")}) {
      Parts parts;
      std::string expected;
      for (size_t i = 0; i < count; ++i) {
        parts.Add(buffer);  // never contiguous with itself
        parts.AddOwn(own);
        expected += buffer + own;
      }
      EXPECT_LE(parts.Vector().size(), kPartsMax + 1) << count;
      EXPECT_EQ(BytesOf(parts), expected) << count;
    }
  }
}

TEST(PartsTest, ALargeBufferOfOurOwnIsGivenBack) {
  Parts parts;
  parts.AddOwn(std::string(kPartsKeptBytes + 1, 'x'));
  parts.Clear();
  EXPECT_LE(parts.BeginOwn().capacity(), kPartsKeptBytes);
  parts.EndOwn();
  EXPECT_TRUE(parts.empty());
}

TEST(PartsTest, CutToTheMark) {
  const std::string buffer = "abcdef";
  const std::string_view all = buffer;
  Parts parts;
  parts.CutTo(parts.mark());
  EXPECT_EQ(BytesOf(parts), "");
  parts.Add(all.substr(0, 3));
  const Parts::Mark in_slice = parts.mark();
  parts.Add(all.substr(3));  // grows the same piece
  parts.AddOwn("own");
  const Parts::Mark in_own = parts.mark();
  parts.AddOwn("more");
  parts.Add("x");
  parts.CutTo(in_own);
  EXPECT_EQ(BytesOf(parts), "abcdefown");
  parts.AddOwn("!");
  EXPECT_EQ(BytesOf(parts), "abcdefown!");
  parts.CutTo(in_slice);
  EXPECT_EQ(BytesOf(parts), "abc");
  parts.AddOwn("own");
  EXPECT_EQ(BytesOf(parts), "abcown");
  parts.CutTo({});
  EXPECT_EQ(BytesOf(parts), "");
}

TEST(PartsTest, RandomPiecesKeepTheirBytes) {
  const std::string buffer = [] {
    std::string text(8 * kCopiedSliceMax, '\0');
    for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 26);
    return text;
  }();
  for (unsigned seed = 1; seed <= 300; ++seed) {
    std::mt19937 dice(seed);
    Parts parts;
    std::string expected;
    std::vector<std::pair<Parts::Mark, size_t>> marks;
    size_t read = 0;  // in the buffer, as a relay goes through it
    for (int turn = 0; turn < 60; ++turn) {
      const size_t size = dice() % 3 == 0 ? dice() % (2 * kCopiedSliceMax) : dice() % 40;
      switch (dice() % 8) {
        case 0:
        case 1: {
          const std::string own(size, static_cast<char>('A' + turn % 26));
          parts.AddOwn(own);
          expected += own;
          break;
        }
        case 2:
          read = dice() % buffer.size();
          break;  // something is left out
        case 3:
          marks.emplace_back(parts.mark(), expected.size());
          break;
        case 4: {
          if (marks.empty() || dice() % 4 != 0) break;
          parts.CutTo(marks.back().first);
          expected.resize(marks.back().second);
          marks.pop_back();
          break;
        }
        default: {
          const std::string_view slice = std::string_view(buffer).substr(read, size);
          parts.Add(slice);
          expected += slice;
          read += slice.size();
        }
      }
      ASSERT_EQ(BytesOf(parts), expected) << "seed " << seed << ", turn " << turn;
      ASSERT_LE(parts.Vector().size(), kPartsMax + 1);
    }
  }
}

}  // namespace
}  // namespace proxy
