#include "admin/advice.h"

#include <algorithm>

#include "pool/erlang.h"

namespace admin {
namespace {

std::string Number(int value) { return std::to_string(value); }

// What stands in the way of a larger pool.
std::string Caps(int size, const PoolBounds& bounds) {
  const int most = size + bounds.reserve;
  std::string text;
  if (bounds.database_cap > 0 && most > bounds.database_cap) text += ", and max_db_connections (" + Number(bounds.database_cap) + ") with it";
  if (bounds.user_cap > 0 && most > bounds.user_cap) text += ", and max_user_connections (" + Number(bounds.user_cap) + ") with it";
  return text;
}

std::string TextOf(const Advice& advice, const PoolBounds& bounds, bool waits) {
  const int size = *advice.size;
  if (size > bounds.size && !waits) return "enough: the clients that there are hardly wait";
  if (size > bounds.size) {
    const bool is_full = advice.use >= kAdviceFull;
    return "raise pool_size to " + Number(size) + (is_full ? " or more: it is full, and who cannot get in is not counted" : "") +
           Caps(size, bounds) + "; SHOW CAPACITY says what the server allows";
  }
  if (waits) return "enough for an even load: who waited came in a burst, or while servers were opened, paused or lost";
  if (2 * size <= bounds.size) return "lower pool_size to " + Number(size) + ", if these minutes were busy ones";
  return "enough";
}

}  // namespace

Advice Advise(const PoolLoad& load, const PoolBounds& bounds) {
  Advice advice;
  const double seconds = static_cast<double>(load.period.count()) / 1e6;
  if (seconds > 0) advice.rate = static_cast<double>(load.served + load.refused) / seconds;
  if (load.releases > 0) advice.hold_us = static_cast<double>(load.held_us) / static_cast<double>(load.releases);
  advice.load = advice.rate * advice.hold_us / 1e6;
  if (bounds.size > 0) advice.use = advice.load / bounds.size;
  advice.target_us = std::max(kAdviceTargetUs, kAdviceTargetShare * advice.hold_us);
  if (seconds <= 0 || std::min(load.served, load.releases) < kAdviceLeast) {
    advice.text = "too little traffic to say: " + std::to_string(std::min(load.served, load.releases)) + " of " +
                  std::to_string(kAdviceLeast) + " servers taken and given back";
    return advice;
  }
  if (const auto expected = pool::WaitFor(bounds.size, advice.load, advice.hold_us)) {
    advice.wait_us = expected->mean_us;
    advice.wait_p95_us = expected->p95_us;
  }
  const auto smallest = pool::SmallestSize(advice.load, advice.hold_us, advice.target_us, kAdviceSizeMax);
  advice.size = std::max({smallest.value_or(kAdviceSizeMax), bounds.min_size, 1});
  if (const auto then = pool::WaitFor(*advice.size, advice.load, advice.hold_us)) advice.advised_wait_p95_us = then->p95_us;
  advice.text = TextOf(advice, bounds, static_cast<double>(load.WaitP95Us()) > advice.target_us);
  return advice;
}

}  // namespace admin
