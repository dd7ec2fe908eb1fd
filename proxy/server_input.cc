// Server, what it says: answers that go to the linked client, and everything that is kept from it.
#include <cstring>

#include "protocol/frame.h"
#include "protocol/message_writer.h"
#include "protocol/statement_messages.h"
#include "proxy/client.h"
#include "proxy/log.h"
#include "proxy/server.h"
#include "proxy/worker.h"

namespace proxy {
namespace {

constexpr std::string_view kBindComplete{"2\0\0\0\4", 5};

}  // namespace

void Server::OnReadable() {
  char* buffer = worker_->ReadBuffer();
  const IoResult result = socket_->Read(buffer, kReadBytes);
  if (result.status == IoStatus::kEof) return OnLost("the server closed the connection");
  if (result.status == IoStatus::kError) return OnLost("read failed");
  if (result.bytes == 0) return;
  const size_t kept = input_.size();
  if (kept > kHeadroomBytes) {  // a long value in an answer to ourselves
    std::string whole = std::exchange(input_, {});
    whole.append(buffer, result.bytes);
    return Take(whole);
  }
  if (kept > 0) {
    buffer -= kept;  // into the headroom
    std::memcpy(buffer, input_.data(), kept);
    input_.clear();
  }
  Take(std::string_view(buffer, kept + result.bytes));
}

void Server::Take(std::string_view chunk) {
  switch (state_) {
    case ServerState::kActive: return Relay(chunk);
    case ServerState::kReplicating: return PassOn(chunk);
    case ServerState::kClosing: return;
    default: return Swallow(chunk);
  }
}

bool Server::Forward(Parts& parts) {
  if (parts.empty()) return true;
  const bool lives = client_->SendFromServer(parts);
  parts.Clear();
  if (!lives) return false;
  if (client_->socket().unsent() > 0) socket_->Pause(PauseReason::kPeerFull);
  return true;
}

// The hot path: runs of messages leave in one write; only the few types that matter are looked into.
void Server::Relay(std::string_view chunk) {
  const PartsLoan loan(*worker_);
  Parts& parts = loan.parts();
  Parts::Mark after_ready;
  size_t pos = 0, run = 0;
  auto answered = client_->answered();
  if (stream_left_ > 0) {
    pos = std::min(stream_left_, chunk.size());
    stream_left_ -= pos;
    if (!stream_forward_) run = pos;
    if (stream_describes_) EatDescription(chunk.substr(0, pos), stream_left_ == 0);
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
    } else if ((frame.type == 'D' || frame.type == 'd') && tracker_.HeadTakesRows()) {
      verdict = Verdict::kForward;
    } else {
      // What is made here belongs before the message, but behind what came before it.
      parts.Add(chunk.substr(run, pos - run));
      run = pos;
      verdict = JudgeAnswer(frame.type, frame.body(), frame.total, parts);
    }
    if (verdict == Verdict::kNeedMore || verdict == Verdict::kBroken || verdict == Verdict::kRefused) break;
    if (verdict == Verdict::kHide) {
      parts.Add(chunk.substr(run, pos - run));
      run = pos + frame.here.size();
    }
    pos += frame.here.size();
    stream_left_ = frame.total - frame.here.size();
    stream_forward_ = verdict == Verdict::kForward;
    if (!behind_.empty()) {
      parts.Add(chunk.substr(run, pos - run));
      run = pos;
      parts.AddOwn(behind_);
      behind_.clear();
    }
    if (frame.type == 'Z' && verdict == Verdict::kForward) {
      answered = Client::Answered::kNothingOpen;
      if (pool_->mode() == conf::PoolMode::kStatement) {
        parts.Add(chunk.substr(run, pos - run));
        run = pos;
        after_ready = parts.mark();
      }
    } else if (verdict == Verdict::kForward && frame.type != 'N' && frame.type != 'S' && frame.type != 'A') {
      answered = Client::Answered::kPartly;
    }
  }
  if (verdict == Verdict::kRefused) {
    // Nothing of the statement that opened the block has to be seen: what is answered up to there goes out.
    Keep(chunk.substr(pos + 6));  // its ReadyForQuery is eaten
    parts.CutTo(after_ready);
    if (!Forward(parts)) return;
    return client_->OnTransactionInStatementMode();
  }
  parts.Add(chunk.substr(run, pos - run));
  if (replay_failed_) {
    replay_failed_ = false;
    touched_ = true;
    Keep(chunk.substr(pos));
    return client_->OnSettingsRefused(own_error_);
  }
  if (verdict == Verdict::kBroken) {
    stream_left_ = 0;
    Forward(parts);  // whatever becomes of the client, this server ends
    return OnLost("the server broke the protocol");
  }
  // A client that breaks while it is written to leaves this server to be cleaned: what is not eaten yet is kept before.
  Keep(chunk.substr(pos));
  if (!Forward(parts)) return;
  if (healing_ == Healing::kUntilReady && IsAtRest()) return Repeat();
  if (client_->is_restoring() && tracker_.owes_nothing()) return client_->OnRestored();
  client_->OnAnswerForwarded(answered);
  if (client_ == nullptr) return;  // it had only waited for this answer to leave
  if (IsReleasable()) client_->OnServerFree(Now());
}

