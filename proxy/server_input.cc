// Server, what it says: answers that go to the linked client, and everything that is kept from it.
#include <cstring>

#include "protocol/frame.h"
#include "protocol/message_writer.h"
#include "proxy/client.h"
#include "proxy/log.h"
#include "proxy/server.h"
#include "proxy/worker.h"

namespace proxy {

void Server::OnReadable() {
  char* buffer = worker_->ReadBuffer();
  const IoResult result = socket_->Read(buffer, kReadBytes);
  if (result.status == IoStatus::kEof) return OnLost("the server closed the connection");
  if (result.status == IoStatus::kError) return OnLost("read failed");
  if (result.bytes == 0) return;
  const size_t kept = input_.size();
  if (kept > 0) {
    buffer -= kept;  // into the headroom
    std::memcpy(buffer, input_.data(), kept);
    input_.clear();
  }
  const std::string_view chunk(buffer, kept + result.bytes);
  switch (state_) {
    case ServerState::kActive: return Relay(chunk);
    case ServerState::kClosing: return;
    default: return Swallow(chunk);
  }
}

bool Server::Forward(std::string_view run) {
  if (run.empty()) return true;
  if (!client_->SendFromServer(run)) return false;
  if (client_->socket().unsent() > kHighWater) socket_->Pause(PauseReason::kPeerFull);
  return true;
}

// The hot path: runs of messages leave in one write; only the few types that matter are looked into.
void Server::Relay(std::string_view chunk) {
  size_t pos = 0, run = 0, after_ready = 0;
  auto answered = client_->answered();
  if (stream_left_ > 0) {
    pos = std::min(stream_left_, chunk.size());
    stream_left_ -= pos;
    if (!stream_forward_) run = pos;
  }
  Verdict verdict = Verdict::kForward;
  while (pos < chunk.size()) {
    protocol::Frame frame;
    const auto status = protocol::ReadServerFrame(chunk.substr(pos), frame);
    if (status == protocol::FrameStatus::kIncomplete) break;
    if (status != protocol::FrameStatus::kFrame) {
      verdict = Verdict::kBroken;
      break;
    }
    if (!last_fatal_.empty()) {
      verdict = Verdict::kBroken;  // nothing follows a FATAL error
    } else if (frame.type == 'D' || frame.type == 'd') {
      verdict = tracker_.owed() > 0 ? Verdict::kForward : Verdict::kBroken;
    } else {
      verdict = JudgeAnswer(frame.type, frame.body(), frame.total);
    }
    if (verdict == Verdict::kNeedMore || verdict == Verdict::kBroken || verdict == Verdict::kRefused) break;
    if (verdict == Verdict::kHide) {
      // A client that breaks while it is written to leaves this server to be cleaned: what is not eaten yet must be kept
      // before, or its rest would be read as if it began here.
      Keep(chunk.substr(pos + frame.here.size()));
      if (!Forward(chunk.substr(run, pos - run))) return;
      if (client_->timeout_report() != nullptr && last_fatal_.empty()) {
        std::string replaced;
        protocol::WriteError(replaced, *client_->timeout_report());
        if (!Forward(replaced)) return;
      }
      input_.clear();
      run = pos + frame.here.size();
    }
    pos += frame.here.size();
    stream_left_ = frame.total - frame.here.size();
    stream_forward_ = verdict == Verdict::kForward;
    if (frame.type == 'Z') {
      after_ready = pos;
      answered = Client::Answered::kNothingOpen;
    } else if (verdict == Verdict::kForward && frame.type != 'N' && frame.type != 'S' && frame.type != 'A') {
      answered = Client::Answered::kPartly;
    }
  }
  if (verdict == Verdict::kRefused) {
    // Nothing of the statement that opened the block has to be seen: what is answered up to there goes out.
    Keep(chunk.substr(pos + 6));  // its ReadyForQuery is eaten
    if (after_ready > run && !Forward(chunk.substr(run, after_ready - run))) return;
    return client_->OnTransactionInStatementMode();
  }
  if (verdict == Verdict::kBroken) {
    stream_left_ = 0;
    Forward(chunk.substr(run, pos - run));  // whatever becomes of the client, this server ends
    return OnLost("the server broke the protocol");
  }
  Keep(chunk.substr(pos));
  if (!Forward(chunk.substr(run, pos - run))) return;
  client_->OnAnswerForwarded(answered);
  if (client_ == nullptr) return;  // it had only waited for this answer to leave
  if (IsReleasable()) client_->OnServerFree(Now());
}

Server::Verdict Server::JudgeAnswer(const char type, std::string_view body, size_t total) {
  const bool is_whole = body.size() + protocol::kFrameHeaderBytes == total;
  const bool can_be_whole = total <= kWholeBytesMax;
  using Reply = protocol::ReplyTracker::Reply;
  switch (type) {
    case 'Z':
      if (!is_whole) return total == 6 ? Verdict::kNeedMore : Verdict::kBroken;
      if (total != 6 || tracker_.OnReadyForQuery(body[0]) == Reply::kBroken) return Verdict::kBroken;
      if (body[0] != 'I' && pool_->mode() == conf::PoolMode::kStatement) return Verdict::kRefused;
      release_due_ = true;
      client_->OnUnitAnswered(body[0], Now());
      return Verdict::kForward;
    case 'C':
      if (!is_whole && can_be_whole) return Verdict::kNeedMore;
      if (is_whole) OnCommandTag(body);
      break;
    case 'S':
      if (!is_whole && can_be_whole) return Verdict::kNeedMore;
      if (is_whole) OnParameterStatus(body);
      return Verdict::kForward;
    case 'E':
      if (!is_whole && can_be_whole) return Verdict::kNeedMore;
      return JudgeError(is_whole ? body : std::string_view());
    case 'N':
    case 'A': return Verdict::kForward;
    case 'K':
    case 'R':
    case 'v': return Verdict::kBroken;
    default: break;
  }
  return tracker_.OnReply(type) == Reply::kBroken ? Verdict::kBroken : Verdict::kForward;
}

Server::Verdict Server::JudgeError(std::string_view body) {
  const auto fields = protocol::ParseErrorFields(body);
  if (fields.severity == "FATAL" || fields.severity == "PANIC") {
    // The server goes. What the client hears depends on what it has already got: OnServerLost decides.
    last_fatal_.assign(body);
    deadline_ = std::make_unique<Timer>(worker_->loop(), [this] { OnLost("no end of the connection after a FATAL error"); });
    deadline_->Start(kCloseWait);
    return Verdict::kHide;
  }
  if (tracker_.OnReply('E') == protocol::ReplyTracker::Reply::kBroken) return Verdict::kBroken;
  const bool is_our_timeout = client_->timeout_report() != nullptr && fields.sqlstate == "57014";
  return is_our_timeout ? Verdict::kHide : Verdict::kForward;
}

void Server::OnCommandTag(std::string_view body) {
  if (body.empty() || (body[0] != 'S' && body[0] != 'R' && body[0] != 'D')) return;
  const std::string_view tag = body.substr(0, body.find('\0'));
  if (tag == "SET" || tag == "RESET") settings_.OnUnreportedChange();
  else if (tag == "DISCARD ALL") settings_.OnDiscardAll();
}

void Server::OnParameterStatus(std::string_view body) {
  const size_t end = body.find('\0');
  if (end == std::string_view::npos) return;
  const std::string_view name = body.substr(0, end);
  std::string_view value = body.substr(end + 1);
  value = value.substr(0, value.find('\0'));
  if (settings_.OnReported(name, value) && client_ != nullptr && state_ == ServerState::kActive) {
    client_->OnReportedSetting(name, value);
  }
}

// Everything that no client may see: our own exchanges, what is drained after a client left, and what comes while idle.
void Server::Swallow(std::string_view chunk) {
  size_t pos = 0;
  if (stream_left_ > 0) {
    pos = std::min(stream_left_, chunk.size());
    stream_left_ -= pos;
  }
  while (pos < chunk.size()) {
    protocol::Frame frame;
    const auto status = protocol::ReadServerFrame(chunk.substr(pos), frame);
    if (status == protocol::FrameStatus::kIncomplete) break;
    if (status != protocol::FrameStatus::kFrame) return OnLost("the server broke the protocol");
    const bool look_inside = std::strchr("SEZCN", frame.type) != nullptr && frame.total <= kWholeBytesMax;
    if (look_inside && !frame.IsWhole()) break;
    pos += frame.here.size();
    stream_left_ = frame.total - frame.here.size();
    if (frame.type == 'S') {
      if (frame.IsWhole()) OnParameterStatus(frame.body());
      continue;
    }
    if (frame.type == 'N' || frame.type == 'A') continue;
    if (frame.type == 'E') {
      const auto fields = protocol::ParseErrorFields(frame.body());
      if (fields.severity == "FATAL" || fields.severity == "PANIC") {
        last_fatal_.assign(frame.body());
        continue;  // its end of the connection follows
      }
    }
    if (own_ != Own::kNone) {
      if (own_ready_left_ == 0) return OnLost("the server sent something that nobody asked for");
      OnOwnFrame(frame.type, frame.body());
      if (state_ == ServerState::kClosing) return;
      continue;
    }
    using Reply = protocol::ReplyTracker::Reply;
    if (state_ != ServerState::kCleaning) return OnLost("the server sent something that nobody asked for");
    const Reply reply = frame.type == 'Z' ? (frame.total == 6 ? tracker_.OnReadyForQuery(frame.body()[0]) : Reply::kBroken)
                                          : tracker_.OnReply(frame.type);
    if (reply == Reply::kBroken) return OnLost("the server broke the protocol");
    if (frame.type == 'C' && frame.IsWhole()) OnCommandTag(frame.body());
    if (frame.type == 'G') {  // it began a copy after the client had gone
      std::string fail;
      protocol::MessageWriter(fail).Begin('f').Text("client left during COPY").End();
      tracker_.OnSent('f');
      if (tracker_.NeedsSync()) {  // the one that was sent ahead has been swallowed by the copy
        protocol::WriteSync(fail);
        tracker_.OnSent('S');
      }
      if (!Send(fail)) return;
    }
    if (reply == Reply::kReady && tracker_.owes_nothing()) step_done_ = true;
  }
  Keep(chunk.substr(pos));
  // Only between messages: the next step may give this server to a client.
  if (!step_done_ || stream_left_ > 0 || !input_.empty()) return;
  step_done_ = false;
  if (own_ != Own::kNone) OwnDone();
  else ContinueCleaning();
}

void Server::OnOwnFrame(char type, std::string_view body) {
  switch (type) {
    case 'Z':
      if (body.size() != 1) return OnLost("the server broke the protocol");
      tracker_.SetStatus(body[0]);
      if (--own_ready_left_ == 0) step_done_ = true;
      return;
    case 'E':
      if (!own_failed_) own_error_.assign(body);
      own_failed_ = true;
      return;
    case 'G':
    case 'W': return Close("server_check_query or server_reset_query started a copy");
    default: return;
  }
}

}  // namespace proxy
