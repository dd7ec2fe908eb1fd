#include "tests/chaos/client.h"

#include <algorithm>
#include <set>

namespace chaos {
namespace {

using namespace test_support;

// How long an answer may take before it counts as lost in the proxy: far beyond every timeout that is configured.
constexpr Milliseconds kAnswerPatience{30'000};

// What PostgreSQL or pgweir may say while queries are cancelled and servers killed and restarted.
const std::set<std::string> kAllowedErrors = {
    "57014",                                      // cancelled, query_timeout
    "57P01", "57P02", "57P03", "57P05",           // terminated, crash shutdown, starting up
    "08006", "08001", "08000", "08003", "08004",  // server lost
    "53300",                                      // queue full, query_wait_timeout
    "25P02", "25P03", "25P04",                    // failed transaction, timeouts of transactions
};

std::string Extended(const std::string& sql, const Values& values) {
  return Parse("", sql) + Bind("", "", values) + DescribePortal("") + Execute("") + Sync();
}

}  // namespace

void Counts::Wrong(const std::string& what) {
  const std::lock_guard lock(mutex_);
  if (++wrong == 1) first_wrong_ = what;
}

std::string Counts::FirstWrong() const {
  const std::lock_guard lock(mutex_);
  return first_wrong_;
}

Client::Client(int number, int port, Counts& counts, int long_sleep_ms)
    : number_(number),
      port_(port),
      long_sleep_ms_(long_sleep_ms),
      counts_(counts),
      random_(static_cast<unsigned>(number)) {}

std::string Client::Tag() { return "c" + std::to_string(number_) + "-" + std::to_string(sequence_++); }

void Client::Describe(const std::string& what) {
  counts_.Wrong("client " + std::to_string(number_) + ", question " + std::to_string(sequence_) + ": " + what);
}

void Client::Run() {
  while (!counts_.stop) {
    is_cancel_due_ = false;
    try {
      if (wire_ || Connect()) Turn();
    } catch (const TimedOut& timeout) {
      Describe(std::string("no answer: ") + timeout.what());
      wire_.reset();
    } catch (const std::runtime_error&) {
      ++counts_.lost;
      wire_.reset();
    }
  }
}

bool Client::Connect() {
  std::unique_ptr<WireClient> wire;
  try {
    wire = std::make_unique<WireClient>(port_);
    wire->set_patience(kAnswerPatience);
  } catch (const std::runtime_error&) {
    // Nobody listens: counted as refused below.
  }
  if (wire &&
      wire->Login({{"user", "app"}, {"database", "app"}, {"application_name", "client " + std::to_string(number_)}})) {
    wire_ = std::move(wire);
    return true;
  }
  ++counts_.refused;
  // Refused for as long as the database is away: not in a tight loop.
  std::this_thread::sleep_for(Milliseconds(20));
  return false;
}

void Client::Turn() {
  const int kind = std::uniform_int_distribution<int>(0, 99)(random_);
  const std::string tag = Tag();
  if (kind < 25) {
    Ask(Query("SELECT '" + tag + "'"), {{{tag}, ""}}, 'I');
  } else if (kind < 35) {
    Group many;
    for (int i = 1; i <= 50; ++i) many.rows.push_back(tag + "/" + std::to_string(i));
    Ask(Query("SELECT '" + tag + "/' || g FROM generate_series(1, 50) g"), {many}, 'I');
  } else if (kind < 55) {
    Ask(Extended("SELECT $1::text", {tag}), {{{tag}, ""}}, 'I');
  } else if (kind < 65) {
    const std::string second = Tag(), third = Tag();
    Ask(Extended("SELECT $1::text", {tag}) + Extended("SELECT $1::text || pg_sleep(0.001)", {second}) +
            Query("SELECT '" + third + "'"),
        {{{tag}, ""}, {{second}, ""}, {{third}, ""}}, 'I');
  } else if (kind < 70) {
    const std::string after = Tag();
    Ask(Extended("SELECT $1::int", {tag}) + Extended("SELECT $1::text", {after}), {{{}, tag}, {{after}, ""}}, 'I');
  } else if (kind < 75) {
    Ask(Query("SELECT '" + tag + "'; SELECT '" + tag + "+'"), {{{tag, tag + "+"}, ""}}, 'I');
  } else if (kind < 80) {
    Group lines;
    for (int i = 1; i <= 20; ++i) lines.rows.push_back(tag + ":" + std::to_string(i) + "\n");
    Ask(Query("COPY (SELECT '" + tag + ":' || g FROM generate_series(1, 20) g) TO STDOUT"), {lines}, 'I');
  } else if (kind < 92) {
    Transaction();
  } else if (kind < 96) {
    CancelledQuery();
  } else if (kind < 99) {
    KilledInTheMiddle();
  } else {
    Ask(Query("SELECT '" + tag + "' FROM pg_sleep(" + std::to_string(long_sleep_ms_) + " / 1000.0)"), {{{tag}, ""}},
        'I');
  }
}

void Client::Transaction() {
  const std::string first = Tag(), second = Tag();
  Outcome outcome = Ask(Query("BEGIN"), {{{}, ""}}, 'T');
  if (outcome == Outcome::kGood) outcome = Ask(Query("SELECT '" + first + "'"), {{{first}, ""}}, 'T');
  if (outcome == Outcome::kGood) outcome = Ask(Extended("SELECT $1::text", {second}), {{{second}, ""}}, 'T');
  if (outcome == Outcome::kGood) {
    Ask(Query(sequence_ % 3 == 0 ? "ROLLBACK" : "COMMIT"), {{{}, ""}}, 'I');
  } else if (outcome == Outcome::kError) {
    Ask(Query("ROLLBACK"), {{{}, ""}}, 'I');
  }
}

// The cancel may come before, during or after the query. Its connection is seen ended before the next question is
// asked, so that from then on a cancel can only be somebody else's.
void Client::CancelledQuery() {
  const std::string tag = Tag();
  if (!wire_->Send(Query("SELECT '" + tag + "' FROM pg_sleep(0.3)"))) throw std::runtime_error("gone");
  WireSocket request = ConnectTcp(port_);
  request.set_patience(kAnswerPatience);
  request.Send(CancelBytes(wire_->process_id(), wire_->key()));
  ++counts_.cancels;
  is_cancel_due_ = true;
  Ask("", {{{tag}, ""}}, 'I');
  request.AtEnd();
  is_cancel_due_ = false;
}

void Client::KilledInTheMiddle() {
  wire_->Send(Query("SELECT '" + Tag() + "' FROM pg_sleep(0.2)"));
  wire_->Reset();
  wire_.reset();
  ++counts_.kills;
}

Client::Outcome Client::Ask(const std::string& bytes, const std::vector<Group>& groups, char status) {
  if (!wire_->Send(bytes)) throw std::runtime_error("gone");
  Outcome outcome = Outcome::kGood;
  for (const Group& group : groups) {
    const Outcome of_group = ReadGroup(group, status);
    if (of_group == Outcome::kLost) {
      ++counts_.lost;
      wire_.reset();
      return of_group;
    }
    if (of_group == Outcome::kError) outcome = of_group;
  }
  ++(outcome == Outcome::kGood ? counts_.good : counts_.errors);
  return outcome;
}

Client::Outcome Client::ReadGroup(const Group& group, char status) {
  size_t rows = 0;
  bool has_failed = false;
  while (const auto message = wire_->ReadMessage()) {
    switch (message->type) {
      case 'D':
      case 'd': {
        const std::string value = message->type == 'd' ? message->body : RowValues(*message).at(0).value_or("NULL");
        if (rows >= group.rows.size() || value != group.rows[rows]) {
          Describe("got '" + value + "', expected " +
                   (rows < group.rows.size() ? "'" + group.rows[rows] + "'" : "no further row"));
          return Outcome::kLost;
        }
        ++rows;
        break;
      }
      case 'E': {
        has_failed = true;
        const std::string sqlstate = ErrorField(*message, 'C'), text = ErrorField(*message, 'M');
        const bool is_own = !group.error_text.empty() && text.find(group.error_text) != std::string::npos;
        if (!is_own && kAllowedErrors.count(sqlstate) == 0) {
          Describe("got error " + sqlstate + " " + text);
          return Outcome::kLost;
        }
        // query_timeout says so itself; this is PostgreSQL's word for a cancel request.
        if (sqlstate == "57014" && !is_cancel_due_ && text.find("user request") != std::string::npos) {
          Describe("was cancelled, and had not asked for it");
          return Outcome::kLost;
        }
        if (ErrorField(*message, 'V') == "FATAL") return Outcome::kLost;
        break;
      }
      case 'Z':
        if (!has_failed && (rows != group.rows.size() || !group.error_text.empty())) {
          Describe("the answer ended after " + std::to_string(rows) + " rows, without an error");
          return Outcome::kLost;
        }
        // After an error a transaction is failed, or, when it was refused before it began, was never there.
        if (message->body != std::string(1, status) && !(has_failed && (status != 'I' || message->body == "E"))) {
          Describe("transaction status " + message->body + ", expected " + status);
          return Outcome::kLost;
        }
        return has_failed && group.error_text.empty() ? Outcome::kError : Outcome::kGood;
      default:
        break;  // descriptions, completions, notices, parameters
    }
  }
  return Outcome::kLost;
}

}  // namespace chaos
