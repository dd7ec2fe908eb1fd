#include "proxy/audience.h"

#include <algorithm>

#include "pool/backend_health.h"

namespace proxy {

namespace {

constexpr uint64_t kWhenRestored = UINT64_MAX;  // no connection is open: the point is known when one is

std::vector<std::string> WithoutDuplicates(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

bool Names(const std::vector<std::string>& list, const std::string& name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

}  // namespace

Audience::Audience(DialRoom room, std::shared_ptr<BackendPool> pool, std::shared_ptr<const NotificationSeams> seams,
                   NotificationOutbox& outbox, uint64_t seed, std::function<void()> idle)
    : room_(room),
      pool_(std::move(pool)),
      seams_(std::move(seams)),
      outbox_(outbox),
      random_(static_cast<std::minstd_rand::result_type>(seed)),
      idle_(std::move(idle)),
      retry_(room.loop, [this] {
        retry_is_due_ = false;
        Dial();
      }) {}

// --- calls of the hub ----------------------------------------------------------------------------------------------------

void Audience::Subscribe(Subscriber subscriber, std::vector<std::string> channels, Done done) {
  channels = WithoutDuplicates(std::move(channels));
  if (const auto why_not = WhyNot(subscriber, channels)) {
    outbox_.Answer(subscriber, std::move(done), ListenFailed(*why_not));
    return Settle();
  }
  if (channels.empty()) return outbox_.Answer(subscriber, std::move(done), std::nullopt);
  Member& member = members_[subscriber];
  Ticket ticket{Kind::kJoin, subscriber, channels, {}, std::move(done)};
  for (const std::string& channel : channels) {
    if (member.wanted.contains(channel)) continue;
    Want(member, channel);
    ticket.added.push_back(channel);
  }
  const uint64_t point = IsOpen() ? std::max(PointOf(channels), member.last_point) : kWhenRestored;
  Wait(point, std::move(ticket));
  Settle();
}

void Audience::Unsubscribe(Subscriber subscriber, const std::vector<std::string>& channels, Done done) {
  Ticket ticket{Kind::kLeave, subscriber, {}, {}, std::move(done)};
  const auto found = members_.find(subscriber);
  if (found != members_.end()) {
    for (const std::string& channel : found->second.wanted) {
      if (channels.empty() || Names(channels, channel)) ticket.channels.push_back(channel);
    }
  }
  if (ticket.channels.empty()) {
    outbox_.Answer(subscriber, std::move(ticket.done), std::nullopt);
    return Settle();
  }
  Member& member = found->second;
  uint64_t command = 0;
  for (const std::string& channel : ticket.channels) command = std::max(command, Unwant(member, channel));
  if (!IsOpen()) {
    ++member.tickets;
    Complete(std::move(ticket));
    return Settle();
  }
  if (command == 0) command = connection_->Listen(ticket.channels.front());  // changes nothing; its answer is the point
  Wait(2 * command + 1, std::move(ticket));
  Settle();
}

void Audience::Forget(Subscriber subscriber) {
  const auto found = members_.find(subscriber);
  if (found == members_.end()) return;
  std::set<std::string> names = found->second.wanted;
  for (const Ticket& ticket : TakeTickets([&](const Ticket& one) { return one.subscriber == subscriber; })) {
    names.insert(ticket.channels.begin(), ticket.channels.end());
  }
  for (const std::string& name : names) {
    const auto channel = channels_.find(name);
    if (channel == channels_.end()) continue;
    channel->second.audience.erase(subscriber);
    if (found->second.wanted.contains(name)) Unwant(found->second, name);
    EraseIfUnused(name);
  }
  members_.erase(found);
  Settle();
}

void Audience::Reopen() {
  if (IsOpen()) return BeginClose();  // OnClosed opens the next
  if (connection_ && !connection_->is_closing()) connection_.reset();
  Settle();
}

void Audience::LeaveAddress(const NameNews& news) {
  if (IsOpen() && connection_->HasLost(news)) Reopen();
}

void Audience::Resume() {
  if (connection_) connection_->Resume();
}

void Audience::FailWaiting(const protocol::ErrorReport& report) {
  for (Ticket& ticket : TakeTickets([](const Ticket&) { return true; })) Fail(std::move(ticket), report);
}

// --- what is wanted ------------------------------------------------------------------------------------------------------

std::optional<std::string> Audience::WhyNot(Subscriber subscriber, const std::vector<std::string>& channels) const {
  size_t added = 0;
  for (const std::string& channel : channels) {
    if (!IsChannelName(channel)) return "a channel name has 1 to " + std::to_string(kChannelBytesMax) + " bytes";
    if (!channels_.contains(channel)) ++added;
  }
  if (channels_.size() + added > kChannelsPerPoolMax) {
    return "too many channels (" + std::to_string(kChannelsPerPoolMax) + ") for one database and user";
  }
  if (members_.size() >= kSubscribersPerPoolMax && !members_.contains(subscriber)) {
    return "too many listening clients (" + std::to_string(kSubscribersPerPoolMax) + ") for one database and user";
  }
  return std::nullopt;
}

uint64_t Audience::PointOf(const std::vector<std::string>& channels) {
  uint64_t point = 0;
  for (const std::string& name : channels) {
    Channel& channel = channels_[name];
    if (channel.in_force_at == 0) channel.in_force_at = 2 * connection_->Listen(name);
    point = std::max(point, channel.in_force_at);
  }
  return point;
}

void Audience::Want(Member& member, const std::string& channel) {
  member.wanted.insert(channel);
  ++channels_[channel].wanted;
}

// The number of the UNLISTEN that was sent, 0 = none was needed.
uint64_t Audience::Unwant(Member& member, const std::string& channel) {
  member.wanted.erase(channel);
  Channel& left = channels_[channel];
  --left.wanted;
  if (left.wanted > 0 || left.in_force_at == 0) return 0;
  left.in_force_at = 0;
  return connection_->Unlisten(channel);
}

void Audience::EraseIfUnused(const std::string& channel) {
  const auto found = channels_.find(channel);
  if (found != channels_.end() && found->second.wanted == 0 && found->second.audience.empty()) channels_.erase(found);
}

void Audience::EraseIfDone(Subscriber subscriber) {
  const auto found = members_.find(subscriber);
  if (found != members_.end() && found->second.wanted.empty() && found->second.tickets == 0) members_.erase(found);
}

// --- tickets -------------------------------------------------------------------------------------------------------------

void Audience::Wait(uint64_t point, Ticket ticket) {
  Member& member = members_[ticket.subscriber];
  ++member.tickets;
  if (point <= reached_ && !is_restoring_) return Complete(std::move(ticket));
  if (point != kWhenRestored) member.last_point = point;
  waiting_.emplace(point, std::move(ticket));
}

void Audience::Reach(uint64_t point) {
  reached_ = point;
  if (is_restoring_ && point >= restored_at_) {
    is_restoring_ = false;
    failures_ = 0;
    TellGaps();
  }
  while (!is_restoring_ && !waiting_.empty() && waiting_.begin()->first <= reached_) {
    Complete(std::move(waiting_.extract(waiting_.begin()).mapped()));
  }
  Settle();
}

void Audience::Complete(Ticket ticket) {
  Member& member = members_[ticket.subscriber];
  --member.tickets;
  for (const std::string& name : ticket.channels) {
    if (ticket.kind == Kind::kLeave) {
      channels_[name].audience.erase(ticket.subscriber);
      EraseIfUnused(name);
    } else if (member.wanted.contains(name)) {  // it may have left again meanwhile
      channels_[name].audience.insert(ticket.subscriber);
    }
  }
  outbox_.Answer(ticket.subscriber, std::move(ticket.done), std::nullopt);
  EraseIfDone(ticket.subscriber);
}

void Audience::Fail(Ticket ticket, const protocol::ErrorReport& report) {
  Member& member = members_[ticket.subscriber];
  --member.tickets;
  for (const std::string& name : ticket.added) {
    if (member.wanted.contains(name)) Unwant(member, name);
    EraseIfUnused(name);
  }
  outbox_.Answer(ticket.subscriber, std::move(ticket.done), report);
  EraseIfDone(ticket.subscriber);
}

std::vector<Audience::Ticket> Audience::TakeTickets(const std::function<bool(const Ticket&)>& is_meant) {
  std::vector<Ticket> taken;
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    const auto next = std::next(it);
    if (is_meant(it->second)) taken.push_back(std::move(waiting_.extract(it).mapped()));
    it = next;
  }
  return taken;
}

void Audience::FailJoins(const std::string& cause) {
  const protocol::ErrorReport report = ListenFailed(cause);
  for (Ticket& ticket : TakeTickets([](const Ticket& one) { return one.kind == Kind::kJoin; })) Fail(std::move(ticket), report);
}

void Audience::CompleteLeaves() {
  for (Ticket& ticket : TakeTickets([](const Ticket& one) { return one.kind == Kind::kLeave; })) Complete(std::move(ticket));
}

protocol::ErrorReport Audience::ListenFailed(std::string cause) const {
  return protocol::MakeError(protocol::ErrorCode::kBackendDown, pool_->key().database, "cannot listen: " + std::move(cause));
}

// --- the connection ------------------------------------------------------------------------------------------------------

void Audience::Settle() {
  if (!members_.empty()) {
    // While one closes, OnClosed opens the next.
    if (!connection_ && !retry_is_due_) Dial();
    return;
  }
  retry_.Stop();
  retry_is_due_ = false;
  failures_ = 0;
  if (IsOpen()) BeginClose();
  if (connection_ && !connection_->is_closing()) connection_.reset();
  if (!connection_) idle_();
}

void Audience::Dial() {
  auto place = ConnectionPlace::Take(*pool_, seams_->poke);
  if (!place) {
    FailJoins(place.error());
    return DialLater();
  }
  ListeningConnection::Handler& handler = *this;
  connection_ = std::make_unique<ListeningConnection>(room_, pool_, std::move(*place), handler);
  connection_->Open(seams_->dial_options(*pool_));
}

void Audience::BeginClose() {
  for (auto& [name, channel] : channels_) channel.in_force_at = 0;
  connection_->Close();
}

// 50 ms, doubling to 500 ms, moved earlier by up to a half: those who lost the same server do not come back together.
void Audience::DialLater() {
  if (!members_.empty()) {
    const pool::Duration wait = std::min(pool::kRetryFirst * (1 << std::min(failures_, 4)), pool::kUnreachableRetryMax);
    ++failures_;
    retry_is_due_ = true;
    retry_.Start(std::uniform_int_distribution<int64_t>(wait.count() / 2, wait.count())(random_) * pool::Duration(1));
  }
  Settle();
}

void Audience::OnOpened() {
  reached_ = 0;
  restored_at_ = 0;
  is_restoring_ = true;
  for (auto& [name, channel] : channels_) {
    if (channel.wanted > 0) restored_at_ = channel.in_force_at = 2 * connection_->Listen(name);
  }
  for (auto& [subscriber, member] : members_) member.last_point = restored_at_;
  Tickets waiting;  // their points were another connection's
  for (auto& [point, ticket] : waiting_) waiting.emplace(restored_at_, std::move(ticket));
  waiting_ = std::move(waiting);
  if (restored_at_ == 0) Reach(0);
}

ListeningConnection::Refusal Audience::OnRefused(const std::string& name, std::string_view message) {
  const auto channel = channels_.find(name);
  if (channel == channels_.end()) return ListeningConnection::Refusal::kHandled;  // whoever asked has left
  if (!channel->second.audience.empty()) return ListeningConnection::Refusal::kSurprise;  // it was in force
  channel->second.in_force_at = 0;
  const protocol::ErrorReport report = ListenFailed(std::string(message));
  auto asked = TakeTickets([&](const Ticket& one) { return one.kind == Kind::kJoin && Names(one.channels, name); });
  for (Ticket& ticket : asked) Fail(std::move(ticket), report);
  return ListeningConnection::Refusal::kHandled;
}

void Audience::OnNotification(std::string_view name, const MessageRef& message) {
  const auto channel = channels_.find(name);
  if (channel == channels_.end()) return;
  for (const Subscriber& subscriber : channel->second.audience) outbox_.Deliver(subscriber, message);
  if (outbox_.IsFull()) connection_->Pause();
}

void Audience::OnClosed(ListeningConnection::Closed how, const std::string& cause) {
  connection_.reset();
  const bool was_restoring = std::exchange(is_restoring_, false);
  for (auto& [name, channel] : channels_) {
    channel.in_force_at = 0;
    for (const Subscriber& subscriber : channel.audience) members_[subscriber].missed = true;
  }
  CompleteLeaves();
  if (how == ListeningConnection::Closed::kAsked) return Settle();
  if (how == ListeningConnection::Closed::kNotOpened || was_restoring) FailJoins(cause);
  DialLater();
}

void Audience::TellGaps() {
  for (auto& [subscriber, member] : members_) {
    if (!std::exchange(member.missed, false)) continue;
    std::vector<std::string> missed;
    for (const std::string& name : member.wanted) {
      if (channels_[name].audience.contains(subscriber)) missed.push_back(name);
    }
    if (!missed.empty()) outbox_.TellGap(subscriber, std::move(missed));
  }
}

}  // namespace proxy
