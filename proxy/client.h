// One client connection: startup, login, then its transactions over servers that are lent to it.
//
// Its states are in client_states.h.
//
// Law: messages are forwarded only in `active`; an answer is taken only from the server in server_. Whoever closes the client
// ends its waiter and its lease first.
// Threads: one worker at a time (client_home.cc). Ownership: the worker's list; never deleted inside its own callbacks.
// Limits: kPendingBytesMax of input kept while it cannot be sent on; then reading pauses. An idle client keeps no buffer.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "pool/lease.h"
#include "pool/wait_queue.h"
#include "protocol/error_catalog.h"
#include "protocol/frame.h"
#include "protocol/session_settings.h"
#include "proxy/backend_pool.h"
#include "proxy/cancel_registry.h"
#include "proxy/client_address.h"
#include "proxy/client_limits.h"
#include "proxy/client_session.h"
#include "proxy/client_states.h"
#include "proxy/console_talk.h"
#include "proxy/control.h"
#include "proxy/edit.h"
#include "proxy/parts.h"
#include "proxy/pending_login.h"
#include "proxy/replication.h"
#include "proxy/server.h"
#include "proxy/shared.h"
#include "proxy/socket.h"
#include "proxy/timeout_queue.h"

namespace proxy {

class Client final : public SocketHandler {
 public:
  Client(Worker& worker, const Accepted& accepted, uint64_t id);
  ~Client();

  // From the pool (through the worker): a server for this waiter.
  void OnGranted(Server& server, pool::TimePoint now, bool check_first);
  void OnWaitFailed(const pool::OpenFailure* failure);  // nullptr: shed
  // From its server.
  void OnServerReady();
  void OnServerUnfit();                                   // failed its check: ask again
  void OnSettingsRefused(const std::string& error_body);  // the replay failed with the server's own error
  bool SendFromServer(std::string_view bytes);            // false: this client is closing now
  bool SendFromServer(Parts& parts);
  void OnUnitAnswered(char status, pool::TimePoint now);  // ReadyForQuery goes by
  // After each batch of answers; `answered` = some of it belongs to a unit that is not complete.
  enum class Answered : uint8_t { kNothingOpen, kPartly };
  void OnAnswerForwarded(Answered answered);
  Answered answered() const { return answered_; }
  void OnTransactionInStatementMode();
  void OnServerFree(pool::TimePoint now);                 // nothing is owed and PostgreSQL said 'I'
  // `fatal_body`: what the server said before it went, or empty.
  void OnServerLost(std::string_view cause, const std::string& fatal_body);
  void OnReportedSetting(std::string_view name, std::string_view value);
  void OnServerDrained();
  bool tracks() const { return tracks_; }
  // Its values have never been accepted by a server: a replay must be waited for.
  bool NeedsProof() const { return state_ == ClientState::kAttach; }
  // The ReadyForQuery that has just come is kept until OnSettled.
  bool WithholdsReady();
  void OnSettled(const protocol::SessionFinding* finding);  // nullptr: the server could not say
  bool is_restoring() const { return session_ && session_->restoring == Restoring::kSent; }
  void OnRestored();
  // Its batch failed by a plan that does not fit any more: nothing of it is heard until Repeat.
  void BeginHeal() { state_ = ClientState::kSettling; }
  void Repeat(std::string_view batch);
  void OnResultTypeTold(std::string_view statement);
  bool WasTold(std::string_view statement) const;  // it knows what that gives, and may rely on it
  // The client's statements, nullptr while it has none: the server tells them what was confirmed and undone.
  protocol::ClientStatements* statements() { return session_ ? &session_->statements : nullptr; }
  // The server skips what follows up to a Sync, if it is not a simple query. `failed`: the action of what failed.
  void OnBatchFailed(protocol::ReplyTracker::Action failed);
  void OnCommandTag(std::string_view tag);    // of its own statement
  // The text that replaces the server's own "canceling statement" when our clock asked for the cancel.
  const protocol::ErrorReport* timeout_report() const { return timeout_report_.get(); }

