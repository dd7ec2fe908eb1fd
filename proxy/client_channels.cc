// Client, LISTEN and UNLISTEN in transaction pooling: the notification hub listens, and the client hears.
//
// A server must not listen for a client that will leave it. So LISTEN is not sent: a setting of its own stands in its place, which
// lasts exactly if the LISTEN would (commit, rollback, savepoints). When the transaction has ended, the settings that are found say
// what was listened to; the hub is asked, and only then the client hears that it is done, so that no notification is missed.
// In the middle of a simple query it is the same, for each such statement; a Parse can only hold one. Where the text is not seen
// (too long) or a function listens, the server is pinned.
#include <algorithm>

#include "protocol/message_writer.h"
#include "protocol/session_check.h"
#include "proxy/client.h"
#include "proxy/notification_hub.h"
#include "proxy/worker.h"

namespace proxy {
namespace {

bool IsChannelKind(protocol::SqlKind kind) {
  using protocol::SqlKind;
  return kind == SqlKind::kListen || kind == SqlKind::kUnlisten || kind == SqlKind::kUnlistenAll;
}

}  // namespace

using protocol::SqlKind;
using protocol::SqlStatement;
using Action = protocol::ReplyTracker::Action;
using Note = protocol::ReplyTracker::Note;

bool Client::CarriesChannels(protocol::SqlFlags flags) const {
  if ((flags & kChannelFlags) == 0 || !tracks_) return false;
  if (worker_->shared().notifications == nullptr || pool_->policy(conf::StateKind::kListen) != conf::StatePolicy::kTrack) return false;
  return !session_ || (session_->pins & Session::Bit(conf::StateKind::kListen)) == 0;  // else its server listens
}

bool Client::IsChannelStatement(protocol::SqlFlags flags, const std::vector<SqlStatement>& details) const {
  return CarriesChannels(flags) && details.size() == 1 && IsChannelKind(details.front().kind);
}

// The statement that is sent in its place, for the next change.
std::string Client::StandIn() {
  const std::string number = std::to_string(session().channel_changes.size());
  return "SET " + std::string(kChannelSetting) + number + " TO '" + std::to_string(session_->channel_serial + 1) + "'";
}

// As the stand-in of this change has left it, if that has not been undone.
protocol::Setting Client::ChannelSetting(size_t change) const {
  return {std::string(kChannelSetting) + std::to_string(change), session_->channel_changes[change].value};
}

void Client::NoteChannel(const SqlStatement& statement) {
  Session& own = session();
  const std::string channel = statement.names.empty() ? std::string() : statement.names.front();
  own.channel_changes.push_back({statement.kind, channel, std::to_string(++own.channel_serial)});
  own.touched.flags |= protocol::kSqlSet;
  server_->MarkTouched();
}

// The query with its LISTENs and UNLISTENs replaced, in parts; the log says which of its tags are to be put right.
Edit Client::SendWithStandIns(std::string_view sql, const std::vector<SqlStatement>& details, Parts& parts) {
  std::string text, tags;
  size_t from = 0;
  for (const SqlStatement& statement : details) {
    if (!IsChannelKind(statement.kind)) {
      tags += kTagStays;
      continue;
    }
    text.append(sql.substr(from, statement.begin - from)).append(StandIn());
    from = statement.end;
    tags += statement.kind == SqlKind::kListen ? kTagListen : kTagUnlisten;
    NoteChannel(statement);
  }
  text.append(sql.substr(from));
  protocol::WriteQuery(parts.BeginOwn(), text);
  parts.EndOwn();
  server_->log().Add({protocol::StatementChange::Kind::kChannel, std::move(tags), nullptr, {}});
  server_->tracker().OnSent('Q', Action::kForward, Note::kNoted);
  ++batches_.current;
  return {.kind = Edit::Kind::kEaten};
}

// --- when the transaction has ended --------------------------------------------------------------------------------------

// True: the hub has been asked, OnHubAnswer follows.
namespace {

// Of a channel that is not listened to any more, what waited for the end of the transaction is not told, as PostgreSQL has it.
void DropNotifications(Session& session, const std::string& channel) {
  constexpr size_t kChannelAt = protocol::kFrameHeaderBytes + 4;  // behind the process id
  std::erase_if(session.notifications, [&](const std::shared_ptr<const std::string>& message) {
    const std::string_view rest = std::string_view(*message).substr(std::min(kChannelAt, message->size()));
    if (rest.substr(0, rest.find('\0')) != channel) return false;
    session.notification_bytes -= message->size();
    return true;
  });
}

}  // namespace

bool Client::ChangeChannels(const protocol::SessionFinding& finding) {
  Session& own = session();
  std::vector<std::string> wanted = own.channels;
  if (std::exchange(own.drops_channels, false)) wanted.clear();
  for (size_t i = 0; i < own.channel_changes.size(); ++i) {
    const ChannelChange& change = own.channel_changes[i];
    if (std::find(finding.set.begin(), finding.set.end(), ChannelSetting(i)) == finding.set.end()) continue;  // it was rolled back
    if (change.kind == SqlKind::kUnlistenAll) wanted.clear();
    else std::erase(wanted, change.channel);
    if (change.kind == SqlKind::kListen) wanted.push_back(change.channel);
  }
  own.channel_changes.clear();
  own.rolled_back_to = false;
  std::vector<std::string> add, remove;
  for (const std::string& channel : wanted) {
    if (std::find(own.channels.begin(), own.channels.end(), channel) == own.channels.end()) add.push_back(channel);
  }
  for (const std::string& channel : own.channels) {
    if (std::find(wanted.begin(), wanted.end(), channel) == wanted.end()) remove.push_back(channel);
  }
  if (add.empty() && remove.empty()) return false;
  AskHub(std::move(add), std::move(remove));
  return true;
}

void Client::AskHub(std::vector<std::string> add, std::vector<std::string> remove) {
  session_->calls_hub = true;
  NotificationHub& hub = *worker_->shared().notifications;
  const Subscriber subscriber{worker_->number(), id_};
  const auto done = [worker = worker_, id = id_, add](std::vector<std::string> removed) {
    return [worker, id, add, removed = std::move(removed)](std::optional<protocol::ErrorReport> error) {
      Client* client = worker->FindClient(id);
      if (client == nullptr || client->state_ == ClientState::kClosing) return;
      auto& channels = client->session().channels;
      for (const std::string& channel : removed) {
        std::erase(channels, channel);
        DropNotifications(*client->session_, channel);
      }
      if (!removed.empty() && !add.empty()) return client->AskHub(add, {});
      if (!error) channels.insert(channels.end(), add.begin(), add.end());
      client->OnHubAnswer(std::move(error));
    };
  };
  if (!remove.empty()) hub.Unsubscribe(pool_, subscriber, remove, done(remove));
  else hub.Subscribe(pool_, subscriber, add, done({}));
}

void Client::OnHubAnswer(std::optional<protocol::ErrorReport> error) {
  session_->calls_hub = false;
  if (error) {
    worker_->CountError(error->code);
    std::string bytes;
    error->severity = protocol::Severity::kError;
    protocol::WriteError(bytes, *error);
    session_->held_answer.insert(0, bytes);
  }
  FinishSettle();
}

// --- notifications -------------------------------------------------------------------------------------------------------

// PostgreSQL too keeps them back while a transaction is open, and never puts one between the parts of an answer.
bool Client::MayNotify() const {
  if (in_transaction_ || deferred_ != Deferred::kNo || ready_withheld_) return false;
  if (state_ == ClientState::kIdle) return true;
  return state_ == ClientState::kActive && server_ != nullptr && server_->tracker().owes_nothing() && !server_->is_mid_message();
}

void Client::OnNotification(const std::shared_ptr<const std::string>& message) {
  if (!pool_ || state_ == ClientState::kClosing) return;
  Session& own = session();
  pool_->counters(worker_->number()).notifications.Add(1);
  if (own.notifications.empty() && MayNotify()) {
    SendFromServer(*message);
    return;
  }
  own.notifications.push_back(message);
  own.notification_bytes += message->size();
  while (own.notification_bytes > kNotificationBytesMax) {
    own.notification_bytes -= own.notifications.front()->size();
    own.notifications.pop_front();
    own.lost_notifications = true;
  }
}

void Client::FlushNotifications() {
  if (!session_ || session_->notifications.empty() || !MayNotify()) return;
  std::string bytes;
  if (std::exchange(session_->lost_notifications, false)) {
    protocol::WriteError(bytes, protocol::ErrorCode::kNotificationsLost, "all channels");
  }
  for (const auto& message : session_->notifications) bytes += *message;
  session_->notifications.clear();
  session_->notification_bytes = 0;
  SendFromServer(bytes);
}

void Client::OnNotificationGap(const std::vector<std::string>& channels) {
  std::string names;
  for (const std::string& channel : channels) names += (names.empty() ? "\"" : ", \"") + channel + "\"";
  auto notice = std::make_shared<std::string>();
  protocol::WriteError(*notice, protocol::ErrorCode::kNotificationsLost, names);
  OnNotification(notice);
}

}  // namespace proxy
