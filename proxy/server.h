// One connection to PostgreSQL: opened, logged in, lent to clients one after another, cleaned, closed.
//
//   state           means                                            leaves by
//   connecting      ServerDial is at work                           idle/active through the pool; failure -> closed
//   idle            in the pool's idle stack                         lent; readable: parameter change or end
//   preparing       lent, but first our own exchange: check before   active; a failed check -> closed, the client asks again
//                   use, or the replay of the client's settings
//   active          linked to a client                               unit ends and nothing is owed -> idle, or cleaning
//   replicating     of one replication client from its login on      closing
//   cleaning        its client left it unclean: cancel, drain,       idle; anything doubtful -> closing
//                   ROLLBACK, server_reset_query; bounded in time
//   being_canceled  clean, but a cancel request is still on its way  idle
//   closing         Terminate sent, waits for the server's end       closed (the place is given back only then)
//
// Law: answers are forwarded only in `active` and `replicating`, to the one client that is linked; everything else is swallowed here. A server
// goes back to the pool only from a state in which the reply tracker owes nothing and PostgreSQL said 'I'.
// Threads: one worker; moves to another only while the pool says `moving`. Ownership: the worker's list; never deleted inside
// its own callbacks. Limits: a message that must be looked at whole is at most kWholeBytesMax, longer ones are streamed.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pool/lease.h"
#include "protocol/prepared_statements.h"
#include "protocol/reply_tracker.h"
#include "protocol/session_check.h"
#include "protocol/session_settings.h"
#include "proxy/backend_pool.h"
#include "proxy/control.h"
#include "proxy/parts.h"
#include "proxy/retry.h"
#include "proxy/server_dial.h"
#include "proxy/socket.h"
#include "proxy/statement_note.h"

namespace proxy {

class Client;
class Worker;

inline constexpr size_t kWholeBytesMax = 64 * 1024;
inline constexpr size_t kSettingRowBytesMax = 4 * 1024 * 1024;  // a session's setting that is longer pins its server
inline constexpr pool::Duration kCloseWait{5'000'000};  // for the server's end after Terminate
inline constexpr int kCancelsInFlightMax = 4;

enum class ServerState : uint8_t {
  kConnecting, kIdle, kPreparing, kActive, kReplicating, kCleaning, kBeingCanceled, kClosing
};
std::string_view Name(ServerState);  // the words of SHOW SERVERS

class Server final : public SocketHandler, public pool::LeaseHolder {
 public:
  Server(Worker& worker, std::shared_ptr<BackendPool> pool, std::shared_ptr<pool::Slot> slot);
  ~Server();

  void Connect();
  // The pool gave this server to `client`. True: ready now. False: Client::OnServerReady or OnServerUnfit follows.
  bool Lend(Client& client, bool check_first);
  // It was opened for this client alone: from here on all that it says goes there (server_replication.cc).
  void Dedicate(Client& client);
  // What the linked client sends: frames that the tracker already knows. False: broken (OnServerLost has been called).
  bool Send(std::string_view bytes);
  bool Send(Parts& parts);
  // At a Flush: answers that are made here and that nothing is owed before.
  std::string TakeFakes();
  // Asks what the linked client has left in the session; Client::OnSettled follows.
  void Ask(const protocol::SessionQuestion& question);
  // The linked client's settings have changed. kLater: Client::OnServerReady follows.
  enum class Synced : uint8_t { kNow, kLater };
  Synced Resync();
  // What was sent may leave something that the next client must not have: it is cleaned unless it is found to be clean.
  void MarkTouched() { touched_ = true; }
  void MarkUntouched() { touched_ = false; }
  void MarkLoaded() { loaded_ = true; }  // a library: only the end of the process takes it away
  void NoteStatement(std::string_view sql) { statement_.Set(sql); }  // what its client runs
  const StatementNote& statement() const { return statement_; }
  // A hidden query of ours before the next message of the client.
  void SendOwnQuery(std::string_view sql, protocol::ReplyTracker::Note note = protocol::ReplyTracker::Note::kNone);
  void SendOwn(protocol::SettingsDifference settings);
  // What currval and lastval would tell may be another client's.
  bool has_sequences_of_others() const { return sequences_of_ == kSeveralClients; }
  void MarkSequencesDiscarded() { sequences_of_ = 0; }
  // Sends a cancel request for what the client runs. While a message of ours is at the head that waits: without the BEGIN or the
  // settings that are sent before it, the client's own would run all the same.
  void Cancel(std::function<void()> done);
  // The client goes without having finished; is_mid_message: it stopped inside a message.
  enum class Left : uint8_t { kBetweenMessages, kMidMessage };
  void Abandon(Left left);
  void OnLeaseReturned() override;
  void OnLeaseDiscarded() override;

