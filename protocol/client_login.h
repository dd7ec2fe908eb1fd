// The login of a client, as a step object: eats the client's authentication messages, emits bytes to send and a verdict.
//
// What: trust, password, md5 and SCRAM-SHA-256 (-PLUS over TLS, for who can bind the channel) against a secret in any of the three forms (plain, md5, SCRAM verifier):
//   method \ secret   plain              md5                 SCRAM verifier
//   password          compare            compare             derive and compare
//   md5               challenge          challenge           SCRAM is used instead (as PostgreSQL does)
//   scram-sha-256     derived verifier   always fails        exchange
// and the methods in which the client proves nothing here: trust, any (the name is ignored; unknown users too), cert and peer
// (the caller has compared the certificate, or the user of the system, with the user's name), and outside: the password comes
// in clear text, and somebody else (PAM, an LDAP server) says whether it is right. The caller asks, and brings the answer.
// An empty password is refused before anybody is asked: LDAP servers take it for a login of nobody, which succeeds.
// A user that is unknown, or whose secret does not fit the method, goes through the same messages (MockVerifier, a random md5
// secret) and fails at the end like a wrong password: nobody learns which.
// Not here: sockets, timers, who is allowed into which database. Threads: a value. Randomness comes in as an argument.
// Deriving a verifier from a plain password costs PBKDF2: the caller passes `derived`, a cache it owns (see NeedsDerivation).
// Comparing a cleartext password with a SCRAM verifier costs PBKDF2, too (see IsNextStepSlow).
// Limits: a message of more than kPasswordBytesMax ends the login.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/scram.h"

namespace protocol {

inline constexpr size_t kPasswordBytesMax = 65535;

enum class LoginMethod : uint8_t { kTrust, kPassword, kMd5, kScramSha256, kCert, kPeer, kAny, kOutside };

struct ClientLoginOptions {
  LoginMethod method = LoginMethod::kScramSha256;
  std::string user;
  std::optional<std::string> secret;  // nullopt = unknown user; kOutside has none
  std::optional<std::string> identity_fault;  // for cert and peer, see FaultUnasked
  // For method scram-sha-256 with a plain secret: its verifier, derived by the caller beforehand and cached there.
  std::optional<ScramVerifier> derived;
  std::string random;          // kLoginRandomBytes of fresh randomness
  std::string process_secret;  // for MockVerifier, the same for the life of the process
  int scram_iterations = 4096;
  std::string channel_binding;  // tls-server-end-point of the connection; empty = none, SCRAM-SHA-256-PLUS is not offered
};
inline constexpr size_t kLoginRandomBytes = 32;

// Trust, cert, peer and any: the client is asked nothing, so that its login is judged at once and needs no object.
bool AsksNothing(LoginMethod method);
// Why such a login is refused, for the log; empty = it is accepted. `identity_fault` is for cert and peer: why this connection is not the
// user's; empty = it is, nullopt = nobody has looked who it is.
std::string FaultUnasked(LoginMethod method, bool is_known, const std::optional<std::string>& identity_fault);

class ClientLogin {
 public:
  explicit ClientLogin(ClientLoginOptions options);
  ~ClientLogin();
  ClientLogin(const ClientLogin&) = default;
  ClientLogin& operator=(const ClientLogin&) = default;
  // True when the method needs `derived` for this secret and the caller should compute VerifierOf(DeriveKeys(...)) off the loop.
  static bool NeedsDerivation(LoginMethod method, const std::optional<std::string>& secret);

  enum class Step : uint8_t { kContinue, kAccepted, kRefused, kMalformed, kAskOutside };
  // The first request (AuthenticationXxx), appended to out. Trust, cert, peer and any are kAccepted or kRefused at once; an
  // unknown user is refused (but by any).
  Step Start(std::string& out);
  // Body of a 'p' message (PasswordMessage, SASLInitialResponse, SASLResponse: which one is known from the state).
  // Appends the next request to out. AuthenticationOk is NOT written: the caller writes the welcome. AuthenticationSASLFinal is.
  Step OnPasswordMessage(std::string_view body, std::string& out);
  // True when the next OnPasswordMessage runs PBKDF2, so that the caller hands it to a helper thread. An unknown user costs as
  // much as one with a SCRAM verifier of scram_iterations.
  bool IsNextStepSlow() const;
  // After kAskOutside, when somebody has been asked about cleartext(): the empty text when it is right, else why not.
  Step OnOutsideAnswer(std::string fault);

  // After kAccepted by SCRAM against a stored verifier: the client's keys, for pass-through to servers. Not set for a
  // verifier derived ad hoc from a plain secret (the server's salt differs).
  const std::optional<ScramKeys>& scram_keys() const { return scram_keys_; }
  // After kAccepted with a cleartext password: that password (to log in to servers with), else empty. After kAskOutside: the
  // password that is asked about.
  const std::string& cleartext() const { return cleartext_; }
  const std::string& why() const { return why_; }  // for the log: "wrong password", "unknown user", ... never sent

 private:
  enum class State : uint8_t { kNew, kPassword, kMd5, kSaslFirst, kSaslFinal, kOutside, kDone };
  Step StartMd5(std::string& out);
  Step StartScram(std::string& out);
  Step OnCleartext(std::string_view body);
  Step OnMd5(std::string_view body);
  Step OnSaslFirst(std::string_view body, std::string& out);
  Step OnSaslFinal(std::string_view body, std::string& out);
  Step Accept();
  Step Refuse(std::string why);
  Step Malformed(std::string why);
  ClientLoginOptions options_;
  State state_ = State::kNew;
  std::optional<ScramServer> scram_;
  std::optional<ScramKeys> scram_keys_;
  std::string md5_secret_, md5_salt_, cleartext_, why_;
  std::string doom_;  // why this login fails whatever the client sends; empty = it may succeed
};

}  // namespace protocol
