#include "protocol/unnamed_statement.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace protocol {
namespace {

using First = UnnamedStatement::First;

TEST(UnnamedStatement, AParseThatIsSkippedLeavesTheOneBefore) {
  UnnamedStatement unnamed;
  unnamed.Push("first", 1);
  unnamed.Confirm(1);
  unnamed.Push("second", 2);
  EXPECT_EQ(unnamed.newest().body, "second");
  unnamed.Undo(1, First::kSkipped);
  EXPECT_EQ(unnamed.newest().body, "first");
  EXPECT_NE(unnamed.newest().serial, 0u);
}

TEST(UnnamedStatement, AParseThatFailsLeavesNone) {
  UnnamedStatement unnamed;
  unnamed.Push("first", 1);
  unnamed.Confirm(1);
  unnamed.Push("second", 2);
  unnamed.Push("third", 2);
  unnamed.Undo(2, First::kFailed);
  EXPECT_EQ(unnamed.newest().serial, 0u);
}

TEST(UnnamedStatement, OneThatWasSentBehindAFailureStays) {
  UnnamedStatement unnamed;
  unnamed.Push("first", 1);
  unnamed.Push("second", 2);
  unnamed.Push("third", 3);
  unnamed.Confirm(1);
  unnamed.Undo(1, First::kSkipped);
  EXPECT_EQ(unnamed.newest().body, "third");
  unnamed.Undo(1, First::kSkipped);
  EXPECT_EQ(unnamed.newest().body, "first");
}

TEST(UnnamedStatement, ASimpleQueryDropsAllOfThem) {
  UnnamedStatement unnamed;
  unnamed.Push("first", 1);
  unnamed.Push("second", 2);
  unnamed.Drop();
  EXPECT_EQ(unnamed.newest().serial, 0u);
  unnamed.Push("third", 3);
  unnamed.Confirm(2);
  unnamed.Undo(1, First::kSkipped);
  EXPECT_EQ(unnamed.newest().serial, 0u);
}

TEST(UnnamedStatement, NothingIsKnownOfOneThatIsGone) {
  UnnamedStatement unnamed;
  const auto is_nothing = [&unnamed] {
    const auto& newest = unnamed.newest();
    return newest.serial == 0 && newest.flags == 0 && newest.details.empty() && newest.body.empty();
  };
  const auto push = [&unnamed] {
    auto& version = unnamed.Push("EXECUTE a", 1);
    version.flags = kSqlExecute;
    version.details.emplace_back();
  };
  push();
  EXPECT_FALSE(is_nothing());
  unnamed.Drop();
  EXPECT_TRUE(is_nothing());
  push();
  unnamed.Confirm(2);
  unnamed.PushNone(2);
  EXPECT_TRUE(is_nothing());
  unnamed.Undo(1, First::kSkipped);
  EXPECT_FALSE(is_nothing());
  unnamed.Push("SELEKT", 3);
  unnamed.Undo(1, First::kFailed);
  EXPECT_TRUE(is_nothing());
}

TEST(UnnamedStatement, ALongTextIsNotKept) {
  UnnamedStatement unnamed;
  unnamed.Push(std::string(kUnnamedTextMax + 1, 'x'), 1);
  EXPECT_EQ(unnamed.newest().body, "");
  EXPECT_NE(unnamed.newest().serial, 0u);
}

TEST(UnnamedStatement, MoreAnswersThanMessagesHarmNothing) {
  UnnamedStatement unnamed;
  unnamed.Confirm(3);
  unnamed.Undo(3, First::kFailed);
  unnamed.Push("first", 1);
  unnamed.Confirm(7);
  EXPECT_EQ(unnamed.newest().body, "first");
}

// Beside a list of what would be there if PostgreSQL did each message now.
TEST(UnnamedStatement, RandomPipelinesEndWithWhatTheServerHas) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    std::mt19937 dice(seed);
    UnnamedStatement unnamed;
    std::vector<std::string> sent;  // "" = Close
    std::string server;             // what it has
    for (uint64_t batch = 1; batch < 40; ++batch) {
      for (auto parses = dice() % 3; parses > 0; --parses) {
        const bool closes = dice() % 5 == 0;
        sent.push_back(closes ? "" : "text " + std::to_string(batch) + std::to_string(parses));
        if (closes) unnamed.PushNone(batch);
        else unnamed.Push(sent.back(), batch);
      }
      while (!sent.empty() && dice() % 4 != 0) {
        const size_t count = 1 + dice() % sent.size();
        const auto end = sent.begin() + static_cast<std::ptrdiff_t>(count);
        switch (dice() % 3) {
          case 0:
            server = *(end - 1);
            unnamed.Confirm(static_cast<uint32_t>(count));
            break;
          case 1: unnamed.Undo(static_cast<uint32_t>(count), First::kSkipped); break;
          default:
            server.clear();
            unnamed.Undo(static_cast<uint32_t>(count), First::kFailed);
        }
        sent.erase(sent.begin(), end);
      }
      if (!sent.empty()) continue;
      EXPECT_EQ(unnamed.newest().serial != 0, !server.empty()) << seed;
      if (!server.empty()) {
        EXPECT_EQ(unnamed.newest().body, server) << seed;
      }
    }
  }
}

}  // namespace
}  // namespace protocol