  void Retire(std::string_view reason);  // closes an idle server, or one that is not lent; no reason: the pool's, RetireReason
  void LeaveAddress(const NameNews& news);  // retires when it is connected to one that its host's name has no more
  void TakeNext(const pool::Pool::Next& next, pool::TimePoint now);
  void DetachFrom();               // from its worker's loop
  void AttachTo(Worker& worker);   // on the new worker's thread

  uint64_t id() const { return id_; }
  Client* client() const { return client_; }
  ServerState state() const { return state_; }
  protocol::ReplyTracker& tracker() { return tracker_; }
  protocol::ServerSettings& settings() { return settings_; }
  protocol::ServerStatements& statements() { return statements_; }
  protocol::StatementLog& log() { return log_; }
  Retry& retry() { return retry_; }
  Socket& socket() { return *socket_; }
  const std::shared_ptr<BackendPool>& pool() const { return pool_; }
  pool::Slot& slot() { return *slot_; }
  // Owes nothing, PostgreSQL said 'I', and nothing of a message has been begun.
  bool IsAtRest() const { return tracker_.IsFree() && stream_left_ == 0 && input_.empty(); }
  // Inside a message that is only partly forwarded: nothing may be put between.
  bool is_mid_message() const { return stream_left_ > 0; }
  // At rest after a unit of its client: the lease may end.
  bool IsReleasable() const { return release_due_ && IsAtRest(); }
  ServerRow Row() const;

  void OnReadable() override;
  void OnWritable() override {}
  void OnDrained() override;
  void OnBroken() override;

 private:
  enum class Own : uint8_t { kNone, kCheck, kReplay, kAsk, kRollback, kReset };

  // server_connect.cc
  void OnDialed(DialedServer opened);
  void OpenFailed(pool::OpenFailure failure);
  void GiveUpForMove();
  void GiveUpOpening(pool::OpenFailure failure);

  // server_replication.cc
  void PassOn(std::string_view chunk);
  void EndReplication(Left left);

  // server_input.cc
  void Take(std::string_view chunk);
  void Relay(std::string_view chunk);
  void Swallow(std::string_view chunk);
  bool Forward(Parts& parts);
  enum class Verdict : uint8_t { kForward, kHide, kBroken, kRefused, kNeedMore };
  Verdict JudgeAnswer(char type, std::string_view body, size_t total, Parts& parts);
  Verdict JudgeError(std::string_view body, Parts& parts);
  Verdict Take(const protocol::ReplyTracker::Answer& answer, Parts& parts);
  void Learn(const protocol::ReplyTracker::Answer& answer);
  void BeginDescription(char type, std::string_view body, size_t total, Parts& parts);
  void EatDescription(std::string_view part, bool is_end);
  bool TryHeal(const protocol::StatementChange* change);
  void Repeat();
  void WriteRenamedError(std::string& out, std::string_view body, const protocol::ErrorFields& fields);
  void OnParameterStatus(std::string_view body);
  void OnCommandTag(std::string_view body);
  Verdict TakeChannelTag(std::string_view body, Parts& parts);
  void OnOwnFrame(char type, std::string_view body);
  void OwnDone();
  void OnLost(std::string_view cause);
  void SendCancelRequest(std::function<void()> done);
  void SendDelayedCancels();
  void ForgetDelayedCancels();
  void OnCancelEnded();
  void Keep(std::string_view rest) { input_.assign(rest); }

