// A place in an unordered table that outlives the turn: elements may come and go between two steps.
//
// What: Next hands whole buckets to `take` until it has had enough of them. An element keeps its bucket until the table grows; then the
// cursor is lost, and whoever walks begins anew. Until then each element that is there from the first step to the last is met exactly
// once, one that came or went meanwhile once or not at all.
// Threads: that of the table, which it borrows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace proxy {

enum class CursorStep : uint8_t { kMore, kEnd, kLost };

template <typename Table>
class TableCursor {
 public:
  explicit TableCursor(const Table& table) : table_(table), buckets_(table.bucket_count()) {}

  // At most `elements`, but for the rest of a bucket, and at most `buckets`: of a table that was once larger most are empty.
  template <typename Take>
  CursorStep Next(size_t elements, size_t buckets, Take&& take) {
    if (table_.bucket_count() != buckets_) return CursorStep::kLost;
    const size_t end = std::min(bucket_ + buckets, buckets_);
    for (size_t taken = 0; bucket_ < end && taken < elements; ++bucket_) {
      for (auto at = table_.cbegin(bucket_); at != table_.cend(bucket_); ++at, ++taken) take(*at);
    }
    return bucket_ < buckets_ ? CursorStep::kMore : CursorStep::kEnd;
  }

 private:
  const Table& table_;
  const size_t buckets_;
  size_t bucket_ = 0;
};

}  // namespace proxy
