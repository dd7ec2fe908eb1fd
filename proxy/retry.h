// The batch of extended-query messages that a server is at, kept so that it can be sent once more.
//
// Why: a server may answer "cached plan must not change result type" to a client that prepared the statement after the change,
// that is about to be told the new type by a Describe in the same batch, or that was never told any. Outside of a transaction nothing has happened then:
// the statement is parsed anew and the batch goes again, from the message that failed on.
// What: a batch is kept only when it is the only thing that the server has to do, is sent outside of a transaction, uses a named
// statement, and is at most kRetryBytesMax long. CanRepeat says whether nothing but Parse and Close was answered yet.
// Threads: the worker of its server. Limits: kRetryBytesMax a server, kept between batches so that no query allocates.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "protocol/frame.h"
#include "protocol/prepared_statements.h"

namespace proxy {

inline constexpr size_t kRetryBytesMax = 16 * 1024;

class Retry {
 public:
  enum class State : uint8_t {
    kOff,
    kOpen,   // the batch goes on
    kWhole,  // its Sync has been sent
  };
  State state() const { return state_; }
  void Begin();
  void End() { state_ = State::kOff; }
  void Record(const protocol::Frame& frame);
  void Uses(std::string_view name, const protocol::StatementRef& statement);

  void OnAnswer(char type);
  void OnFakes(size_t count) { answered_ += count; }
  // The client will be told, or has just parsed it: it relies on no older result type.
  bool tells_type() const { return tells_type_; }
  bool CanRepeat() const { return state_ != State::kOff && !is_beyond_; }
  // What is to be sent again. The first 't' of its answers has been given already when has_described().
  std::string TakeRest();
  bool has_described() const { return has_described_; }

  struct Use {
    std::string name;
    protocol::StatementRef statement;
  };
  const std::vector<Use>& uses() const { return uses_; }

 private:
  State state_ = State::kOff;
  bool tells_type_ = false, has_described_ = false;
  bool is_beyond_ = false;   // something was answered that must not be repeated
  size_t answered_ = 0;      // Parse and Close messages, all at the front
  std::string bytes_;
  std::vector<Use> uses_;
};

}  // namespace proxy
