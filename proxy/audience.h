// Who listens to what in one pool, and the listening connection that serves them: the bookkeeping of notification_hub.
//
// The order. Commands on the connection are numbered; command n gives two points in the stream that PostgreSQL sends: 2n (its
// CommandComplete: in force) and 2n + 1 (its ReadyForQuery). reached_ is the last one read. Every notification lies between
// two points. What a subscriber waits for is a ticket at a point, and tickets are completed in the order of points, then of
// calls:
//   join   at 2n, n the last LISTEN that its channels need; at once when it is passed. Only there the subscriber enters the
//          channels, all of them together, and its answer is said: what was read before is not for it, what is read after is
//          said after its answer. PostgreSQL sends whatever is committed after a LISTEN is in force, so nothing is missing.
//   leave  at 2n + 1, n an UNLISTEN when nobody wants the channel any more, else a LISTEN that changes nothing: PostgreSQL has
//          read it after whatever it was told before, so what was on its way lies before that point and is still delivered.
// Invariants:
//   1. wanted(channel) = the members whose `wanted` names it; a command that changes it is sent in the same call.
//   2. channel.in_force_at is the point from which PostgreSQL listens to it on this connection; 0: not asked, or unlistened.
//   3. audience(channel) is a set: a notification goes to each of its members once, in the order read (the outbox keeps it).
//   4. A ticket of a member never stands before an older one of the same member (member.last_point).
//   5. No members = no connection (or one that is closing). While one closes whoever comes waits for its end, so that the
//      caps are not asked for two places.
// Lost connection: leaves are complete (nothing is on its way), members of an audience stay in it and are marked `missed`;
// LISTEN goes out again for every wanted channel; at the last one in force those members are told of the gap, then the joins
// that waited are completed. Joins fail when a connect fails, or when the connection is lost before that point.
// Threads: the hub's loop. Ownership: the hub's. Limits: kChannelsPerPoolMax channels, kSubscribersPerPoolMax members.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "proxy/listening_connection.h"
#include "proxy/notification_outbox.h"

namespace proxy {

inline constexpr size_t kChannelsPerPoolMax = 1000;  // PostgreSQL walks a list of them for each notification
inline constexpr size_t kSubscribersPerPoolMax = 10'000;

class Audience final : private ListeningConnection::Handler {
 public:
  using Done = NotificationOutbox::Done;

  // `idle` is called when this audience may be deleted, not inside the call.
  Audience(DialRoom room, std::shared_ptr<BackendPool> pool, std::shared_ptr<const NotificationSeams> seams,
           NotificationOutbox& outbox, uint64_t seed, std::function<void()> idle);

  void Subscribe(Subscriber subscriber, std::vector<std::string> channels, Done done);
  void Unsubscribe(Subscriber subscriber, const std::vector<std::string>& channels, Done done);
  void Forget(Subscriber subscriber);
  void Reopen();
  void LeaveAddress(const NameNews& news);
  void Resume();
  void FailWaiting(const protocol::ErrorReport& report);  // every join and leave that waits
  bool IsIdle() const { return members_.empty() && connection_ == nullptr; }

 private:
  struct Channel {
    std::set<Subscriber> audience;
    size_t wanted = 0;
    uint64_t in_force_at = 0;
  };
  struct Member {
    std::set<std::string> wanted;  // as if all its tickets were completed
    uint64_t last_point = 0;
    size_t tickets = 0;
    bool missed = false;  // owed the word of a gap
  };
  enum class Kind : uint8_t { kJoin, kLeave };
  struct Ticket {
    Kind kind;
    Subscriber subscriber;
    std::vector<std::string> channels;
    std::vector<std::string> added;  // joins: what this call added to member.wanted
    Done done;
  };
  using Tickets = std::multimap<uint64_t, Ticket>;

  void OnOpened() override;
  void OnInForce(uint64_t command) override { Reach(2 * command); }
  void OnAnswered(uint64_t command) override { Reach(2 * command + 1); }
  ListeningConnection::Refusal OnRefused(const std::string& channel, std::string_view message) override;
  void OnNotification(std::string_view channel, const MessageRef& message) override;
  void OnClosed(ListeningConnection::Closed how, const std::string& cause) override;

  std::optional<std::string> WhyNot(Subscriber subscriber, const std::vector<std::string>& channels) const;
  uint64_t PointOf(const std::vector<std::string>& channels);  // sends LISTEN where it is needed
  void Want(Member& member, const std::string& channel);
  uint64_t Unwant(Member& member, const std::string& channel);
  void Wait(uint64_t point, Ticket ticket);
  void Reach(uint64_t point);
  void Complete(Ticket ticket);
  void Fail(Ticket ticket, const protocol::ErrorReport& report);
  void FailJoins(const std::string& cause);
  void CompleteLeaves();
  void EraseIfUnused(const std::string& channel);
  void EraseIfDone(Subscriber subscriber);
  std::vector<Ticket> TakeTickets(const std::function<bool(const Ticket&)>& is_meant);

  bool IsOpen() const { return connection_ != nullptr && connection_->is_open(); }
  void Dial();
  void DialLater();
  void BeginClose();
  void TellGaps();
  void Settle();  // the last thing of every call: opens, closes

  protocol::ErrorReport ListenFailed(std::string cause) const;

  const DialRoom room_;
  const std::shared_ptr<BackendPool> pool_;
  const std::shared_ptr<const NotificationSeams> seams_;
  NotificationOutbox& outbox_;
  std::minstd_rand random_;
  const std::function<void()> idle_;
  std::map<std::string, Channel, std::less<>> channels_;
  std::map<Subscriber, Member> members_;
  Tickets waiting_;
  std::unique_ptr<ListeningConnection> connection_;
  uint64_t reached_ = 0;
  uint64_t restored_at_ = 0;  // the point from which all is as it was wanted when the connection opened
  bool is_restoring_ = false;
  int failures_ = 0;  // in a row; the back-off doubles with each
  Timer retry_;
  bool retry_is_due_ = false;  // retry_ runs
};

}  // namespace proxy