  // Replication: what its server's login asks for beside the target; that it is there; what PostgreSQL has sent has been passed on.
  void AddReplicationStartup(ServerTarget& target) const;
  void BeginReplication(Server& server, const std::vector<protocol::Setting>& parameters, pool::TimePoint now);
  ReplicationSession* replication() { return replication_.get(); }
  void OnReplicationPassed();

  // From the notification hub: a whole NotificationResponse; or that some may be missing.
  void OnNotification(const std::shared_ptr<const std::string>& message);
  void OnNotificationGap(const std::vector<std::string>& channels);
  void OnCancelRequest(std::function<void()> done);
  void OnConsoleReply(std::string bytes);
  void OnPeerUser(const tl::expected<std::string, std::string>& name);
  void CheckHold(pool::TimePoint now);  // tells once of a server that it holds for longer than leak_threshold
  // Ends it with a FATAL, between messages; used by KILL, drain, removed databases.
  void End(protocol::ErrorCode code);
  // Drain: ends it now when nothing runs; otherwise it ends at its next transaction end.
  void Drain();
  bool MayMove() const;  // client_home.cc: to another worker, between transactions
  void MoveOut(Worker& to), MoveIn();
  pool::WorkerId Home() const;

  uint64_t id() const { return id_; }
  ClientState state() const { return state_; }
  BackendPool* pool() const { return pool_.get(); }
  const Server* server() const { return server_; }
  const protocol::SettingsRef& settings() const { return settings_; }
  Socket& socket() { return *socket_; }
  ClientRow Row() const;
  const std::string& database() const { return database_; }
  bool is_draining() const { return drain_; }
  bool is_console() const { return state_ == ClientState::kConsole; }
  void OnReadable() override, OnWritable() override, OnDrained() override, OnBroken() override, OnHangup() override;

 private:
  enum class Between : uint8_t { kNo, kStatements };  // idle in transaction
  enum class Clock : uint8_t { kNone, kLogin, kWaitNotice, kWait, kQuery, kGrace, kIdle, kIdleInTransaction, kLinger };

  bool IsQueued() const { return state_ == ClientState::kWaiting || (state_ == ClientState::kAttach && server_ == nullptr); }

  // client_admission.cc
  void Arrive(), Admit();
  void ReadProxyHeader(), RefuseProxyHeader(std::string_view cause);
  bool IsRefusedBeforeTls() const;
  // client_login.cc
  size_t StartupInput(std::string_view chunk);
  bool OffersTls() const;
  void OnSslRequest(std::string_view rest), StartTls(bool direct), ContinueTls();
  void OnStartup(protocol::StartupMessage&& startup);
  void OnCancelMessage(const CancelKey& key);
  void ForwardCancel(const CancelKey& key);  // to the peer that gave it out
  void WriteCancelKey(std::string& bytes);
  void StartLogin(), OnSecretKnown();
  void LookUp();  // by auth_query
  void TooBusy(std::string cause);  // a limit of pgweir's own, not of its configuration
  void BeginExchange(std::optional<protocol::ScramVerifier> derived);
  size_t LoginInput(std::string_view chunk);
  void OnLoginStep(protocol::ClientLogin::Step step, const std::string& out), AskOutside();
  void OnAuthenticated();
  void EnterConsole(ConsoleAccess access);
  void Attach(), SendWelcome(const protocol::Welcome& welcome);
  void FinishWelcome(std::string& welcome);  // which lacks the cancel key and ReadyForQuery
  bool IsConsoleDatabase() const;

  // client_identity.cc
  bool IsOwnerAtConsole() const;
  bool ChooseMethod();  // false: no line lets it in, and it is closing
  void Identify();      // by certificate or peer, then the exchange begins

  // client_log.cc
  PeerName LogPeer() const;
  void LogLoginAttempt() const, LogLogin() const, LogRefusedLogin(std::string_view cause) const;
  void EndHold(pool::TimePoint now, std::string_view how);
  void LogClose(const LastWords& words) const, LogPoolerError(const LastWords& words) const;

  // client_words.cc
  void WatchWait(pool::TimePoint now), TellWait(), AddHostToName();

