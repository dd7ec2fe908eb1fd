// Client, as a cancel request, and the key by which others ask to cancel what it runs.
#include "protocol/message_writer.h"
#include "proxy/client.h"
#include "proxy/worker.h"

namespace proxy {

void Client::WriteCancelKey(std::string& bytes) {
  const size_t key_bytes = login_->protocol_version >= protocol::kProtocol32 ? kCancelKeyBytes32 : kCancelKeyBytes30;
  const auto key = worker_->shared().cancels.Register({worker_->number(), id_}, worker_->config().global.peer_id, key_bytes);
  cancel_process_id_ = key.process_id;
  protocol::WriteBackendKeyData(bytes, key.process_id, key.key);
}

void Client::OnCancelMessage(const CancelKey& key) {
  state_ = ClientState::kCancel;
  // Its address may have it whatever the limits say: it is how those that were let in are made to end.
  address_.Leave();
  EndLogin();
  const conf::Global& global = worker_->config().global;
  SetClock(Clock::kLogin, global.cancel_wait_timeout);
  auto owner = worker_->shared().cancels.Find(key);
  if (!owner && global.peer_id != 0) {
    if (key.PeerId() != global.peer_id) return ForwardCancel(key);
    // From a peer it comes with fewer hops than it was given out with.
    owner = worker_->shared().cancels.Find(key.WithHops(kHopsMax));
  }
  if (!owner) return Close("cancel request with an unknown key");
  Worker* theirs = worker_->shared().workers[owner->worker].get();
  theirs->Post([theirs, client_id = owner->client_id, mine = worker_, id = id_] {
    auto done = [mine, id] {
      mine->Post([mine, id] {
        if (Client* client = mine->FindClient(id)) client->Close("cancel request sent");
      });
    };
    if (Client* client = theirs->FindClient(client_id)) client->OnCancelRequest(std::move(done));
    else done();
  });
}

void Client::ForwardCancel(const CancelKey& key) {
  const conf::Config& config = worker_->config();
  const conf::Peer* peer = config.FindPeer(key.PeerId());
  if (peer == nullptr) return Close("cancel request for an unknown peer");
  const int hops = key.HopsLeft();
  if (hops == 0) {
    worker_->shared().peer_cancels.TellCircle(peer->id);
    return Close("cancel request that was forwarded too often");
  }
  PeerCancels::Request request{.peer = *peer, .at_a_time = config.PeerPoolSize(*peer), .key = key.WithHops(hops - 1), .until = Now() + config.global.cancel_wait_timeout, .done = {}};
  request.done = [mine = worker_, id = id_] {
    mine->Post([mine, id] {
      if (Client* client = mine->FindClient(id)) client->Close("cancel request forwarded");
    });
  };
  worker_->shared().peer_cancels.Forward(std::move(request));
}

}  // namespace proxy