// What an answer says about messages of ours, and what is made for the client around it.
Server::Verdict Server::Take(const protocol::ReplyTracker::Answer& answer, Parts& parts) {
  using Tracker = protocol::ReplyTracker;
  if (answer.reply == Tracker::Reply::kBroken) return Verdict::kBroken;
  if (!answer.before.empty()) parts.AddOwn(answer.before);
  if (!answer.behind.empty()) behind_ = answer.behind;
  retry_.OnFakes((answer.before.size() + answer.behind.size()) / protocol::kFrameHeaderBytes);
  if ((answer.confirmed | answer.undone | answer.unnamed_confirmed | answer.unnamed_undone) != 0) Learn(answer);
  return answer.action == Tracker::Action::kForward ? Verdict::kForward : Verdict::kHide;
}

void Server::Learn(const protocol::ReplyTracker::Answer& answer) {
  protocol::ClientStatements* statements = client_ != nullptr ? client_->statements() : nullptr;
  log_.Confirm(answer.confirmed, statements_, statements);
  log_.Undo(answer.undone, statements_, statements);
  if (statements == nullptr) return;
  using First = protocol::UnnamedStatement::First;
  statements->unnamed.Confirm(answer.unnamed_confirmed);
  auto& here = statements_.unnamed;
  if (answer.unnamed_confirmed > 0 && here.client == client_->id() && here.serial == statements->unnamed.settled().serial) here.batch = 0;
  statements->unnamed.Undo(answer.unnamed_undone, answer.unnamed_failed ? First::kFailed : First::kSkipped);
}