  // client_query.cc
  size_t Input(std::string_view chunk);
  size_t Relay(std::string_view chunk);
  void RunPending();
  void KeepInput(std::string_view rest);
  enum class Taken : uint8_t { kActive, kLater, kRefused, kClosed };
  Taken TakeServer();
  Taken Refused(protocol::ErrorReport report);
  Taken UseAcquired(const pool::Pool::Acquired& acquired, pool::TimePoint now);
  void AskAgain();
  Taken LinkTo(Server& server, pool::TimePoint now, bool check_first);
  uint64_t BeginHold(Server& server, pool::TimePoint now);  // how long it has waited, in us
  void RefuseLater(protocol::ErrorReport report);
  enum class Refill : uint8_t { kEnough, kMore };
  Refill WantsMore(const protocol::Frame& frame);
  void FlushToServer(Parts& parts);
  void AnswerFlush(), Resettle();
  size_t AnswerUnlinked(const protocol::Frame& frame);
  size_t AnswerRefused(const protocol::Frame& frame);
  void StartUnit(pool::TimePoint now);
  void CountIdle(Between now);
  void ReleaseServer(pool::TimePoint now);
  void Leave(), BecomeIdle();
  pool::Duration LongestWait() const;
  protocol::ErrorReport WaitReport(protocol::ErrorCode code, pool::TimePoint now) const;
  uint64_t RetryAfterMs(size_t waiting) const;
  static protocol::ErrorReport ReportOf(const pool::OpenFailure& failure, const std::string& database);

  // client_statements.cc
  Session& session();
  bool HasPins() const { return session_ && session_->pins != 0; }
  protocol::Backslash backslash() const;
  Edit EditMessage(const protocol::Frame& frame, Parts& parts);
  Edit EditInSession(const protocol::Frame& frame, Parts& parts);
  // A session of its own, too, has startup values that its server does not know for its defaults.
  bool LooksIntoMessages() const { return tracks_ || !startup_->values().empty(); }
  Edit EditQuery(const protocol::Frame& frame, Parts& parts);
  Edit EditParse(const protocol::Frame& frame, Parts& parts);
  Edit EditBind(const protocol::Frame& frame, Parts& parts);
  Edit EditDescribe(const protocol::Frame& frame, Parts& parts);
  Edit EditClose(const protocol::Frame& frame, Parts& parts);
  std::optional<Edit> NoteBind(protocol::SqlFlags flags, const std::vector<protocol::SqlStatement>& details, std::string_view sql,
                               const protocol::Frame& frame, Parts& parts);
  protocol::SqlFlags FlagsOfPlace(protocol::SqlFlags flags);
  protocol::SqlFlags AddExecuted(std::vector<protocol::SqlStatement>& details);
  void CloseOnServer(const protocol::StatementRef& statement, Parts& parts);
  void BeginRetry(std::string_view name, const protocol::StatementRef& statement);
  Edit ParseUnnamed(const protocol::ParseHead& head, Parts& parts);
  Edit ParseDuplicate(const protocol::ParseHead& head, Parts& parts);
  enum class Lookup : uint8_t { kFound, kUnknown, kWait };
  Lookup LookUp(std::string_view name, protocol::ClientStatement*& entry);
  enum class Ensured : uint8_t { kYes, kLater };  // kLater: only known when everything that was sent has been answered
  Ensured EnsureUnnamed(Parts& parts);
  // Whether a server that parses it anew is asked what it gives, and whether that must be known before anything follows.
  enum class Look : uint8_t { kNo, kPipelined, kAwaited };
  Ensured EnsureOnServer(const protocol::StatementRef& statement, Look look, Parts& parts);
  void DescribeHidden(std::string_view name, const protocol::StatementRef& statement, Parts& parts);
  Edit DescribePortal(std::string_view portal);
  void EnsureUnknown(std::string_view name, Parts& parts);
  void SendSetConfig(const std::vector<protocol::Setting>& settings, protocol::SettingScope scope, protocol::ReplyTracker::Action action,
                     Parts& parts);
  void ReadUnder(const std::string& wanted, const std::string& now, protocol::ReplyTracker::Action action, Parts& parts);
  void SendCommand(std::string_view sql, Parts& parts);
  void CloseNamed(const std::string& name, protocol::ReplyTracker::Action action, Parts& parts);
  protocol::ReplyTracker::Note NoteWrongName(std::string_view name);
  bool MayFakeParse() const;
  uint64_t SchemaView() const;
  bool KeepsNames() const { return pool_->max_prepared_statements() > 0; }
  // client_sql_statements.cc: PREPARE, EXECUTE and DEALLOCATE in SQL
  void PrepareNames(const std::vector<protocol::SqlStatement>& details, std::string_view sql, char type, Parts& parts);
  void EnsureExecuted(const std::vector<protocol::SqlStatement>& details, Parts& parts);
  enum class Named : uint8_t { kFits, kExecutes, kTaken };
  bool NamesMayChange(const std::vector<protocol::SqlStatement>& details);
  void EnsureNamed(std::string_view name, Named wanted, protocol::ReplyTracker::Action action, Parts& parts);
  void OnSqlName(std::string_view tag);
  void WriteSqlPrepare(const protocol::StatementRef& statement, protocol::ReplyTracker::Action action, Parts& parts);
  enum class Puts : uint8_t { kByClient, kByUs };
  void PutUnnamed(Puts puts), DropUnnamed();
  void MakeRoom(Parts& parts);
  protocol::StatementRef MakeStatement(const protocol::ParseHead& head, StatementRegistry::Sharing wanted);
  Edit Wait(Parts& parts);

