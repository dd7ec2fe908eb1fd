// What is asked of a new server connection before anybody gets it: connect_query, and then which settings that has left.
//
// What: a step object between the login and the pool. Eats the server's bytes as they come, emits queries. The result of
// connect_query, of one statement or many, is dropped while it streams by; an error in it, a copy or a transaction that it leaves open
// ends it. Then PostgreSQL is asked what the session has beyond its defaults (session_check.h): the settings of connect_query are
// defaults that no RESET and no DISCARD ALL knows, so whoever cleans the session must know them (session_settings.h).
// Not here: sockets, time. Threads: a value. Limits: a message that must be looked at whole is at most kConnectMessageBytesMax.
// Custom settings (app.x) are in no catalogue: they are found where the text of connect_query names them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/session_check.h"
#include "protocol/session_settings.h"

namespace protocol {

inline constexpr size_t kConnectMessageBytesMax = 1 << 20;

class ConnectQuery {
 public:
  // `parameters`: what the server reported at the login.
  ConnectQuery(std::string sql, std::string session_user, std::vector<Setting> parameters);

  enum class Step : uint8_t {
    kContinue,
    kReady,      // all is answered
    kRefused,    // the server sent an ErrorResponse: server_error()
    kMalformed,  // why()
  };
  void Begin(std::string& out);
  // Whatever has arrived; the next query is appended to out.
  Step OnBytes(std::string_view bytes, std::string& out);

  const std::vector<Setting>& parameters() const { return parameters_; }  // as they are reported now
  const std::vector<Setting>& settings() const { return finding_.set; }   // that the session has; lower-case names
  const std::string& server_error() const { return server_error_; }       // body of its ErrorResponse
  const std::string& why() const { return why_; }

 private:
  enum class State : uint8_t { kRuns, kAsked, kEnded };
  Step OnMessage(char type, std::string_view body, std::string& out);
  Step OnReady(std::string_view body, std::string& out);
  Step OnParameterStatus(std::string_view body);
  Step Malformed(std::string why);
  SessionQuestion Question() const;

  const std::string sql_, session_user_;
  std::vector<Setting> parameters_;
  State state_ = State::kRuns;
  std::string input_;     // of a message that must be whole
  size_t skip_left_ = 0;  // of one that need not
  SessionFinding finding_;
  std::string server_error_, why_;
};

}  // namespace protocol