Server::Verdict Server::JudgeAnswer(const char type, std::string_view body, size_t total, Parts& parts) {
  const bool is_whole = body.size() + protocol::kFrameHeaderBytes == total;
  const bool can_be_whole = total <= kWholeBytesMax;
  stream_describes_ = false;
  switch (type) {
    case 'Z': {
      if (!is_whole) return total == 6 ? Verdict::kNeedMore : Verdict::kBroken;
      if (total != 6) return Verdict::kBroken;
      const Verdict verdict = Take(tracker_.OnReadyForQuery(body[0]), parts);
      if (verdict == Verdict::kBroken) return verdict;
      if (body[0] != 'I' && pool_->mode() == conf::PoolMode::kStatement) return Verdict::kRefused;
      release_due_ = true;
      tags_given_ = 0;
      if (verdict == Verdict::kHide && replay_units_ > 0) --replay_units_;
      SendDelayedCancels();
      if (verdict != Verdict::kForward) return verdict;
      retry_.End();
      repeats_ = false;
      hidden_error_.clear();
      client_->OnUnitAnswered(body[0], Now());
      // The client hears that it is done when what it has left is known: then its next query finds everything in its place.
      return client_->WithholdsReady() ? Verdict::kHide : verdict;
    }
    case 'C':
      if (!is_whole && can_be_whole) return Verdict::kNeedMore;
      if (is_whole && tracker_.head_action() == protocol::ReplyTracker::Action::kForward) {
        OnCommandTag(body);
        if (tracker_.HeadIsNoted()) return TakeChannelTag(body, parts);
      }
      break;
    case 'S':
      if (!is_whole && can_be_whole) return Verdict::kNeedMore;
      if (is_whole) OnParameterStatus(body);
      return tracker_.HeadIsOwn() && !client_->is_restoring() ? Verdict::kHide : Verdict::kForward;
    case 'E':
      if (!is_whole && can_be_whole) return Verdict::kNeedMore;
      return JudgeError(is_whole ? body : std::string_view(), parts);
    case 'N':
      // What the client's text made it say was heard when the client sent it.
      if (tracker_.head_action() == protocol::ReplyTracker::Action::kFake) Take(tracker_.TakeFakes(), parts);
      return tracker_.head_action() == protocol::ReplyTracker::Action::kForward ? Verdict::kForward : Verdict::kHide;
    case 'A': return Verdict::kForward;
    case 't':
    case 'T':
    case 'n': BeginDescription(type, body, total, parts); break;
    case 'K':
    case 'R':
    case 'v': return Verdict::kBroken;
    default: break;
  }
  const Verdict verdict = Take(tracker_.OnReply(type), parts);
  if (verdict == Verdict::kForward) retry_.OnAnswer(type);
  if (type != 't' || verdict != Verdict::kForward || healing_ != Healing::kHidesDescription) return verdict;
  healing_ = Healing::kNo;  // the client has got it from the first try
  return Verdict::kHide;
}

// What a server says of a statement is compared with what was said of it before (protocol/result_shape.h).
void Server::BeginDescription(char type, std::string_view body, size_t total, Parts& parts) {
  if (tracker_.head_action() == protocol::ReplyTracker::Action::kFake) Take(tracker_.TakeFakes(), parts);  // they belong before it
  const protocol::StatementChange* change = tracker_.HeadIsNoted() ? log_.Front() : nullptr;
  if (change == nullptr || change->kind != protocol::StatementChange::Kind::kDescribe) return;
  if (type == 't' || described_ != change->statement) shape_.Reset();
  described_ = change->statement;
  described_name_ = change->name;
  stream_describes_ = true;
  shape_.Begin(type);
  EatDescription(body, body.size() + protocol::kFrameHeaderBytes == total);
}

void Server::EatDescription(std::string_view part, bool is_end) {
  shape_.Eat(part);
  if (!is_end) return;
  stream_describes_ = false;
  if (shape_.columns() == 0) return;  // its columns follow
  described_->OnDescribed(shape_);
  statements_.Renew(described_->id);
  if (!described_name_.empty()) client_->OnResultTypeTold(described_name_);
  described_.reset();
}

