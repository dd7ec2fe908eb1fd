// Server, of one replication client from its login to its end: what it says goes to that client as it is.
#include <algorithm>

#include "protocol/frame.h"
#include "proxy/client.h"
#include "proxy/server.h"
#include "proxy/worker.h"

namespace proxy {

void Server::Dedicate(Client& client) {
  client_ = &client;
  SetState(ServerState::kReplicating);
}

void Server::PassOn(std::string_view chunk) {
  ReplicationSession& session = *client_->replication();
  size_t pos = std::min(stream_left_, chunk.size());
  stream_left_ -= pos;
  bool is_broken = false;
  while (pos < chunk.size()) {
    protocol::Frame frame;
    const auto status = protocol::ReadServerFrame(chunk.substr(pos), frame);
    if (status == protocol::FrameStatus::kIncomplete) break;
    const bool is_ready = status == protocol::FrameStatus::kFrame && frame.type == 'Z';
    is_broken = status != protocol::FrameStatus::kFrame || (is_ready && frame.total != 6);
    if (is_broken || (is_ready && !frame.IsWhole())) break;
    session.OnAnswer(frame.type, is_ready ? frame.body()[0] : '\0');
    pos += frame.here.size();
    stream_left_ = frame.total - frame.here.size();
  }
  Keep(chunk.substr(pos));
  if (pos > 0 && !client_->SendFromServer(chunk.substr(0, pos))) return;
  if (is_broken) return OnLost("the server broke the protocol");
  if (client_->socket().unsent() > 0) socket_->Pause(PauseReason::kPeerFull);
  client_->OnReplicationPassed();
}

// Its client has gone: it is of no use to anybody else. A stream sees at once that nobody listens; anything else would be noticed by
// PostgreSQL at its next write, so that is cancelled.
void Server::EndReplication(Left left) {
  const ReplicationSession& session = *client_->replication();
  const bool runs = session.is_busy();
  const bool may_say = left == Left::kBetweenMessages && !(runs && session.takes_copy());
  const std::string_view reason = session.is_asked() ? "replication client left a command or a stream" : "replication client left";
  client_ = nullptr;
  if (runs) SendCancelRequest([] {});
  Close(reason, may_say ? Farewell::kTerminate : Farewell::kNone);
}

}  // namespace proxy
