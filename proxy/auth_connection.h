// One connection to PostgreSQL that asks auth_query, one user after another. Never a server of a pool.
//
//   state    means                                       leaves by
//   dialing  ServerDial is at work                       idle; failure -> closed
//   idle     nobody is asked for                         Ask -> asking; kAuthIdle over, end, surprise -> closed
//   asking   the query is on its way                     ReadyForQuery -> idle; no answer in time, end, surprise -> closed
//   closed   OnClosed was said
//
// A surprise is a message that the conversation cannot have; after one nothing is known of the connection.
// Threads: one loop. Ownership: its handler's; not deleted inside its own callbacks. Limits: a message of
// kAuthMessageBytesMax; the dial and each answer have server_connect_timeout.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "protocol/auth_query.h"
#include "proxy/server_dial.h"

namespace proxy {

inline constexpr size_t kAuthMessageBytesMax = 64 * 1024;
inline constexpr pool::Duration kAuthIdle{10'000'000};

class AuthConnection final : public SocketHandler {
 public:
  // kStale: it was idle before it was asked, and the server may have closed it meanwhile: another one may do better.
  enum class Closed : uint8_t { kNotOpened, kLost, kStale, kIdle };

  class Handler {
   public:
    virtual void OnOpened(AuthConnection& connection) = 0;
    virtual void OnAnswer(AuthConnection& connection, const protocol::AuthQueryAnswer& answer) = 0;
    virtual void OnClosed(AuthConnection& connection, Closed how, const std::string& cause) = 0;

   protected:
    ~Handler() = default;
  };

  AuthConnection(DialRoom room, Handler& handler);
  ~AuthConnection();

  void Open(DialOptions options);  // OnOpened or OnClosed follows, maybe before Open returns
  void Ask(const std::string& query, const std::string& user);  // idle only; OnAnswer or OnClosed follows, maybe before it returns
  bool is_dialing() const { return state_ == State::kDialing; }
  bool is_idle() const { return state_ == State::kIdle; }

  void OnReadable() override;
  void OnWritable() override {}
  void OnDrained() override {}
  void OnBroken() override { Lost("write failed"); }

 private:
  enum class State : uint8_t { kDialing, kIdle, kAsking, kClosed };
  void OnDialed(DialedServer opened);
  void OnTimer();
  void ReadMessages();
  void Answered();
  void Lost(std::string cause);
  void End(Closed how, const std::string& cause);

  const DialRoom room_;
  Handler& handler_;
  State state_ = State::kDialing;
  Hosts::Place place_;
  std::unique_ptr<ServerDial> dial_;  // only while dialing
  std::unique_ptr<Socket> socket_;
  std::string input_;  // a message that is not whole yet
  std::optional<protocol::AuthQueryReader> reader_;  // while asking
  bool has_answered_ = false;  // at least once: a later end may be that of a connection that had rested
  pool::Duration patience_{};
  Timer timer_;  // idle: the end of the rest; asking: of the patience
};

}  // namespace proxy
