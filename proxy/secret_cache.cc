#include "proxy/secret_cache.h"

#include <algorithm>

namespace proxy {

std::optional<SecretCache::Answer> SecretCache::Find(const LookupKey& key, pool::Duration age, pool::TimePoint now) const {
  if (const auto found = known_.places.find(key); found != known_.places.end()) {
    const Entry& entry = *found->second;
    const pool::Duration good_for = entry.is_doubted ? std::min(age, kRefreshPause) : age;
    if (now - entry.asked_at < good_for) return Answer(entry.secret);
    return std::nullopt;
  }
  const auto found = unknown_.places.find(key);
  if (found == unknown_.places.end() || now - found->second->asked_at >= std::min(age, kUnknownAge)) return std::nullopt;
  return Answer();
}

void SecretCache::Put(const LookupKey& key, Answer answer, pool::TimePoint now) {
  known_.Erase(key);
  unknown_.Erase(key);
  if (answer) known_.Add({.key = key, .secret = std::move(*answer), .asked_at = now}, kKnownUsersMax);
  else unknown_.Add({.key = key, .secret = {}, .asked_at = now}, kUnknownUsersMax);
}

void SecretCache::Doubt(const LookupKey& key) {
  if (const auto found = known_.places.find(key); found != known_.places.end()) found->second->is_doubted = true;
}

void SecretCache::Clear() {
  known_ = {};
  unknown_ = {};
}

void SecretCache::Side::Erase(const LookupKey& key) {
  const auto found = places.find(key);
  if (found == places.end()) return;
  entries.erase(found->second);
  places.erase(found);
}

void SecretCache::Side::Add(Entry entry, size_t limit) {
  if (places.size() >= limit) Erase(LookupKey(entries.front().key));
  entries.push_back(std::move(entry));
  places[entries.back().key] = std::prev(entries.end());
}

}  // namespace proxy