Server::Verdict Server::JudgeError(std::string_view body, Parts& parts) {
  const auto fields = protocol::ParseErrorFields(body);
  if (fields.severity == "FATAL" || fields.severity == "PANIC") {
    // The server goes. What the client hears depends on what it has already got: OnServerLost decides.
    last_fatal_.assign(body);
    deadline_ = std::make_unique<Timer>(worker_->loop(), [this] { OnLost("no end of the connection after a FATAL error"); });
    deadline_->Start(kCloseWait);
    return Verdict::kHide;
  }
  Take(tracker_.TakeFakes(), parts);  // they belong before it
  using Kind = protocol::StatementChange::Kind;
  std::string own;
  const protocol::StatementChange* change = tracker_.HeadIsNoted() ? log_.Front() : nullptr;
  const bool is_outdated = change != nullptr && change->kind == Kind::kOutdated;
  const bool is_meant_to_fail = change != nullptr && change->kind == Kind::kRefuse;
  const bool makes_executed = change != nullptr && change->kind == Kind::kNamedExecute;
  const bool is_stale = is_outdated || (fields.sqlstate == "0A000" && fields.routine == protocol::kStalePlanRoutine);
  const bool is_our_timeout = client_->timeout_report() != nullptr && fields.sqlstate == "57014";
  if (is_our_timeout) protocol::WriteError(own, *client_->timeout_report());
  // A Bind that was made for the old columns does not fit the new ones: then the first error was the right one.
  else if (is_outdated || (repeats_ && fields.sqlstate == "08P01")) protocol::WriteStalePlanError(own);
  else if (is_meant_to_fail) own = change->name;
  else if (!hidden_error_.empty() && fields.sqlstate == "26000") protocol::MessageWriter(own).Begin('E').Bytes(hidden_error_).End();
  else WriteRenamedError(own, body, fields);
  const bool heals = is_stale && TryHeal(change);
  const auto answer = tracker_.OnReply('E');
  if (Take(answer, parts) == Verdict::kBroken) return Verdict::kBroken;
  if (answer.action != protocol::ReplyTracker::Action::kOwn) client_->OnBatchFailed(answer.action);
  if (heals) {
    healing_ = Healing::kUntilReady;
    if (tracker_.skipping()) {
      std::string sync;
      protocol::WriteSync(sync);
      tracker_.OnSent('S', protocol::ReplyTracker::Action::kOwn);
      Send(sync);
    } else {
      tracker_.HideHead();
    }
    client_->BeginHeal();
    return Verdict::kHide;
  }
  if (answer.action == protocol::ReplyTracker::Action::kOwn) {
    if (replay_units_ == 0) {  // it only made ready for the client's own query, which will fail too
      if (!is_meant_to_fail) hidden_error_.assign(body);
      return Verdict::kHide;
    }
    replay_failed_ = true;
    own_error_.assign(body);
    return Verdict::kHide;
  }
  // What failed may be a message of ours that the client's own message needed: then the error is the client's.
  if (makes_executed) parts.AddOwn(kBindComplete);
  if (own.empty()) return Verdict::kForward;
  parts.AddOwn(own);
  return Verdict::kHide;
}

// A plan does not fit any more, here and then on every server that prepared it before. True: the batch will be repeated.
bool Server::TryHeal(const protocol::StatementChange* change) {
  const bool is_told_by_us = change != nullptr && change->kind == protocol::StatementChange::Kind::kOutdated;
  if (retry_.state() == Retry::State::kOff) {
    if (!is_told_by_us) statements_.MarkAllStale();  // which one it was is not known
    return false;
  }
  for (const Retry::Use& use : retry_.uses()) {
    if (!is_told_by_us) use.statement->OnOutdated();
    // A transaction that changed the table itself may be rolled back: then the columns of before are right again.
    if (!is_told_by_us && tracker_.status() != 'I') client_->OnResultTypeTold(use.name);
  }
  const bool is_alone = retry_.state() == Retry::State::kOpen || tracker_.units_owed() == 1;
  const auto was_told = [this](const Retry::Use& use) { return client_->WasTold(use.name); };
  const bool fits = retry_.tells_type() || std::none_of(retry_.uses().begin(), retry_.uses().end(), was_told);
  const bool heals = !repeats_ && retry_.CanRepeat() && fits && is_alone && tracker_.status() == 'I';
  if (!heals) return false;
  pool_->counters(worker_->number()).statement_heals.Add(1);
  for (const Retry::Use& use : retry_.uses()) client_->OnResultTypeTold(use.name);
  return true;
}

