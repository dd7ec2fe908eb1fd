// Our login to a server, as a step object: eats the server's messages after the StartupMessage, emits answers and a verdict.
//
// What: trust, password, md5, SCRAM-SHA-256, and -PLUS where the server offers it over TLS; collects ParameterStatus, BackendKeyData (keys of 4..256 bytes), notices are
// skipped, NegotiateProtocolVersion is accepted when it does not ask for something we did not offer. Ends at ReadyForQuery.
// SCRAM with a plain password: state kNeedsKeys asks the caller to derive keys off the loop (PBKDF2) and call OnKeys.
// A server that refuses sends ErrorResponse: kRefused, with the body kept as sent for the waiters. One that is longer than
// kServerErrorBytesMax or has no terminator is cut to whole fields and terminated, so that it can be passed on.
// Not here: sockets, TLS, timers. Threads: a value.
// Trust: a server is not trusted. Every length is checked; a server that skips its own proof in SCRAM is kMalformed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/scram.h"

namespace protocol {

inline constexpr size_t kServerErrorBytesMax = 65536;
inline constexpr size_t kServerParametersMax = 512;
inline constexpr size_t kServerParameterBytesMax = 1 << 20;  // names and values of all of them

struct ServerCredentials {
  std::string user;
  std::optional<std::string> secret;  // plain or md5...; a SCRAM verifier alone cannot log in
  std::optional<ScramKeys> keys;      // pass-through keys or cached derivation; used when salt and iterations agree
};

struct ServerChannel {
  bool is_encrypted = false;
  std::string binding = {};  // tls-server-end-point; empty = the certificate gives none
};

class ServerLogin {
 public:
  ServerLogin(ServerCredentials credentials, std::string client_nonce, ServerChannel channel = {});
  ~ServerLogin();
  ServerLogin(const ServerLogin&) = default;
  ServerLogin& operator=(const ServerLogin&) = default;

  enum class Step : uint8_t {
    kContinue,
    kNeedsKeys,  // challenge() says for which salt and iterations; call OnKeys(DeriveKeys(secret, ...))
    kReady,      // ReadyForQuery arrived
    kRefused,    // the server sent an ErrorResponse: server_error()
    kMalformed,  // protocol broken, or a method we cannot do: why()
  };
  // One whole message of the server; replies appended to out.
  Step OnMessage(char type, std::string_view body, std::string& out);
  Step OnKeys(const ScramKeys& keys, std::string& out);

  const ScramClient::Challenge& challenge() const { return challenge_; }
  const std::optional<ScramKeys>& derived_keys() const { return derived_; }  // worth caching, after kReady
  const std::vector<std::pair<std::string, std::string>>& parameters() const { return parameters_; }
  uint32_t process_id() const { return process_id_; }
  const std::string& cancel_key() const { return cancel_key_; }  // empty = the server sent none
  const std::string& server_error() const { return server_error_; }  // body of its ErrorResponse
  const std::string& why() const { return why_; }

 private:
  // kPasswordSent: a cleartext or md5 answer is on its way. kSaslKeys: waiting for OnKeys.
  enum class State : uint8_t { kAuth, kPasswordSent, kSaslFirst, kSaslKeys, kSaslFinal, kSaslDone, kAuthenticated, kEnded };
  Step Malformed(std::string why);
  Step OnAuthentication(std::string_view body, std::string& out);
  Step SendCleartext(std::string& out);
  Step SendMd5(std::string_view salt, std::string& out);
  Step StartScram(std::string_view mechanisms, std::string& out);
  Step OnSaslContinue(std::string_view message, std::string& out);
  Step OnSaslFinal(std::string_view message);
  Step OnNegotiate(std::string_view body);
  Step OnParameterStatus(std::string_view body);
  Step OnBackendKeyData(std::string_view body);
  Step OnReady(std::string_view body);
  Step SendFinal(const ScramKeys& keys, std::string& out);
  std::optional<SecretKind> Kind() const;  // of the secret; nothing when there is none
  ServerCredentials credentials_;
  ServerChannel channel_;
  ScramClient scram_;
  State state_ = State::kAuth;
  ScramClient::Challenge challenge_;
  std::optional<ScramKeys> derived_;
  std::vector<std::pair<std::string, std::string>> parameters_;
  size_t parameter_bytes_ = 0;
  uint32_t process_id_ = 0;
  std::string cancel_key_, server_error_, why_;
};

}  // namespace protocol
