// What the name service has said: the addresses of each name until their time is over, and which are a name's no more.
//
// What: bookkeeping only. No lookups, no clock (`now` is an argument), no threads.
// Kept: addresses for their time to live, at most max_ttl; a failure for failure_ttl, and that nothing is known is not the same
// as that there is nothing: when a lookup could not be made (no answer, a name server in trouble), the addresses that were said
// last serve for another failure_ttl, for kStaleMax at most. "No such name" is an answer, and ends them.
// Which connections may stay (StaysAt): those to an address of the last good answer; a failure sends nobody away. A name whose
// answers take turns (a part of the addresses at a time: round robin, a balancer's reader name) would have all its connections
// opened anew for ever: when kComebacks answers within kMemory have brought back what was missing before, everything that was said
// within kMemory stays. A switch there and back again is not that yet.
// Threads: its owner's mutex. Limits: kNamesMax names, beyond it the one that was not asked about for longest goes;
// kAddressesMax addresses of an answer; kSeenMax remembered of a name.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pool/time.h"
#include "proxy/socket_address.h"

namespace proxy {

inline constexpr size_t kNamesMax = 1024;
inline constexpr size_t kAddressesMax = 64;
inline constexpr size_t kSeenMax = 256;
inline constexpr size_t kComebacks = 3;
inline constexpr pool::Duration kMemory{600'000'000};
inline constexpr pool::Duration kStaleMax{3'600'000'000};

struct NameTimes {
  pool::Duration max_ttl{15'000'000}, failure_ttl{15'000'000};
};

// What one lookup has found out.
struct NameAnswer {
  enum class Kind : uint8_t { kAddresses, kNoSuchName, kNotKnown } kind = Kind::kNotKnown;
  std::vector<SocketAddress> addresses;  // without ports
  std::string error;                     // the other kinds: why
  pool::Duration ttl = pool::Duration::max();
  sa_family_t unknown_family = AF_UNSPEC;  // kAddresses: of this family nobody could say anything; those of before still count
};

// An answer with addresses, for whoever has connections to that name.
struct NameNews {
  std::string name;
  std::vector<SocketAddress> before, now;  // before: empty when there were none
  std::vector<SocketAddress> staying;      // connections to any other address are to go
  bool is_changed = false;                 // not the same set as before
  enum class Turns : uint8_t { kNone, kBegin, kGoOn } turns = Turns::kNone;  // answers take turns
  bool LosesSome() const;  // an address of before is not among the staying
};

class NameCache {
 public:
  // What to say to whoever asks: addresses, or why there are none.
  struct Said {
    std::vector<SocketAddress> addresses;
    std::string error;
  };
  // nullopt: it is to be looked up.
  std::optional<Said> Find(const std::string& name, pool::TimePoint now);

  struct Outcome {
    Said said;
    std::optional<NameNews> news;
    bool begins_to_fail = false;  // the answer before was good
  };
  Outcome Put(const std::string& name, NameAnswer answer, const NameTimes& times, pool::TimePoint now);

  // A name that is known, and whose time is over. Asking counts as use: who asks has connections to it.
  bool IsDue(const std::string& name, pool::TimePoint now);
  bool StaysAt(const std::string& name, const SocketAddress& address) const;  // true, too, for names that are not known
  void Expire(const std::string& name);
  void ExpireAll();

  struct Row {
    std::string name;
    int64_t seconds_left = 0;
    std::vector<std::string> addresses;  // none while it fails
  };
  std::vector<Row> Rows(pool::TimePoint now) const;
  size_t size() const { return entries_.size(); }

 private:
  struct Seen {
    SocketAddress address;
    pool::TimePoint last;
  };
  struct Entry {
    std::vector<SocketAddress> last, staying;  // of the last good answer
    pool::TimePoint good_at{}, until{}, used{};
    std::string error;       // said instead of `last`; empty = `last` is said
    bool is_failing = false;
    std::vector<Seen> seen;
    std::deque<pool::TimePoint> comebacks;  // the last kComebacks
    bool takes_turns = false;
  };
  Entry& EntryOf(const std::string& name);
  static NameNews Learn(Entry& entry, const std::string& name, std::vector<SocketAddress> addresses, pool::TimePoint now);
  std::map<std::string, Entry> entries_;
};

}  // namespace proxy
