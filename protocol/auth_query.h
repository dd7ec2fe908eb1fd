// auth_query on the wire: the messages that ask for a user's secret, and a reader of what the server answers.
//
// What: WriteAuthQuery is one Parse, Bind, Describe, Execute and Sync: the name travels as a parameter, never inside the text.
// AuthQueryReader eats the answer up to ReadyForQuery. The first column is the name, the second the secret, both as text;
// further columns are ignored. Who is found has exactly one row with exactly that name: a query that answers for somebody else
// (a name cut at 63 bytes, a folded one, a forgotten WHERE) must not let anybody in.
// A secret that is NULL, empty or pg_user's "********" is a user without a password.
// Not here: sockets, timers, the cache. Threads: a value. Trust: a server is not trusted, every length is checked; a message
// that this conversation cannot have is kBroken, and the connection is closed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace protocol {

inline constexpr size_t kLookedUpSecretBytesMax = 4096;  // as in auth_file

void WriteAuthQuery(std::string& out, std::string_view query, std::string_view user);

struct AuthQueryAnswer {
  enum class Kind : uint8_t { kUnknown, kFound, kFailed } kind = Kind::kUnknown;
  std::string secret;  // kFound; empty = no password
  std::string remark;  // for the log: what is odd, or why it failed. Never the secret
};

class AuthQueryReader {
 public:
  explicit AuthQueryReader(std::string user) : user_(std::move(user)) {}
  ~AuthQueryReader();
  AuthQueryReader(const AuthQueryReader&) = delete;
  AuthQueryReader& operator=(const AuthQueryReader&) = delete;

  enum class Step : uint8_t { kContinue, kDone, kBroken };
  Step OnMessage(char type, std::string_view body);
  // After kDone. After kBroken, or when the connection ends before: its remark may say why.
  const AuthQueryAnswer& answer() const { return answer_; }

 private:
  Step OnRowDescription(std::string_view body);
  Step OnRow(std::string_view body);
  Step OnError(std::string_view body);
  Step Finish(std::string_view body);
  Step Fail(std::string why);  // the server goes on up to ReadyForQuery
  Step Broken(std::string why);

  const std::string user_;
  size_t columns_ = 0;  // as described; 0 = not yet
  size_t rows_ = 0;
  AuthQueryAnswer answer_;
};

}  // namespace protocol