void Server::Repeat() {
  healing_ = retry_.has_described() ? Healing::kHidesDescription : Healing::kNo;
  repeats_ = true;
  const std::string rest = retry_.TakeRest();
  client_->Repeat(rest);
}

// An error about a name that the client does not know: its own name is put in its place.
void Server::WriteRenamedError(std::string& out, std::string_view body, const protocol::ErrorFields& fields) {
  const size_t quote = fields.message.find("\"pgweir_");
  const size_t begin = quote == std::string_view::npos ? quote : quote + 1;
  const size_t end = begin == std::string_view::npos ? begin : fields.message.find('"', begin);
  if (end == std::string_view::npos) return;
  const std::string_view server_name = fields.message.substr(begin, end - begin);
  const protocol::StatementChange* change = tracker_.HeadIsNoted() ? log_.Front() : nullptr;
  std::string name;
  if (change != nullptr && change->kind == protocol::StatementChange::Kind::kWrongName) {
    name = change->name;
  } else if (client_->statements() != nullptr) {
    name = client_->statements()->NameOf(server_name);
  }
  if (name.empty()) return;
  const size_t at = static_cast<size_t>(fields.message.data() - body.data()) + begin;
  std::string renamed(body.substr(0, at));
  renamed.append(name).append(body.substr(at + server_name.size()));
  protocol::MessageWriter(out).Begin('E').Bytes(renamed).End();
}

// SET stands for LISTEN and UNLISTEN (client_channels.cc).
Server::Verdict Server::TakeChannelTag(std::string_view body, Parts& parts) {
  const protocol::StatementChange* change = log_.Front();
  const bool has_stand_ins = change != nullptr && change->kind == protocol::StatementChange::Kind::kChannel;
  const std::string tags = has_stand_ins ? change->name : std::string();
  const Verdict verdict = Take(tracker_.OnReply('C'), parts);
  const size_t number = tags_given_++;
  if (number + 1 >= tags.size()) tags_given_ = 0;
  if (verdict != Verdict::kForward || number >= tags.size() || tags[number] == kTagStays || !body.starts_with("SET")) return verdict;
  protocol::WriteCommandComplete(parts.BeginOwn(), tags[number] == kTagListen ? "LISTEN" : "UNLISTEN");
  parts.EndOwn();
  return Verdict::kHide;
}

void Server::OnCommandTag(std::string_view body) {
  if (body.empty() || (body[0] != 'D' && body[0] != 'P' && body[0] != 'R')) return;
  const std::string_view tag = body.substr(0, body.find('\0'));
  if (tag == "DISCARD ALL") settings_.OnDiscardAll();
  if (tag == "DISCARD ALL" || tag == "DEALLOCATE ALL") {
    statements_.Clear();
    log_.ForgetOld();
  }
  if (client_ != nullptr) client_->OnCommandTag(tag);
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
    const bool is_row = own_ == Own::kAsk && frame.type == 'D';  // of a setting's value
    const bool look_inside = is_row ? frame.total <= kSettingRowBytesMax : frame.total <= kWholeBytesMax && std::strchr("SEZCN", frame.type) != nullptr;
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
    if (frame.type == 'Z' && frame.total != 6) return OnLost("the server broke the protocol");
    const auto answer = frame.type == 'Z' ? tracker_.OnReadyForQuery(frame.body()[0]) : tracker_.OnReply(frame.type);
    const Reply reply = answer.reply;
    if (reply == Reply::kBroken) return OnLost("the server broke the protocol");
    if (frame.type == 'Z') SendDelayedCancels();
    Learn(answer);
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
    case 'D':
      if (own_ == Own::kAsk && !finding_.ReadRow(body, pool_->key().user)) own_failed_ = true;
      return;
    case 'G':
    case 'W': return Close("server_check_query or server_reset_query started a copy");
    default: return;
  }
}

}  // namespace proxy
