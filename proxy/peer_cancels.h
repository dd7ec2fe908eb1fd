// Cancel requests for the clients of other pgweirs, on their way there.
//
// What: a request goes to the address of its peer as it came, with one hop less (cancel_key.h), and has ended when the peer closes
// the connection: then it has passed the cancel on. Addresses of a name are tried in turn, within the one deadline. A peer gets
// at most pool_size of them at a time, so that one that is down costs a few descriptors; the next kPeerCancelsWaitingMax wait,
// until their deadline; those beyond are dropped. In clear also where clients use TLS: as PostgreSQL's own cancel requests are.
// Threads: lives on the control loop; Forward and TellCircle from any thread. `done` is called on the control loop.
// Log: peer_down once, at the first request that found nobody there, and peer_up at the next that did.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "conf/config.h"
#include "proxy/cancel_key.h"
#include "proxy/control.h"
#include "proxy/event_loop.h"
#include "proxy/resolver.h"

namespace proxy {

inline constexpr size_t kPeerCancelsWaitingMax = 1000;

class PeerCancels {
 public:
  struct Request {
    conf::Peer peer;
    int at_a_time = 1;
    CancelKey key;  // as the peer gets it
    pool::TimePoint until;
    std::function<void()> done;  // exactly once, whatever became of it
  };
  PeerCancels(EventLoop& home, Resolver& resolver) : home_(home), resolver_(resolver) {}
  void Forward(Request request);
  // A request for this peer had no hops left: it has gone in a circle. The log has one line for a peer.
  void TellCircle(int peer_id);
  std::vector<PeerPoolRow> Rows() const;  // on the control loop; peers without requests have none

 private:
  using RequestRef = std::shared_ptr<const Request>;
  struct Lane {
    int in_flight = 0;
    std::deque<RequestRef> waiting;
  };
  void Arrive(RequestRef request);
  void Start(RequestRef request);
  void TryAddress(RequestRef request, Resolved found, size_t index);
  void End(const RequestRef& request, const std::string& failure);
  void TellWhetherUp(const conf::Peer& peer, const std::string& failure);

  EventLoop& home_;
  Resolver& resolver_;
  std::map<int, Lane> lanes_;  // by peer id, while it has requests
  std::set<int> down_, circles_told_;
};

}  // namespace proxy
