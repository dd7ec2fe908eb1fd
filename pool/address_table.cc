#include "pool/address_table.h"

#include <algorithm>
#include <utility>

#include "pool/check.h"

namespace pool {
namespace {

constexpr std::chrono::nanoseconds kSecond{1'000'000'000};
constexpr int kForgottenPerEnter = 2;  // more than come in by one, so that it shrinks, and never a long stop

}  // namespace

AddressKey AddressKey::Of(const uint8_t* address, bool is_v6) {
  AddressKey key;
  key.is_v6 = is_v6;
  for (int i = 0; i < (is_v6 ? 8 : 4); ++i) key.bits = key.bits << 8 | address[i];
  return key;
}

// The last step of splitmix64.
size_t AddressTable::Hash::operator()(const AddressKey& key) const {
  uint64_t x = key.bits + seed + (key.is_v6 ? 0x9e3779b97f4a7c15u : 0);
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return static_cast<size_t>(x ^ x >> 31);
}

AddressTable::Entered AddressTable::Enter(const AddressKey& key, const AddressLimits& limits, TimePoint now) {
  MutexLock lock(mutex_);
  ForgetSome(now);
  auto found = entries_.find(key);
  const bool is_new = found == entries_.end();
  if (is_new && entries_.size() >= kAddressesMax) {
    if (idle_.empty()) return {.verdict = Verdict::kUncounted};
    Forget(entries_.find(idle_.front()));
  }
  // A new one is not refused below, having a full bucket and no connection, so it is never among the idle.
  if (is_new) found = entries_.try_emplace(key).first;
  Entry& entry = found->second;
  if (limits.new_per_second > 0) {
    const std::chrono::nanoseconds one = kSecond / std::min(limits.new_per_second, kConnectRateMost);
    const Exact full_at = std::max<Exact>(entry.full_at, now) + one;
    if (full_at - now > kSecond) {
      // to be told as a whole: a client that waits so long is let in
      return Refuse(Verdict::kTooFast, entry.connections, std::chrono::ceil<Duration>(full_at - now - kSecond), now);
    }
    entry.full_at = full_at;
  }
  if (limits.connections > 0 && entry.connections >= limits.connections) return Refuse(Verdict::kTooMany, entry.connections, Duration(0), now);
  const int before = entry.connections++;
  if (before == 0 && !is_new) idle_.erase(entry.idle);
  return {.verdict = Verdict::kCounted, .connections = before};
}

AddressTable::Entered AddressTable::Refuse(Verdict verdict, int connections, Duration wait, TimePoint now) {
  ++untold_;
  Entered refused{.verdict = verdict, .connections = connections, .wait = wait};
  if (told_at_ != TimePoint::min() && now - told_at_ < kRefusalsToldEvery) return refused;
  told_at_ = now;
  refused.untold = std::exchange(untold_, 0);
  return refused;
}

void AddressTable::Leave(const AddressKey& key) {
  MutexLock lock(mutex_);
  const auto found = entries_.find(key);
  PGWEIR_CHECK(found != entries_.end() && found->second.connections > 0);
  if (--found->second.connections > 0) return;
  if (found->second.full_at == Exact::min()) entries_.erase(found);  // it has never been under a rate
  else found->second.idle = idle_.insert(idle_.end(), key);
}

size_t AddressTable::size() {
  MutexLock lock(mutex_);
  return entries_.size();
}

// One whose bucket fills later may stand in front of others: by a second at most.
void AddressTable::ForgetSome(Exact now) {
  for (int i = 0; i < kForgottenPerEnter && !idle_.empty(); ++i) {
    const auto oldest = entries_.find(idle_.front());
    if (oldest->second.full_at > now) return;
    Forget(oldest);
  }
}

void AddressTable::Forget(Entries::iterator entry) {
  idle_.erase(entry->second.idle);
  entries_.erase(entry);
}

}  // namespace pool
