// What a client connection is doing.
//
//   state      means                                                  leaves by
//   proxy      waits for the PROXY header of a load balancer              startup, closing
//   startup    first bytes: SSLRequest, CancelRequest, StartupMessage  tls, login, closing
//   tls        handshake                                               startup
//   login      authentication as a step object                         attach, console, closing
//   attach     waits for the welcome of its pool, or for a server to   idle, closing
//              prove its startup values on
//   idle       nothing runs                                            waiting, linking, active
//   waiting    in the pool's queue; its messages are kept              linking, active; refused -> idle
//   linking    has a server that is checked or gets its settings       active, waiting again, idle
//   active     linked: messages go through                             idle (released), settling, closing
//   settling   its server is asked what its transaction has left       idle (released), active (pinned)
//   replication  has a server of its own; all goes through unread      closing
//   console    talks to the admin console                              closing
//   cancel     asked for a cancel; waits for it to have been sent      closing
//   closing    last words sent; waits for the peer's end               closed
//
// The words of SHOW CLIENTS are Name's.
#pragma once

#include <cstdint>
#include <string_view>

namespace proxy {

enum class ClientState : uint8_t {
  kProxyHeader, kStartup, kTls, kLogin, kAttach, kIdle, kWaiting, kLinking, kActive, kSettling, kReplication, kConsole, kCancel, kClosing
};
std::string_view Name(ClientState);  // the words of SHOW CLIENTS

}  // namespace proxy
