// Prepared statements: the readers of hostile messages, and one client and one server whose messages may fail anywhere.
// Input: a byte that says which; then the message, or one byte for each step of the conversation: what happens (low
// four bits) and to which name and text (high four).
//
// The conversation does what proxy/client_statements.cc does with tracker, log and both maps. Beside it stands the
// truth: a server that takes every message in order, the faked ones too, and keeps the names that the client would have
// on a PostgreSQL of its own. Whenever all is answered, both must agree, and no message of ours may ever meet a name it
// does not expect.
#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "protocol/prepared_statements.h"
#include "protocol/reply_tracker.h"
#include "protocol/session_check.h"
#include "protocol/statement_messages.h"
#include "tests/fuzz/require.h"

namespace {

using namespace protocol;
using Action = ReplyTracker::Action;
using Has = ServerStatements::Has;
using Kind = StatementChange::Kind;
using Note = ReplyTracker::Note;

// --- messages
// ----------------------------------------------------------------------------------------------------------

bool IsInside(std::string_view part, std::string_view whole) {
  return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

void CheckParse(std::string_view body) {
  const auto head = ReadParse(body);
  if (!head) return;
  Require(IsInside(head->name, body) && IsInside(head->text, head->body) && IsInside(head->body, body));
  std::string written;
  WriteParse(written, head->name, head->body);
  Require(std::string_view(written).substr(5) == body);
}

void CheckBind(std::string_view body) {
  const auto head = ReadBindHead(body);
  for (const int number : {-1, 0, 1, 2, 3, 1000, 0xffff, 0x10000}) {
    const auto value = ReadBindParameter(body, number);
    Require(!value || (head && number > 0 && IsInside(*value, body.substr(head->bytes))));
  }
  if (!head) return;
  Require(head->bytes <= body.size() && head->bytes == head->portal.size() + head->statement.size() + 2);
  std::string written;
  WriteBindHead(written, head->portal, head->statement, body.size() - head->bytes);
  written += body.substr(head->bytes);
  Require(std::string_view(written).substr(5) == body);
}

void CheckRow(std::string_view body) {
  SessionFinding finding;
  const bool is_row = finding.ReadRow(body, "user");
  Require(finding.set.size() + finding.defaults.size() + (finding.things != 0) == (is_row ? 1u : 0u));
  const SessionFinding once = finding;
  finding.ReadRow(body, "user");
  Require(finding.set == once.set && finding.things == once.things);
}

// --- the truth
// ---------------------------------------------------------------------------------------------------------

constexpr uint64_t kNoStatement = 0;

struct Sent {
  char type = 0;
  Action action = Action::kForward;
  uint64_t made = kNoStatement, gone = kNoStatement, used = kNoStatement;  // at the server, by id
  std::string client_made, client_gone, client_used;                       // at the client, by name
  int text = -1;  // of client_made and client_used; -1: the client must not have the name
  bool must_fail = false;
};

class Truth {
 public:
  enum class Luck : uint8_t { kGood, kBad };
  void Take(const Sent& sent, Luck luck) {
    if (is_skipping_ && sent.type != 'S') return;
    is_skipping_ = false;
    if (sent.type == 'H') return;
    const auto has = clients.find(sent.client_used);
    if (!sent.client_used.empty()) Require(has == clients.end() ? sent.text < 0 : sent.text == has->second);
    if (sent.used != kNoStatement) Require(servers.contains(sent.used));
    const bool can_fail = sent.type != 'S' && sent.type != 'C' && sent.action != Action::kFake;
    if (sent.must_fail || (can_fail && luck == Luck::kBad)) {
      replies += 'E';
      is_skipping_ = true;
      return;
    }
    if (sent.made != kNoStatement) Require(servers.emplace(sent.made, 0).second);  // else 42P05
    if (sent.gone != kNoStatement) servers.erase(sent.gone);
    if (!sent.client_made.empty()) Require(clients.emplace(sent.client_made, sent.text).second);
    clients.erase(sent.client_gone);
    if (sent.action != Action::kFake)
      replies += sent.type == 'P' ? '1' : sent.type == 'B' ? '2' : sent.type == 'C' ? '3' : 'Z';
  }

  std::map<uint64_t, int> servers;
  std::map<std::string, int> clients;
  std::string replies;

 private:
  bool is_skipping_ = false;
};

// --- the conversation
// --------------------------------------------------------------------------------------------------

constexpr size_t kStepsMax = 512;

class Conversation {
 public:
  void Step(uint8_t step) {
    const std::string name(1, static_cast<char>('a' + (step >> 4 & 3)));
    const int text = step >> 6;
    switch (step & 15) {
      case 0:
      case 1:
        return Act(&Conversation::Parse, name, text);
      case 2:
      case 3:
        return Act(&Conversation::Bind, name, text);
      case 4:
        return Act(&Conversation::Close, name, text);
      case 5:
        return Sync();
      case 6:
        return Flush();
      case 7:
        return Raise(name);
      case 8:
        return DrainWith(Truth::Luck::kBad);
      case 9:
        return Leave();
      case 10:
        return Take(Truth::Luck::kBad);
      case 11:
      case 12:
        return Take(Truth::Luck::kGood);
      default:
        return Reply();
    }
  }

  void End() {
    if (tracker_.NeedsSync()) Sync();
    DrainWith(Truth::Luck::kGood);
    Require(tracker_.IsFree() && tracker_.units_owed() == 0);
    CheckAtRest();
  }

 private:
  enum class Outcome : uint8_t { kDone, kWait };
  using Message = Outcome (Conversation::*)(const std::string& name, int text);

  // As Client::EditMessage and Client::Wait.
  void Act(Message message, const std::string& name, int text) {
    if (tracker_.skipping()) return;  // it goes as it is, and is ignored
    if (tracker_.owed() == 0) batches_.answered = batches_.current - 1;
    // An undone Close brings the name back: what becomes of it is known when that is answered.
    if (client_.IsClosing(name, batches_)) return WaitFor(message, name, text);
    if ((this->*message)(name, text) == Outcome::kWait) return WaitFor(message, name, text);
    CheckAlways();
  }
  void WaitFor(Message message, const std::string& name, int text) {
    if (tracker_.NeedsSync()) Flush();
    DrainWith(Truth::Luck::kGood);
    Require(tracker_.owed() == 0);
    Act(message, name, text);
  }

  void Send(Sent sent, Note note = Note::kNone) {
    Require(tracker_.OnSent(sent.type, sent.action, note));
    if (note == Note::kNoted) ++noted_;
    wire_.push_back(std::move(sent));
  }
  void Log(StatementChange change) {
    log_.Add(std::move(change));
    ++logged_;
  }

  Outcome Parse(const std::string& name, int text) {
    ClientStatement* known = client_.Find(name);
    if (known != nullptr) {
      if (batches_.IsUncertain(known->batch) || (known->batch == batches_.current && tracker_.owed() > 0))
        return Outcome::kWait;
      Send({.type = 'P', .client_used = name, .text = TextOf(*known), .must_fail = true}, Note::kNoted);
      Log({Kind::kWrongName, name, nullptr, {}});
      return Outcome::kDone;
    }
    StatementRef statement = Shared(text);
    if (client_.Has(statement, batches_)) statement = Make(text);
    const Has has = server_.Use(statement, batches_);
    if (has == Has::kPending) return Outcome::kWait;
    const uint64_t put = client_.Put(name, {statement, Language::kProtocol, 0, batches_.current});
    if (has == Has::kYes) {
      const Action action = tracker_.units_owed() == 0 ? Action::kFake : Action::kForward;
      Send({.type = 'P', .action = action, .client_made = name, .text = text}, Note::kNoted);
      Log({Kind::kClientParse, name, statement, {}, put});
      return Outcome::kDone;
    }
    if (has == Has::kStale)
      CloseOnServer(statement);
    else
      MakeRoom();
    Send({.type = 'P', .made = statement->id, .client_made = name, .text = text}, Note::kNoted);
    Log({Kind::kParse, name, statement, {}, put, server_.Add(statement, batches_.current)});
    return Outcome::kDone;
  }

  Outcome Bind(const std::string& name, int) {
    ClientStatement* known = client_.Find(name);
    if (known == nullptr) {
      Send({.type = 'B', .client_used = name, .must_fail = true}, Note::kNoted);
      Log({Kind::kWrongName, name, nullptr, {}});
      return Outcome::kDone;
    }
    if (batches_.IsUncertain(known->batch)) return Outcome::kWait;
    const StatementRef statement = known->statement;
    const Has has = server_.Use(statement, batches_);
    if (has == Has::kPending) return Outcome::kWait;
    if (has != Has::kYes) {
      if (has == Has::kStale)
        CloseOnServer(statement);
      else
        MakeRoom();
      Send({.type = 'P', .action = Action::kSkip, .made = statement->id}, Note::kNoted);
      Log({Kind::kServerParse, {}, statement, {}, 0, server_.Add(statement, batches_.current)});
    }
    Send({.type = 'B', .used = statement->id, .client_used = name, .text = TextOf(*known)});
    return Outcome::kDone;
  }

  Outcome Close(const std::string& name, int) {
    ClientStatement* known = client_.Find(name);
    if (known == nullptr) {
      Send({.type = 'C', .action = Action::kFake, .client_used = name});
      return Outcome::kDone;
    }
    if (batches_.IsUncertain(known->batch)) return Outcome::kWait;
    Send({.type = 'C', .action = Action::kFake, .client_gone = name, .client_used = name, .text = TextOf(*known)},
         Note::kNoted);
    Log({Kind::kClientClose, name, nullptr, *known});
    client_.BeginClose(name, batches_.current);
    return Outcome::kDone;
  }

  void CloseOnServer(const StatementRef& statement) {
    server_.BeginClose(statement, batches_.current);
    Send({.type = 'C', .action = Action::kSkip, .gone = statement->id}, Note::kNoted);
    Log({Kind::kServerClose, {}, statement, {}});
  }
  void MakeRoom() {
    while (server_.size() >= kServerStatementsMax) CloseOnServer(server_.Oldest());
  }

  void Sync() {
    Send({.type = 'S'});
    ++batches_.current;
  }
  void Flush() {
    Require(tracker_.OnSent('H'));
    wire_.push_back({.type = 'H'});
    See(tracker_.TakeFakes());
  }
  void Raise(const std::string& name) {
    const ClientStatement* known = client_.Find(name);
    if (known != nullptr) ++known->statement->generation;
  }
  // Its changes are forgotten, the server's are kept; another takes the server when all is answered.
  void Leave() {
    if (tracker_.NeedsSync()) Sync();
    is_here_ = false;
    DrainWith(Truth::Luck::kGood);
    client_.Clear();
    truth_.clients.clear();
    batches_ = {};
    is_here_ = true;
    CheckAtRest();
  }

  void Take(Truth::Luck luck) {
    if (wire_.empty()) return;
    truth_.Take(wire_.front(), luck);
    wire_.pop_front();
  }
  void Reply() {
    std::string& replies = truth_.replies;
    if (replies.empty()) return;
    const char type = replies.front();
    replies.erase(0, 1);
    const auto answer = type == 'Z' ? tracker_.OnReadyForQuery('I') : tracker_.OnReply(type);
    Require(answer.reply != ReplyTracker::Reply::kBroken);
    See(answer);
    if (type == 'Z') ++batches_.answered;
  }
  void See(const ReplyTracker::Answer& answer) {
    const size_t known = answer.confirmed + answer.undone;
    Require(known <= logged_ && logged_ == noted_);
    logged_ -= known;
    noted_ -= known;
    log_.Confirm(answer.confirmed, server_, is_here_ ? &client_ : nullptr);
    log_.Undo(answer.undone, server_, is_here_ ? &client_ : nullptr);
    CheckAlways();
  }
  void DrainWith(Truth::Luck luck) {
    while (!wire_.empty() || !truth_.replies.empty()) {
      Take(luck);
      Reply();
    }
    if (tracker_.owed() == 0 && !tracker_.skipping()) CheckAtRest();
  }

  void CheckAlways() {
    Require(log_.empty() == (logged_ == 0) && logged_ == noted_ && noted_ <= tracker_.owed());
    Require(!tracker_.HeadIsNoted() || log_.Front() != nullptr);
    Require(client_.size() <= kNames);
  }
  // Nothing is owed: what is believed is the truth.
  void CheckAtRest() {
    CheckAlways();
    Require(log_.empty() && (!is_here_ || client_.size() == truth_.clients.size()));
    for (const auto& [name, text] : truth_.clients) {
      if (!is_here_) break;
      const ClientStatement* known = client_.Find(name);
      Require(known != nullptr && TextOf(*known) == text && client_.Has(known->statement, batches_));
      Require(client_.NameOf(known->statement->server_name) == name);
    }
    // One whose Parse and Close both failed comes back as stale: it is closed and parsed anew, wherever it is.
    for (const auto& [id, statement] : made_) {
      const Has has = server_.Use(statement, {.current = batches_.current + 1, .answered = batches_.current});
      Require(has != Has::kPending && (has == Has::kStale || (has == Has::kYes) == truth_.servers.contains(id)));
    }
  }

  StatementRef Make(int text) {
    auto statement = std::make_shared<Statement>();
    statement->id = made_.size() + 1;
    statement->server_name = std::string(kServerNamePrefix) + std::to_string(statement->id);
    statement->body = std::to_string(text) + std::string(3, '\0');
    made_[statement->id] = statement;
    return statement;
  }
  StatementRef Shared(int text) {
    StatementRef& shared = shared_[text];
    if (!shared) shared = Make(text);
    return shared;
  }
  static int TextOf(const ClientStatement& known) { return known.statement->text()[0] - '0'; }

  static constexpr size_t kServerStatementsMax = 2, kNames = 4;
  ReplyTracker tracker_;
  StatementLog log_;
  ServerStatements server_;
  ClientStatements client_;
  Batches batches_;
  std::map<uint64_t, StatementRef> made_;
  std::map<int, StatementRef> shared_;
  std::deque<Sent> wire_;  // sent, not yet taken
  Truth truth_;
  size_t logged_ = 0, noted_ = 0;
  bool is_here_ = true;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'P':
      CheckParse(rest);
      return 0;
    case 'B':
      CheckBind(rest);
      return 0;
    case 'D':
      CheckRow(rest);
      return 0;
    default:
      break;
  }
  Conversation conversation;
  for (const char step : rest.substr(0, kStepsMax)) conversation.Step(static_cast<uint8_t>(step));
  conversation.End();
  return 0;
}
