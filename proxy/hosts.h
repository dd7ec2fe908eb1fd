// The server hosts, as all pools together know them: who may try one now, and what is open there.
//
// What: whoever opens a connection asks for a Place first (Ask), tells it how the attempt ended, and keeps it while the connection
// lives. A host that failed several times is left alone but for one probe at a time (pool/host_breaker.h); meanwhile everybody
// is told the cause at once, and those with several hosts go on to the next without waiting for a time-out.
// Threads: any; one mutex, taken only when a connection is opened or ends. Ownership: outlives its places.
// Limits: kHostsMax; beyond, hosts with nothing open are forgotten.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "pool/host_breaker.h"
#include "pool/mutex.h"
#include "proxy/control.h"

namespace proxy {

inline constexpr size_t kHostsMax = 1024;

class Hosts {
 public:
  explicit Hosts(uint64_t seed) : random_(static_cast<std::minstd_rand::result_type>(seed)) {}

  // An attempt, then a connection. When it goes before it was told an end, the attempt is given up; after Open, the connection ends.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept { *this = std::move(other); }
    Place& operator=(Place&& other) noexcept;
    ~Place() { Leave(); }

    explicit operator bool() const { return hosts_ != nullptr; }
    void Open();                      // logged in
    void Answered();                  // the server refused: it lives
    void Failed(std::string cause);
    void Leave();

   private:
    friend class Hosts;
    Place(Hosts& hosts, std::string host, pool::HostBreaker::Attempt attempt)
        : hosts_(&hosts), host_(std::move(host)), attempt_(attempt) {}
    Hosts* hosts_ = nullptr;
    std::string host_;
    pool::HostBreaker::Attempt attempt_ = pool::HostBreaker::Attempt::kNone;  // kNone: that is over, a connection is open
  };
  struct Answer {
    Place place;      // empty: not now
    std::string why;  // then
  };
  // `host`: "name:port", or the path of a Unix socket with its port.
  Answer Ask(const std::string& host);

  std::vector<HostRow> Rows() const;  // for SHOW HOSTS
  std::vector<std::string> Connected() const;  // their names, without the port

 private:
  struct Entry {
    pool::HostBreaker breaker;
    int connections = 0;
  };
  enum class Ended : uint8_t { kOpened, kAnswered, kGivenUp, kClosed };
  void End(const Place& place, Ended how);
  void Fail(const Place& place, std::string cause);
  void ForgetIdle() PGWEIR_REQUIRES(mutex_);

  mutable pool::Mutex mutex_;
  std::map<std::string, Entry> entries_ PGWEIR_GUARDED_BY(mutex_);
  std::minstd_rand random_ PGWEIR_GUARDED_BY(mutex_);
};

}  // namespace proxy