  void StartOwn(Own own, const std::string& messages, int ready);
  void StartReplay();
  void BecomeActive();
  void CloseNamesOfOthers();
  void ContinueCleaning();
  void GiveBack();
  void Close(std::string_view reason);
  enum class Farewell : uint8_t { kTerminate, kNone };
  void Close(std::string_view reason, Farewell farewell);
  void FinishClose();
  int64_t AgeSeconds() const;
  std::string_view RetireReason() const;  // of a server that the pool wants to be rid of
  void SetState(ServerState state) { state_ = state; }

  Worker* worker_;
  const std::shared_ptr<BackendPool> pool_;
  const std::shared_ptr<pool::Slot> slot_;
  const uint64_t id_;
  protocol::Replication replication_ = protocol::Replication::kNone;
  ServerState state_ = ServerState::kConnecting;
  std::unique_ptr<Socket> socket_;
  Client* client_ = nullptr;  // linked or being prepared for
  StatementNote statement_;
  protocol::ReplyTracker tracker_;
  protocol::ServerSettings settings_;
  protocol::ServerStatements statements_;
  protocol::StatementLog log_;
  Retry retry_;
  enum class Healing : uint8_t { kNo, kUntilReady, kHidesDescription } healing_ = Healing::kNo;
  bool repeats_ = false;  // a batch is being answered for the second time
  int replay_units_ = 0;  // of a replay that went along with the client's query: ReadyForQuery still to come
  std::string hidden_error_;  // why a name that the client's query needs could not be made
  size_t tags_given_ = 0;  // of the query at hand, when it has stand-ins
  std::string behind_;  // made answers that follow the frame at hand
  std::string input_;       // an unfinished header, or a message that must be whole
  size_t stream_left_ = 0;  // bytes of a message whose head has been dealt with
  bool stream_forward_ = false;
  bool stream_describes_ = false;     // it is the description of described_
  protocol::ResultShape shape_;       // as far as it is here
  protocol::StatementRef described_;
  std::string described_name_;        // the client's, or empty

  Own own_ = Own::kNone;
  int own_ready_left_ = 0;
  std::string own_error_;  // body of the first ErrorResponse of our own exchange
  bool own_failed_ = false;
  protocol::SessionFinding finding_;  // the answer to kAsk so far
  bool in_session_ = false;   // lent for a whole session
  bool touched_ = false, loaded_ = false;
  bool replay_failed_ = false;  // one that was sent along with the client's query
  static constexpr uint64_t kSeveralClients = ~uint64_t{0};
  uint64_t sequences_of_ = 0;  // the only client that it was lent to since its session knew no sequence
  bool reset_done_ = false;   // this cleaning has sent server_reset_query
  bool step_done_ = false;     // an exchange of our own, or a drain, is complete; goes on between messages
  bool release_due_ = false;  // ReadyForQuery came; the lease ends when nothing is owed

  std::vector<std::function<void()>> delayed_cancels_;
  int cancels_in_flight_ = 0;
  uint32_t process_id_ = 0;
  std::string cancel_key_;
  std::string close_reason_;
  std::string last_fatal_;  // body of a FATAL that the server sent
  std::unique_ptr<Timer> deadline_;  // cleaning, closing
  WallTime connect_time_, request_time_;

  Hosts::Place place_;                // among the connections of its host
  std::unique_ptr<ServerDial> dial_;  // only while connecting
  SocketAddress peer_;
  std::string peer_host_;
  bool host_moved_ = false;  // its name has other addresses now
  std::shared_ptr<const TlsContext> tls_;  // set when the connection is encrypted
  std::string tls_description_;
};

}  // namespace proxy
