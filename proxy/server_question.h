// One question to a server: log in, one simple query, its rows of text, goodbye.
//
// What: a connection of pgweir's own, outside the pools and off the workers: as a server of a pool would be opened (ServerDial,
// so with the pool's secrets, a client's SCRAM keys and TLS), but on the loop of who asks. It says `done` once, after the
// server has ended the connection, so that the place under the caps is really free again.
//   state    waits for                 leaves by
//   dialing  ServerDial                asking; failure -> done
//   asking   rows, ReadyForQuery       closing; error, end, surprise -> done
//   closing  the server's end          done; the deadline too, with the answer
// Threads: one loop. Ownership: who asks; it may be deleted inside `done` (the last thing it does) and at any time before.
// Limits: kQuestionTime in all; an answer of at most kAnswerBytesMax.
// Why not libpq (control_connection.h): it looks names up and runs queries blocking, and knows no SCRAM keys.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "proxy/connection_place.h"
#include "proxy/server_dial.h"

namespace proxy {

inline constexpr pool::Duration kQuestionTime{3'000'000};
inline constexpr size_t kAnswerBytesMax = 1024 * 1024;

class ServerQuestion final : public SocketHandler {
 public:
  using Rows = std::vector<std::vector<std::string>>;  // NULL is empty
  using Answer = tl::expected<Rows, std::string>;
  using Done = std::function<void(Answer)>;

  ServerQuestion(DialRoom room, ConnectionPlace place, std::string sql, Done done);
  ~ServerQuestion();
  void Start(DialOptions options);  // `done` may come before it returns

  void OnReadable() override;
  void OnWritable() override {}
  void OnDrained() override {}
  void OnBroken() override { Fail("write failed"); }

 private:
  enum class State : uint8_t { kDialing, kAsking, kClosing, kDone };

  void OnDialed(DialedServer opened);
  void ReadMessages();
  bool OnMessage(char type, std::string_view body);  // false: refusal_ says why
  bool OnDataRow(std::string_view body);
  bool Refuse(std::string_view why);
  void BeginClose();
  void OnDeadline();
  void Fail(const std::string& cause);
  void Finish(Answer answer);

  const DialRoom room_;
  std::optional<ConnectionPlace> place_;
  const std::string sql_;
  Done done_;
  State state_ = State::kDialing;
  Hosts::Place place_at_host_;
  std::unique_ptr<ServerDial> dial_;
  std::unique_ptr<Socket> socket_;
  std::string where_, input_, refusal_;
  Rows rows_;
  size_t bytes_ = 0;
  Timer deadline_;
};

// The columns of a DataRow's body as text; nullopt when it is malformed.
std::optional<std::vector<std::string>> ReadDataRow(std::string_view body);

}  // namespace proxy
