// One connection to PostgreSQL that listens: it sends LISTEN and UNLISTEN, and says what was answered and notified.
//
//   state    means                                            leaves by
//   dialing  ServerDial is at work                            open; failure -> closed
//   open     commands go out, answers and notifications come  Close -> closing; end or surprise -> closed
//   closing  Terminate sent, waits for the server's end       closed
//   closed   OnClosed was said, the place was given back
//
// Order: commands are simple queries of one statement, pipelined, numbered from 1 and answered in that order. The answer to
// each is two points: CommandComplete (the statement is committed, in force) and ReadyForQuery (what was notified up to there
// has come before it). A notification that PostgreSQL sends between the two lies between the two here as well.
// A surprise is everything else: another message type, an answer that nobody asked for, another tag, a malformed or too long
// message, a refused UNLISTEN. The connection is then closed: after a surprise nothing is known of what it listens to.
// Threads: one loop. Ownership: its handler's, which may delete it inside OnClosed (the last thing it does), and elsewhere
// outside its callbacks only. Limits: a message is at most kListeningMessageBytesMax; unsent commands are the handler's bound.
// Source: PostgreSQL documentation, "Asynchronous Operations", LISTEN, NOTIFY (a channel is an identifier of at most 63 bytes).
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/connection_place.h"
#include "proxy/server_dial.h"

namespace proxy {

inline constexpr size_t kListeningMessageBytesMax = 64 * 1024;  // a notification has at most 8000 bytes of payload
inline constexpr size_t kChannelBytesMax = 63;                  // NAMEDATALEN - 1
inline constexpr pool::Duration kListeningCloseWait{5'000'000};  // for the server's end after Terminate

using MessageRef = std::shared_ptr<const std::string>;  // a whole NotificationResponse

bool IsChannelName(std::string_view name);  // 1..kChannelBytesMax bytes without a zero byte

class ListeningConnection final : public SocketHandler {
 public:
  enum class Refusal : uint8_t { kHandled, kSurprise };  // of a LISTEN: does the connection stay?
  enum class Closed : uint8_t { kNotOpened, kLost, kAsked };

  class Handler {
   public:
    virtual void OnOpened() = 0;
    virtual void OnInForce(uint64_t command) = 0;   // CommandComplete
    virtual void OnAnswered(uint64_t command) = 0;  // ReadyForQuery, after a refusal too
    virtual Refusal OnRefused(const std::string& channel, std::string_view message) = 0;
    virtual void OnNotification(std::string_view channel, const MessageRef& message) = 0;
    virtual void OnClosed(Closed how, const std::string& cause) = 0;

   protected:
    ~Handler() = default;
  };

  ListeningConnection(DialRoom room, std::shared_ptr<BackendPool> pool, ConnectionPlace place, Handler& handler);
  ~ListeningConnection();

  void Open(DialOptions options);  // OnOpened or OnClosed follows, maybe before Open returns
  uint64_t Listen(const std::string& channel);  // open only; the number of the command
  uint64_t Unlisten(const std::string& channel);
  void Close();   // open only; OnClosed follows
  void Pause();   // nothing is read or said until Resume
  void Resume();  // not inside a callback
  bool HasLost(const NameNews& news) const;  // it is connected to an address that its host's name has no more
  bool is_open() const { return state_ == State::kOpen; }
  bool is_closing() const { return state_ == State::kClosing; }

  void OnReadable() override;
  void OnWritable() override {}
  void OnDrained() override {}
  void OnBroken() override { End(is_closing() ? Closed::kAsked : Closed::kLost, "write failed"); }

 private:
  enum class State : uint8_t { kDialing, kOpen, kClosing, kClosed };
  enum class Verb : uint8_t { kListen, kUnlisten };
  struct Command {
    Verb verb;
    std::string channel;
    bool is_complete = false;  // CommandComplete or ErrorResponse came; ReadyForQuery is owed
  };

  void OnDialed(DialedServer opened);
  uint64_t Send(Verb verb, const std::string& channel);
  void ReadMessages();
  bool OnMessage(char type, std::string_view body, std::string_view whole);  // false: surprise_ says why
  bool OnCommandComplete(std::string_view body);
  bool OnReadyForQuery(std::string_view body);
  bool OnError(std::string_view body);
  bool OnNotificationResponse(std::string_view body, std::string_view whole);
  bool Surprise(std::string_view why);
  void End(Closed how, std::string cause);

  const DialRoom room_;
  const std::shared_ptr<BackendPool> pool_;
  std::optional<ConnectionPlace> place_;
  Handler& handler_;
  State state_ = State::kDialing;
  Hosts::Place place_at_host_;
  std::unique_ptr<ServerDial> dial_;  // only while dialing
  std::unique_ptr<Socket> socket_;
  SocketAddress peer_;
  std::string peer_host_;
  uint32_t process_id_ = 0;
  std::string input_;  // what is left of the last read: a message that is not whole, or more while paused
  bool is_paused_ = false;
  std::deque<Command> commands_;  // sent, not answered
  uint64_t answered_ = 0;         // commands_.front() is number answered_ + 1
  std::string surprise_;
  std::unique_ptr<Timer> close_wait_;
  const std::shared_ptr<const int> alive_ = std::make_shared<const int>(0);  // posted tasks ask it
};

}  // namespace proxy
