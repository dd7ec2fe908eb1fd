// What auth_query has answered, for a while.
//
// What: by (where it was asked, user): the secret, or that there is no such user. A known user's entry is good for the age that
// the caller gives (auth_query_cache_age), an unknown one's for kUnknownAge at most: a role that was just made must be able to
// come in. A login that fails against a kept secret doubts it: the password may have been changed. A doubted entry is not
// given out any more once it is kRefreshPause old, so that the next login asks anew, and wrong passwords cost the server one
// query per user and kRefreshPause at most.
// Limits: kKnownUsersMax and kUnknownUsersMax entries, the oldest goes; apart, so that made-up names displace nobody.
// Threads: a value, its owner's mutex. Time is an argument. Secrets are wiped when they go.
#pragma once

#include <list>
#include <map>
#include <optional>
#include <string>

#include "conf/config.h"
#include "pool/time.h"

namespace proxy {

inline constexpr size_t kKnownUsersMax = 10'000;
inline constexpr size_t kUnknownUsersMax = 1'000;
inline constexpr pool::Duration kUnknownAge{2'000'000};
inline constexpr pool::Duration kRefreshPause{1'000'000};

// Where a user is looked up: the database by our name for it, as whom, by which query.
struct LookupPlace {
  std::string database, asker, query;
  auto operator<=>(const LookupPlace&) const = default;
};

struct LookupKey {
  LookupPlace place;
  std::string user;
  auto operator<=>(const LookupKey&) const = default;
};

class SecretCache {
 public:
  using Answer = std::optional<conf::Secret>;  // nullopt: no such user

  std::optional<Answer> Find(const LookupKey& key, pool::Duration age, pool::TimePoint now) const;
  void Put(const LookupKey& key, Answer answer, pool::TimePoint now);
  void Doubt(const LookupKey& key);
  void Clear();
  size_t size() const { return known_.places.size() + unknown_.places.size(); }

 private:
  struct Entry {
    LookupKey key;
    conf::Secret secret;
    pool::TimePoint asked_at{};
    bool is_doubted = false;
  };
  struct Side {
    std::list<Entry> entries;  // the oldest first
    std::map<LookupKey, std::list<Entry>::iterator> places;
    void Erase(const LookupKey& key);
    void Add(Entry entry, size_t limit);
  };
  Side known_, unknown_;
};

}  // namespace proxy
