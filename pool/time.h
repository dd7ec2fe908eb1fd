// Time as the pool sees it: microseconds on a monotonic clock that somebody else reads.
#pragma once

#include <chrono>
#include <cstdint>

namespace pool {

using Duration = std::chrono::microseconds;
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;
inline constexpr TimePoint kNever = TimePoint::max();

}  // namespace pool