  // client_channels.cc: LISTEN and UNLISTEN
  std::string StandIn();
  protocol::Setting ChannelSetting(size_t change) const;
  bool CarriesChannels(protocol::SqlFlags flags) const;
  bool IsChannelStatement(protocol::SqlFlags flags, const std::vector<protocol::SqlStatement>& details) const;
  Edit SendWithStandIns(std::string_view sql, const std::vector<protocol::SqlStatement>& details, Parts& parts);
  void NoteChannel(const protocol::SqlStatement& statement);
  bool ChangeChannels(const protocol::SessionFinding& finding);
  void AskHub(std::vector<std::string> add, std::vector<std::string> remove);
  void OnHubAnswer(std::optional<protocol::ErrorReport> error);
  void FinishSettle();
  void FlushNotifications();
  bool MayNotify() const;

  // client_deferred.cc: a BEGIN takes no server
  enum class Deferred : uint8_t { kNo, kOpen, kFailed };
  size_t Defer(std::string_view chunk, const protocol::Frame& frame);
  void BeginDeferred(std::string_view sql);
  void SendDeferredBegin(Parts& parts);
  char unlinked_status() const { return deferred_ == Deferred::kNo ? 'I' : deferred_ == Deferred::kOpen ? 'T' : 'E'; }

  // client_replication.cc
  void AttachReplication(), LeaveReplication();
  size_t PassOn(std::string_view chunk);
  void PassToServer(std::string_view bytes), OnReplicationLost(std::string_view cause);

  // client_state.cc: what a transaction leaves in the session of its server
  std::optional<Edit> NoteState(protocol::SqlFlags flags, const std::vector<protocol::SqlStatement>& details, std::string_view bind_body,
                                const protocol::Frame& frame, Parts& parts);
  Edit Refuse(const protocol::Frame& frame, const protocol::ErrorReport& report, Parts& parts);
  enum class Asked : uint8_t { kByQuery, kByBind };
  void NoteSettings(const protocol::SqlStatement& statement, std::string_view bind_body, Asked asked);
  void NoteResets(const std::vector<protocol::SqlStatement>& details, Asked asked);
  void NoteText(const std::vector<protocol::SqlStatement>& details, std::string_view bind_body, Asked asked);
  bool MustSettle() const;
  void Restore();
  void RestoreInBatch(Parts& parts);
  std::vector<protocol::Setting> ResetValues() const;
  void Settle();
  void TakeFinding(const protocol::SessionFinding& finding, std::string& to_client);
  void SetPins(uint32_t pins);
  bool IsAtConnect(const protocol::Setting& found) const;
  void FollowSettings(protocol::SettingsRef settings);
  void TakeQueueTimeout();  // of settings_
  uint32_t PinsOf(const protocol::SessionFinding& finding) const;

