// Opening one connection to PostgreSQL: name lookup, TCP, TLS, login; host after host, address after address, one deadline.
//
// What: Start tries the hosts of a ServerTarget until one has logged us in or none is left, and says so once. What is opened
// is handed over whole: its owner gives the socket its own handler and goes on reading after the first ReadyForQuery. Nothing
// here knows the pool: counting, the welcome and the log are the owner's.
//
//   state       waits for                       leaves by
//   lookup      the resolver                    connecting; no address, or not in time -> the next host
//   connecting  the end of connect()            tls_answer or login; failure -> the next address
//   tls_answer  one byte: 'S' or 'N'            tls_handshake or login; failure -> the next address
//   handshake   OpenSSL                         login; failure -> the next address
//   login       the server, or helper threads   done; a refusal or failure -> the next address
//
// With a connect_query, two queries follow the login (protocol/connect_query.h), and what they leave is handed over as well. What fails
// there is a failed login of a host that has answered.
//
//   connect_query  the answers to both          done; an error or no answer in time -> the next address
//
// A host that is known to be down is passed over, with its cause (hosts.h). Each attempt gets its share of the time that is left, so that a black hole does not eat the time of the hosts behind it.
// Threads: one loop. Ownership: its owner's; it may be deleted at any time, inside `done` too (the last thing it does): lookups
// and hashes that come back later find nobody. Limits: a login message is at most kLoginMessageBytesMax.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "pool/orders.h"
#include "protocol/connect_query.h"
#include "protocol/server_login.h"
#include "protocol/session_settings.h"
#include "proxy/backend_pool.h"
#include "proxy/helper_threads.h"
#include "proxy/hosts.h"
#include "proxy/resolver.h"
#include "proxy/socket.h"

namespace proxy {

inline constexpr size_t kLoginMessageBytesMax = 64 * 1024;

// What a dial borrows; they outlive it.
struct DialRoom {
  EventLoop& loop;
  Resolver& resolver;
  HelperThreads& helpers;
  Hosts& hosts;
};

struct DialOptions {
  ServerTarget target;
  std::shared_ptr<const TlsContext> tls;  // nullptr: server_tls_sslmode = disable
  KeepAlive keep_alive;
  // Once for each address that has taken the connection, before the login: for the log. May be empty.
  std::function<void(const Socket&)> connected = {};
  // A server that is starting up, shutting down or full: clients can be kept waiting until that has passed, or hear it.
  enum class Refusals : uint8_t { kKeepPassing, kTellAll } refusals = Refusals::kKeepPassing;
  std::string connect_query = {};  // empty: none
};

struct DialedServer {
  std::unique_ptr<Socket> socket;  // reading; call HandTo before the turn ends
  Hosts::Place place;              // kept while the connection lives
  SocketAddress peer;              // the one that the connection was really made to
  std::string peer_host;
  std::string where;                      // "host:port", for the log
  std::shared_ptr<const TlsContext> tls;  // set when the connection is encrypted
  std::string tls_description;
  uint32_t process_id = 0;
  std::string cancel_key;  // empty = the server sent none
  std::vector<protocol::Setting> parameters;
  std::vector<protocol::Setting> settings;          // what connect_query has left
  std::optional<protocol::ScramKeys> derived_keys;  // worth caching
  pool::Duration took{};
};

class ServerDial final : public SocketHandler {
 public:
  using Done = std::function<void(tl::expected<DialedServer, pool::OpenFailure>)>;

  ServerDial(DialRoom room, DialOptions options, Done done);
  void Start();  // `done` comes once, maybe before Start returns
  const Socket* socket() const { return socket_.get(); }
  const SocketAddress& peer() const { return peer_; }  // the address that was tried last; no family before the first
  const std::string& tls_description() const { return tls_description_; }

  void OnReadable() override;
  void OnWritable() override;
  void OnDrained() override {}
  void OnBroken() override { AttemptFailed("write failed", ""); }

 private:
  enum class State : uint8_t { kLookup, kConnecting, kTlsAnswer, kTlsHandshake, kLogin, kConnectQuery };

  void TryHost();
  void EndHost();
  void OnResolved(Resolved answer);
  void LookupFailed(const std::string& cause);
  void TryNextAddress();
  void OnConnected();
  void OnTlsAnswer();
  void OnHandshake();
  void StartLogin();
  void OnLoginBytes();
  void OnLoginStep(protocol::ServerLogin::Step step);
  void DeriveKeys();
  void StartConnectQuery();
  void OnConnectBytes(std::string_view bytes);
  void Succeed();
  void AttemptFailed(std::string cause, std::string server_error);
  void NoHostLeft();
  void Fail(pool::OpenFailure failure);
  std::string Where() const;

  const DialRoom room_;
  const DialOptions options_;
  Done done_;
  State state_ = State::kLookup;
  size_t host_ = 0, address_ = 0;
  std::vector<SocketAddress> addresses_;
  SocketAddress peer_;
  std::unique_ptr<Socket> socket_;
  std::shared_ptr<const TlsContext> tls_;
  std::string tls_description_;
  std::string input_;                             // what is left of the login's last read
  std::shared_ptr<protocol::ServerLogin> login_;  // one per attempt; hashing threads ask whether theirs is still alive
  std::optional<protocol::ConnectQuery> connect_query_;
  pool::TimePoint started_{}, deadline_at_{};
  std::string last_cause_, last_error_;
  Hosts::Place place_;     // at the host that is being tried
  bool answered_ = false;  // by that host, with a refusal
  bool is_hopeless_ = false;  // connect_query does what it must not: nobody is to wait for that
  bool plain_refused_ = false;  // server_tls_sslmode = allow: in clear was refused, now with TLS
  Timer deadline_, attempt_;
  std::shared_ptr<const int> lookup_;  // the lookup at hand asks it; it is gone when nobody waits any more
};

}  // namespace proxy
