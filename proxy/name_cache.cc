#include "proxy/name_cache.h"

#include <algorithm>
#include <utility>

namespace proxy {
namespace {

using Addresses = std::vector<SocketAddress>;

bool IsPartOf(const Addresses& some, const Addresses& all) {
  return std::all_of(some.begin(), some.end(), [&](const SocketAddress& each) { return Contains(all, each); });
}

}  // namespace

bool NameNews::LosesSome() const { return !IsPartOf(before, staying); }

std::optional<NameCache::Said> NameCache::Find(const std::string& name, pool::TimePoint now) {
  const auto found = entries_.find(name);
  if (found == entries_.end() || now >= found->second.until) return std::nullopt;
  Entry& entry = found->second;
  entry.used = now;
  if (!entry.error.empty()) return Said{{}, entry.error};
  return Said{entry.last, ""};
}

NameCache::Entry& NameCache::EntryOf(const std::string& name) {
  if (const auto found = entries_.find(name); found != entries_.end()) return found->second;
  if (entries_.size() >= kNamesMax) {
    entries_.erase(std::min_element(entries_.begin(), entries_.end(),
                                    [](const auto& left, const auto& right) { return left.second.used < right.second.used; }));
  }
  return entries_[name];
}

NameCache::Outcome NameCache::Put(const std::string& name, NameAnswer answer, const NameTimes& times, pool::TimePoint now) {
  Entry& entry = EntryOf(name);
  entry.used = now;
  Outcome outcome;
  if (answer.kind == NameAnswer::Kind::kAddresses && !answer.addresses.empty()) {
    if (answer.addresses.size() > kAddressesMax) answer.addresses.resize(kAddressesMax);
    for (const SocketAddress& before : entry.last) {
      if (before.storage.ss_family == answer.unknown_family && !Contains(answer.addresses, before)) answer.addresses.push_back(before);
    }
    entry.is_failing = false;
    entry.error.clear();
    entry.until = now + std::clamp(answer.ttl, pool::Duration(0), times.max_ttl);
    outcome.news = Learn(entry, name, std::move(answer.addresses), now);
    outcome.said.addresses = entry.last;
    return outcome;
  }
  outcome.begins_to_fail = !std::exchange(entry.is_failing, true);
  entry.until = now + std::clamp(answer.ttl, pool::Duration(0), times.failure_ttl);
  const bool keeps = answer.kind == NameAnswer::Kind::kNotKnown && !entry.last.empty() && now - entry.good_at < kStaleMax;
  if (keeps) entry.error.clear();
  else entry.error = answer.error.empty() ? "name lookup: no address" : std::move(answer.error);
  if (keeps) outcome.said.addresses = entry.last;
  outcome.said.error = entry.error;
  return outcome;
}

NameNews NameCache::Learn(Entry& entry, const std::string& name, Addresses addresses, pool::TimePoint now) {
  NameNews news;
  news.name = name;
  news.before = std::exchange(entry.last, std::move(addresses));
  news.now = entry.last;
  news.is_changed = !news.before.empty() && !(IsPartOf(news.before, news.now) && IsPartOf(news.now, news.before));
  entry.good_at = now;
  std::erase_if(entry.seen, [now](const Seen& seen) { return now - seen.last > kMemory; });
  bool came_back = false;
  for (const SocketAddress& address : entry.last) {
    const auto seen = std::find_if(entry.seen.begin(), entry.seen.end(), [&](const Seen& each) { return each.address.IsSameIp(address); });
    if (seen == entry.seen.end()) {
      if (entry.seen.size() >= kSeenMax) {
        entry.seen.erase(std::min_element(entry.seen.begin(), entry.seen.end(), [](const Seen& a, const Seen& b) { return a.last < b.last; }));
      }
      entry.seen.push_back({address, now});
      continue;
    }
    seen->last = now;
    came_back = came_back || !Contains(news.before, address);
  }
  if (came_back) entry.comebacks.push_back(now);  // once, however many did: a switch back of several is one
  while (entry.comebacks.size() > kComebacks) entry.comebacks.pop_front();
  const bool takes_turns = entry.comebacks.size() == kComebacks && now - entry.comebacks.front() <= kMemory;
  if (takes_turns) news.turns = entry.takes_turns ? NameNews::Turns::kGoOn : NameNews::Turns::kBegin;
  entry.takes_turns = takes_turns;
  entry.staying = entry.last;
  if (takes_turns) {
    for (const Seen& seen : entry.seen) {
      if (!Contains(entry.staying, seen.address)) entry.staying.push_back(seen.address);
    }
  }
  news.staying = entry.staying;
  return news;
}

bool NameCache::IsDue(const std::string& name, pool::TimePoint now) {
  const auto found = entries_.find(name);
  if (found == entries_.end()) return false;
  found->second.used = now;
  return now >= found->second.until;
}

bool NameCache::StaysAt(const std::string& name, const SocketAddress& address) const {
  const auto found = entries_.find(name);
  return found == entries_.end() || found->second.staying.empty() || !address.is_ip() || Contains(found->second.staying, address);
}

void NameCache::Expire(const std::string& name) {
  if (const auto found = entries_.find(name); found != entries_.end()) found->second.until = {};
}

void NameCache::ExpireAll() {
  for (auto& [name, entry] : entries_) entry.until = {};
}

std::vector<NameCache::Row> NameCache::Rows(pool::TimePoint now) const {
  std::vector<Row> rows;
  for (const auto& [name, entry] : entries_) {
    Row row{name, std::max<int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(entry.until - now).count()), {}};
    if (entry.error.empty()) {
      for (const SocketAddress& address : entry.last) row.addresses.push_back(address.IpText());
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace proxy
