// A client that speaks the protocol byte by byte: startup with any parameters, login, then whatever the test sends.
//
// Everything of WireSocket is there. Threads: one at a time.
#pragma once

#include <map>

#include "protocol/scram.h"
#include "tests/support/wire_socket.h"

namespace test_support {

class WireClient : public WireSocket {
 public:
  explicit WireClient(int port) : WireSocket(ConnectTcp(port)) {}
  explicit WireClient(WireSocket socket) : WireSocket(std::move(socket)) {}

  // Sends the StartupMessage and logs in with trust, password, md5 or SCRAM, whatever is asked. True at ReadyForQuery;
  // false at an ErrorResponse (kept in error()) or the end of the connection.
  bool Login(const Names& parameters, const std::string& password = "", uint32_t version = kVersion30);
  // The same after the StartupMessage went out by other means.
  bool FinishLogin(const std::string& user, const std::string& password);

  // Sends and reads to ReadyForQuery.
  std::vector<Message> Ask(std::string_view bytes);
  // The single value of the first row of a simple query; throws with the error when there is none.
  std::string Value(std::string_view sql);

  const std::map<std::string, std::string>& parameters() const { return parameters_; }
  uint32_t process_id() const { return process_id_; }
  const std::string& key() const { return key_; }
  const Message& error() const { return error_; }
  const std::vector<Message>& login_messages() const { return login_messages_; }

 private:
  std::string AnswerTo(const Message& authentication, const std::string& user, const std::string& password);

  std::map<std::string, std::string> parameters_;
  uint32_t process_id_ = 0;
  std::string key_;
  Message error_;
  std::optional<protocol::ScramClient> scram_;
  std::vector<Message> login_messages_;
};

}  // namespace test_support
