// A walk over a table that changes between its steps: whoever was there all the time is met once, however it grows and shrinks.
#include "proxy/table_cursor.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <set>
#include <unordered_map>

namespace proxy {
namespace {

using Table = std::unordered_map<uint64_t, int>;

TEST(TableCursor, AnEmptyTableEndsAtOnce) {
  const Table table;
  TableCursor cursor(table);
  EXPECT_EQ(cursor.Next(8, 4096, [](const auto&) { FAIL(); }), CursorStep::kEnd);
}

TEST(TableCursor, AStepTakesNoMoreThanItMay) {
  Table table;
  for (uint64_t id = 0; id < 1000; ++id) table.emplace(id, 0);
  TableCursor cursor(table);
  size_t taken = 0;
  EXPECT_EQ(cursor.Next(64, 4096, [&](const auto&) { ++taken; }), CursorStep::kMore);
  EXPECT_EQ(taken, 64U);  // these ids are alone in their buckets
  EXPECT_EQ(cursor.Next(64, 10, [&](const auto&) { ++taken; }), CursorStep::kMore);
  EXPECT_EQ(taken, 74U);
}

TEST(TableCursor, IsLostWhenTheTableHasGrown) {
  Table table{{1, 0}, {2, 0}, {3, 0}};
  TableCursor cursor(table);
  EXPECT_EQ(cursor.Next(1, 4096, [](const auto&) {}), CursorStep::kMore);
  table.rehash(table.bucket_count() * 2);
  EXPECT_EQ(cursor.Next(1, 4096, [](const auto&) { FAIL(); }), CursorStep::kLost);
}

TEST(TableCursor, WhoStaysIsMetOnceWhileOthersComeAndGo) {
  for (unsigned seed = 1; seed <= 50; ++seed) {
    std::mt19937 random(seed);
    Table table;
    uint64_t next_id = 1;
    std::set<uint64_t> stays;
    for (size_t i = 0; i < 200 + seed * 20; ++i) {
      stays.insert(next_id);
      table.emplace(next_id, 0);
      next_id += 1 + random() % 3;
    }
    std::set<uint64_t> guests;
    std::map<uint64_t, int> met;
    size_t restarts = 0;
    std::optional<TableCursor<Table>> cursor(table);
    for (CursorStep step = CursorStep::kMore; step != CursorStep::kEnd;) {
      step = cursor->Next(16, 64, [&](const auto& entry) { ++met[entry.first]; });
      if (step == CursorStep::kLost) {
        ++restarts;
        met.clear();
        cursor.emplace(table);
      }
      for (size_t i = random() % 24; i > 0; --i) {
        if (random() % 2 == 0 || guests.empty()) {
          guests.insert(next_id);
          table.emplace(next_id, 0);
          next_id += 1 + random() % 3;
        } else {
          table.erase(*guests.begin());
          guests.erase(guests.begin());
        }
      }
    }
    for (const uint64_t id : stays) ASSERT_EQ(met[id], 1) << id << ", seed " << seed;
    for (const auto& [id, times] : met) ASSERT_LE(times, 1) << id << ", seed " << seed;
    EXPECT_LE(restarts, 8U) << "once for each doubling";
  }
}

}  // namespace
}  // namespace proxy
