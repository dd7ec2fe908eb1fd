// The unnamed statement of one client: what it is now, and the Parse messages on their way that may change that.
//
// Why: a Parse that the server skips leaves the one before it in place, a Parse that fails leaves none, and in a pipeline several
// of both may be under way. Who needs the statement on another server must know which one it is.
// What: versions in the order in which they were sent; the first is settled, each of the others is owed an answer. Confirm and
// Undo take them from the front, as the server answers (ReplyTracker::Note::kUnnamed).
// Threads: a value, its client's worker. Limits: texts up to kUnnamedTextMax are kept, and the capacity of two of them.
// Source: PostgreSQL documentation, "Extended Query": the unnamed statement lasts until the next Parse to it, or a simple Query.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/sql_sniffer.h"

namespace protocol {

inline constexpr size_t kUnnamedTextMax = 64 * 1024;  // a longer one can only be used until its transaction ends

class UnnamedStatement {
 public:
  struct Version {
    std::string body;      // as in Statement; empty when it is too long to be kept
    uint64_t serial = 0;   // its own among all of its client; 0: there is none
    uint64_t batch = 0;    // of its Parse
    SqlFlags flags = 0;
    std::vector<SqlStatement> details;  // when its flags concern the session

    std::string_view text() const { return std::string_view(body).substr(0, body.find('\0')); }
    void Forget();  // there is none
  };

  // What a Bind that is sent now will find, if nothing before it fails.
  const Version& newest() const { return versions_[count_ - 1]; }
  Version& newest() { return versions_[count_ - 1]; }
  const Version& settled() const { return versions_[0]; }
  uint64_t serial_before_newest() const { return count_ > 1 ? versions_[count_ - 2].serial : 0; }
  // A Parse is sent: `body` as in Statement.
  Version& Push(std::string_view body, uint64_t batch);
  // A Close is sent.
  void PushNone(uint64_t batch) { Push({}, batch).Forget(); }
  // A Parse that has been answered without a server.
  Version& Put(std::string_view body, uint64_t batch);
  void Confirm(uint32_t count);
  enum class First : uint8_t { kSkipped, kFailed };  // the first of them was carried out, and failed
  void Undo(uint32_t count, First first);
  void UndoAll() { count_ = 1; }  // their server is gone
  // A simple query is sent: there will be none, whatever becomes of what is on its way.
  void Drop();
  size_t bytes() const;

 private:
  void PopFront();
  std::vector<Version> versions_ = std::vector<Version>(1);  // beyond count_: kept for their capacity
  size_t count_ = 1;
  uint64_t last_serial_ = 0;
};

}  // namespace protocol
