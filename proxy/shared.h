// What all workers share, and how a change of configuration reaches them.
//
// Runtime is one immutable snapshot (configuration and the TLS contexts built from it); each worker holds a copy of the pointer
// and gets a new one by message. Shared is the set of process-wide parts; each has its own thread rule in its own header.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "conf/config.h"
#include "pool/address_table.h"
#include "protocol/scram.h"
#include "proxy/cancel_registry.h"
#include "proxy/control.h"
#include "proxy/control_loop.h"
#include "proxy/helper_threads.h"
#include "proxy/hosts.h"
#include "proxy/login_threads.h"
#include "proxy/peer_cancels.h"
#include "proxy/pool_directory.h"
#include "proxy/resolver.h"
#include "proxy/socket.h"
#include "proxy/tls.h"

namespace proxy {

class AuthQuery;
class NotificationHub;
class Worker;

struct Runtime {
  std::shared_ptr<const conf::Config> config;
  std::shared_ptr<const TlsContext> client_tls;  // nullptr: client_tls_sslmode = disable
  std::shared_ptr<const TlsContext> server_tls;  // nullptr: server_tls_sslmode = disable
};
using RuntimeRef = std::shared_ptr<const Runtime>;

// Verifiers derived from plain passwords (PBKDF2 costs milliseconds): by user, valid for exactly that secret and iterations.
class VerifierCache {
 public:
  std::optional<protocol::ScramVerifier> Find(const std::string& user, const std::string& secret, int iterations) const;
  void Put(const std::string& user, const std::string& secret, const protocol::ScramVerifier& verifier);

 private:
  struct Entry {
    conf::Secret secret;
    protocol::ScramVerifier verifier;
  };
  mutable pool::Mutex mutex_;
  std::map<std::string, Entry> entries_ PGWEIR_GUARDED_BY(mutex_);
};

struct Shared {
  Shared(uint32_t worker_count, uint64_t seed, ControlLoop& control);
  ~Shared();  // the workers' threads have ended

  EventLoop& control_loop;
  HelperThreads helpers;
  LoginThreads logins;
  Resolver resolver;
  Hosts hosts;
  PoolDirectory pools;
  CancelRegistry cancels;
  PeerCancels peer_cancels{control_loop, resolver};
  pool::AddressTable addresses;  // of the clients that came by TCP
  VerifierCache verifiers;
  std::vector<std::unique_ptr<Worker>> workers;
  std::unique_ptr<NotificationHub> notifications;  // on the loop of worker 0; made when the workers are
  std::unique_ptr<AuthQuery> auth_query;                // the same
  ConsolePort* console = nullptr;  // set once by main before the workers start
  bool batches_sends = false;      // the same: by io_uring
  std::string process_secret;      // for mock authentication
  std::atomic<int> clients{0};     // logged in or logging in, the console's not counted
  std::atomic<uint64_t> next_id{1};
  // Raised when a client has sent DDL, and when that was committed: what was parsed before may not be any more.
  std::atomic<uint64_t> schema_epoch{1};
  std::atomic<RunState> run_state{RunState::kActive};
  std::atomic<bool> refuses_logins{false};  // shutting down, and only the console is let in
  // The first so many workers carry clients; load_watch.h says how many. Read at the end of each transaction, seldom written.
  alignas(64) std::atomic<uint32_t> workers_in_use{1};

  // Of a client in a pool of this mode. In a session pool it has its server from its first query to its end, and never moves again: there
  // the clients are spread over all workers. Steps of the golden ratio: numbers in a row are dealt out evenly, whatever else takes a
  // number between them.
  pool::WorkerId HomeOf(uint64_t client_id, conf::PoolMode mode) const {
    const uint32_t among = mode == conf::PoolMode::kSession ? static_cast<uint32_t>(workers.size()) : workers_in_use.load(std::memory_order_relaxed);
    return static_cast<pool::WorkerId>(uint64_t{static_cast<uint32_t>(client_id * 2654435769u)} * among >> 32);
  }
  uint64_t NextId() { return next_id.fetch_add(1, std::memory_order_relaxed); }
  // Carries out what a pool ordered. `here` is the calling worker, nullptr on the control thread.
  void CarryOut(BackendPool& pool, pool::Orders& orders, Worker* here);
  // What was opened to an address that its name does not have any more is retired. On the control loop.
  void OnNameNews(const NameNews& news);
};

// LISTEN for clients of transaction pools. Called once, when the workers exist.
std::unique_ptr<NotificationHub> MakeNotificationHub(Shared& shared, uint64_t seed);

// The secrets of users who are not in the user list. Called once, when the workers exist.
std::unique_ptr<AuthQuery> MakeAuthQuery(Shared& shared);

std::string RandomBytes(size_t count);  // from OpenSSL's generator; ends the process if there is none

}  // namespace proxy
