#include "proxy/peer_cancels.h"

#include <utility>

#include "proxy/cancel_sender.h"
#include "proxy/log.h"

namespace proxy {

void PeerCancels::Forward(Request request) {
  home_.Post([this, made = std::make_shared<const Request>(std::move(request))] { Arrive(made); });
}

void PeerCancels::Arrive(RequestRef request) {
  Lane& lane = lanes_[request->peer.id];
  if (lane.in_flight < request->at_a_time) {
    ++lane.in_flight;
    return Start(std::move(request));
  }
  if (lane.waiting.size() >= kPeerCancelsWaitingMax) return request->done();
  lane.waiting.push_back(std::move(request));
}

void PeerCancels::Start(RequestRef request) {
  const conf::Host host{.name = request->peer.host, .port = static_cast<uint16_t>(request->peer.port)};
  resolver_.Resolve(host, home_, [this, request](Resolved found) { TryAddress(request, std::move(found), 0); });
}

void PeerCancels::TryAddress(RequestRef request, Resolved found, size_t index) {
  if (index >= found.addresses.size()) return End(request, found.error.empty() ? "no address" : found.error);
  const pool::Duration left = request->until - Now();
  if (left <= pool::Duration(0)) return End(request, "cancel_wait_timeout");
  // A black hole must not eat the time of the addresses behind it.
  const pool::Duration share = left / static_cast<int>(found.addresses.size() - index);
  CancelTarget target{found.addresses[index], "", nullptr, request->key.process_id, request->key.key};
  SendCancel(home_, std::move(target), share, [this, request, found = std::move(found), index](bool sent) mutable {
    if (sent) return End(request, "");
    found.error = "no connection to any of its addresses";
    TryAddress(request, std::move(found), index + 1);
  });
}

void PeerCancels::End(const RequestRef& request, const std::string& failure) {
  TellWhetherUp(request->peer, failure);
  const auto found = lanes_.find(request->peer.id);
  Lane& lane = found->second;
  --lane.in_flight;
  RequestRef next;
  std::vector<RequestRef> expired;
  while (!lane.waiting.empty() && !next) {
    RequestRef first = std::move(lane.waiting.front());
    lane.waiting.pop_front();
    if (Now() < first->until) next = std::move(first);
    else expired.push_back(std::move(first));
  }
  if (next) ++lane.in_flight;
  else if (lane.in_flight == 0) lanes_.erase(found);
  request->done();
  for (const RequestRef& each : expired) each->done();
  // In a later turn: an address that is refused at once must not make the calls as deep as the queue is long.
  if (next) home_.Post([this, next] { Start(next); });
}

void PeerCancels::TellWhetherUp(const conf::Peer& peer, const std::string& failure) {
  if (failure.empty()) {
    if (down_.erase(peer.id) > 0) Log(Level::kInfo, "peer_up", {{"peer", peer.id}, {"host", peer.host}, {"port", peer.port}});
  } else if (down_.insert(peer.id).second) {
    Log(Level::kWarning, "peer_down", {{"peer", peer.id}, {"host", peer.host}, {"port", peer.port}, {"cause", failure}});
  }
}

void PeerCancels::TellCircle(int peer_id) {
  home_.Post([this, peer_id] {
    if (!circles_told_.insert(peer_id).second) return;
    Log(Level::kWarning, "peer_circle",
        {{"peer", peer_id}, {"cause", "a cancel request for this peer came back too often: is its host and port in [peers] its own?"}});
  });
}

std::vector<PeerPoolRow> PeerCancels::Rows() const {
  std::vector<PeerPoolRow> rows;
  for (const auto& [id, lane] : lanes_) {
    rows.push_back({.id = id, .sent = static_cast<uint64_t>(lane.in_flight), .waiting = lane.waiting.size()});
  }
  return rows;
}

}  // namespace proxy
