// What a client connection may keep, and how long it lingers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "pool/time.h"

namespace proxy {

inline constexpr size_t kPendingBytesMax = 64 * 1024;
// A text is read whole up to here. What is longer goes on unread: the client keeps its server from then on (pin `settings`).
inline constexpr size_t kSniffBytes = 4 * 1024 * 1024;
inline constexpr pool::Duration kLingerAfterFatal{1'000'000};
inline constexpr std::string_view kQueueTimeout = "pgweir.queue_timeout";  // a setting of the session
inline constexpr uint64_t kRetryAfterLeastMs = 100, kRetryAfterMostMs = 10'000;  // told in HINT when the pool is full

}  // namespace proxy
