// One client of the oracle: asks questions whose answers carry its own number and a sequence, and checks every answer.
//
// What may go wrong under chaos: an error of the allowed kinds, or the end of the connection. What may never happen: a
// row, a COPY line, an error text or a cancel that belongs to another question, a missing row without an error, a
// transaction status that does not fit, no answer at all. Those are counted as wrong and the first is described.
// Threads: one client per thread; Counts is shared and atomic.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "tests/support/wire_client.h"

namespace chaos {

struct Counts {
  std::atomic<int64_t> good{0}, errors{0}, lost{0}, refused{0}, wrong{0}, kills{0}, cancels{0};
  std::atomic<bool> stop{false};
  void Wrong(const std::string& what);
  std::string FirstWrong() const;

 private:
  mutable std::mutex mutex_;  // guards first_wrong_
  std::string first_wrong_;
};

class Client {
 public:
  Client(int number, int port, Counts& counts, int long_sleep_ms);
  // Asks until counts.stop; connects again whenever the connection ends.
  void Run();

 private:
  // What one Sync or one simple query must answer: these rows, in this order. error_text: it must fail, and say this.
  struct Group {
    std::vector<std::string> rows;
    std::string error_text;
  };
  enum class Outcome { kGood, kError, kLost };

  bool Connect();
  void Turn();
  Outcome Ask(const std::string& bytes, const std::vector<Group>& groups, char status);
  Outcome ReadGroup(const Group& group, char status);
  void Transaction();
  void CancelledQuery();
  void KilledInTheMiddle();
  std::string Tag();  // "c<number>-<sequence>", new at each call
  void Describe(const std::string& what);

  const int number_, port_, long_sleep_ms_;
  Counts& counts_;
  std::mt19937 random_;
  int64_t sequence_ = 0;
  bool is_cancel_due_ = false;  // this client has asked to cancel the present question
  std::unique_ptr<test_support::WireClient> wire_;
};

}  // namespace chaos