  // client_console.cc
  size_t ConsoleInput(std::string_view chunk);
  void SendReply(), LeaveConsole();

  // client.cc
  void Fatal(const protocol::ErrorReport& report), EndLogin();
  void FatalBytes(const std::string& bytes, std::string_view reason, const protocol::ErrorReport* report = nullptr);
  void EndByClock(protocol::ErrorCode code);
  void ProtocolError(std::string_view what);
  void Close(std::string_view reason);
  void LetGo(const LastWords& words);  // ends waiter, lease, budgets, registry: everything but the socket
  void Finish();
  bool SendBytes(std::string_view bytes);
  void SetClock(Clock clock, pool::Duration after);
  static void OnClock(void* self), OnTransactionClock(void* self);
  void OnQueryTimeout();
  Worker* worker_;
  const uint64_t id_;
  std::unique_ptr<Session> session_;  // made when first needed
  ClientState state_ = ClientState::kStartup;
  const PeerKind peer_;
  ClientAddress address_;  // before socket_: it leaves its place when that is closed
  bool stream_drop_ = false, skip_until_sync_ = false;
  Answered answered_ = Answered::kNothingOpen;
  Between between_ = Between::kNo;
  bool in_transaction_ = false;  // the last ReadyForQuery said T or E
  bool unit_open_ = false, drain_ = false;
  bool leaving_ = false;  // sent Terminate behind work that is still to be answered
  bool counted_ = false, is_login_ = true, refuses_pqexec_ = false;
  bool tracks_ = false;  // the server is not its own, statements and state are looked after
  bool transaction_sets_ = false;  // something in this transaction has changed a setting
  bool transaction_defines_ = false;  // it has DDL
  Deferred deferred_ = Deferred::kNo;
  bool channel_bound_ = false;  // the next Execute stands for a LISTEN or UNLISTEN
  bool ready_withheld_ = false;
  bool batch_is_first_ = false;  // the message at hand is the first of all that is owed
  bool leak_told_ = false;  // of the server that it holds
  bool is_fresh_ = false;  // nothing has been sent to this server since it was lent
  bool waits_ = false;    // a message waits until everything that was sent has been answered
  bool barrier_ = false;  // something was sent whose answer may change what names mean
  Clock clock_ = Clock::kNone;
  std::unique_ptr<Socket> socket_;
  std::shared_ptr<BackendPool> pool_;
  Server* server_ = nullptr;
  pool::ServerLease lease_;
  pool::Waiter waiter_;
  protocol::SettingsRef settings_;
  protocol::SettingsRef startup_;  // what RESET goes back to
  std::string input_;
  size_t stream_left_ = 0;
  size_t wanted_bytes_ = 0;  // the message at the front of input_ is needed up to here
  protocol::Batches batches_;
  uint64_t begun_batch_ = 0;  // the last of which something has been sent
  Timeout timeout_, transaction_timeout_;
  pool::TimePoint unit_start_{}, transaction_start_{}, linked_at_{};
  uint64_t login_us_ = 0, queued_us_ = 0, held_us_ = 0;  // for the line at its end
  WallTime connect_time_, request_time_;
  uint32_t cancel_process_id_ = 0;
  std::string user_, database_;
  std::shared_ptr<pool::Budget> database_clients_, user_clients_;
  pool::Duration client_idle_timeout_{};
  std::unique_ptr<protocol::ErrorReport> timeout_report_;  // our clock asked for the cancel that is under way
  std::unique_ptr<protocol::ErrorReport> refusal_;         // for the first message in input_
  std::unique_ptr<ReplicationSession> replication_;  // for those that asked for it at their startup
  std::unique_ptr<PendingLogin> login_;  // only until the client is logged in
  std::unique_ptr<ConsoleTalk> console_;  // made when it enters the console
  std::string close_reason_;
};

}  // namespace proxy
