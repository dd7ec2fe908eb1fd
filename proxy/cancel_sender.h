// One CancelRequest to a server: its own connection, in TLS where the server's connection is.
//
// What: connect, TLS when asked for, send, wait until the server closes (only then has the signal been sent), say done.
// Also to a peer, which is asked as a server is (peer_cancels.h).
// Threads: the loop it was made on. Ownership: owns itself; it dies after `done` or at its deadline (done is called then too).
// Source: PostgreSQL documentation, "Canceling Requests in Progress".
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "proxy/event_loop.h"
#include "proxy/resolver.h"
#include "proxy/socket.h"

namespace proxy {

struct CancelTarget {
  SocketAddress address;   // the one that the server's connection was really made to
  std::string host;        // for SNI and verify-full
  std::shared_ptr<const TlsContext> tls;  // nullptr: in clear
  uint32_t process_id = 0;
  std::string key;
};

// `done` is called exactly once, in a later turn; sent: the request went out, whether or not an end of it was seen.
void SendCancel(EventLoop& loop, CancelTarget target, pool::Duration deadline, std::function<void(bool sent)> done);

// Starts a non-blocking connect. -1: error says why.
int ConnectTo(const SocketAddress& address, std::string& error);

}  // namespace proxy
