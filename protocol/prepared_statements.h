// Prepared statements of clients over shared servers: who has which name, which server has which statement, and what of that
// is only believed until the server has said so.
//
// What: a Statement is an identity: full text, parameter types and the settings that its text was read under (a literal date
// means what DateStyle says). Clients that prepare the same share it; on a server it is called pgweir_<id>. ClientStatements maps
// one client's names to statements; ServerStatements is the LRU of one server. Both change when a message is sent, and the
// StatementLog of the server keeps, in the order of its noted messages, what to undo when the server fails or skips one.
//
// Invariants
//  1. A name that is not pgweir_... is on a server only while ServerStatements::named says whose view of it it is.
//  2. A client's entry is pending from its Parse to the server's ParseComplete, and from its Close to what is answered behind
//     it. Who needs a name that is pending since an earlier batch, or that a text behind a barrier may have changed, waits for
//     the answers first (client_statements.cc).
//  3. The log has exactly one change for each noted message that is owed.
//  4. When the client leaves, its changes are forgotten, the server's are kept.
// Threads: values on the worker of their owner; a Statement is immutable but for `generation` and shared by all workers.
// Limits: kStatementTextMax a text, kClientStatementsMax names a client, max_prepared_statements a server.
// Source: PostgreSQL documentation, "Extended Query"; PREPARE; DEALLOCATE.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "protocol/result_shape.h"
#include "protocol/sql_sniffer.h"
#include "protocol/unnamed_statement.h"

namespace protocol {

inline constexpr size_t kStatementTextMax = 16 * 1024 * 1024;
inline constexpr size_t kStatementNameBytes = 63;  // PostgreSQL tells names apart by so many bytes (NAMEDATALEN - 1)
inline constexpr size_t kClientStatementsMax = 10'000;
inline constexpr std::string_view kServerNamePrefix = "pgweir_";
// The name that is always made anew to let the server say 42P05, and the one that never exists, for 26000.
inline constexpr std::string_view kDuplicateName = "pgweir_duplicate", kUnknownName = "pgweir_unknown";

struct Statement {
  uint64_t id = 0;
  std::string server_name;
  std::string body;       // of its Parse behind the name: text, zero byte, count and types
  std::string settings;   // what the text was read under
  SqlFlags flags = 0;
  std::vector<SqlStatement> details;  // only when flags concern the session
  // Raised when a server said that its plan does not fit any more, or described it otherwise than before: servers that prepared
  // it before do so again, and clients that rely on what they were told are told.
  mutable std::atomic<uint32_t> generation{0};
  // As a server described it last (ResultShape), 0 = not known.
  mutable std::atomic<uint64_t> parameters{0}, columns{0};
  void OnDescribed(const ResultShape& shape) const;
  void OnOutdated() const;
  // Somebody may rely on a description: whoever parses it anew looks whether it still holds.
  bool IsDescribed() const { return columns.load(std::memory_order_relaxed) != 0 || generation.load(std::memory_order_relaxed) != 0; }

  std::string_view text() const { return std::string_view(body).substr(0, body.find('\0')); }
  size_t bytes() const { return sizeof *this + server_name.capacity() + body.capacity() + settings.capacity(); }
};
using StatementRef = std::shared_ptr<const Statement>;

// Where a client stands: the batch that it is sending (ended by Sync, Query or FunctionCall), and the last that was answered.
struct Batches {
  uint64_t current = 1, answered = 0;
  bool IsUncertain(uint64_t batch) const { return batch != current && batch > answered; }
};

// --- one client ----------------------------------------------------------------------------------------------------------

enum class Language : uint8_t { kProtocol, kSql };  // how it was prepared: by Parse, or by PREPARE (then the body is that text)

struct ClientStatement {
  StatementRef statement;
  Language language = Language::kProtocol;
  uint32_t generation = 0;  // of the statement when this client got to know its result type
  uint64_t batch = 0;       // the batch of its Parse while that is pending, else 0
  bool told = false;        // it was described to this client, which may rely on that
  uint64_t put = 0;         // its number among all that this client ever had: by this Confirm and Undo know it
};

class ClientStatements {
 public:
  ClientStatement* Find(std::string_view name);
  // Gives it the next number, and returns that; one that has a number comes back.
  uint64_t Put(std::string_view name, ClientStatement entry);
  void Erase(std::string_view name);
  void Clear();  // DEALLOCATE ALL
  // A Close is noted; it is carried out, or not: until that is known, the name may come back.
  void BeginClose(std::string_view name, uint64_t batch);
  void EndClose(std::string_view name);
  bool IsClosing(std::string_view name, Batches now) const;
  // No two names of a client stand for one statement, so that an error about a statement tells which name was meant: it has a name,
  // or will have one again when a Close turns out not to have been carried out.
  bool Has(const StatementRef& statement, Batches now) const;
  // For error texts: the client's name of a statement, or empty.
  std::string_view NameOf(std::string_view server_name) const;
  size_t size() const { return names_.size(); }
  size_t bytes() const { return bytes_ + unnamed.bytes(); }

  UnnamedStatement unnamed;

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using Names = std::unordered_map<std::string, ClientStatement, Hash, std::equal_to<>>;
  Names names_;
  std::unordered_map<uint64_t, const std::string*> by_id_;  // the keys of names_
  struct Closing {
    std::string name;
    uint64_t statement = 0, batch = 0;  // its id; the batch of the Close
  };
  std::vector<Closing> closing_;
  uint64_t puts_ = 0;
  size_t bytes_ = 0;
};

// --- one server ----------------------------------------------------------------------------------------------------------

class ServerStatements {
 public:
  // The statement is here and fits: it becomes the most recently used. kPending: so it will be, unless an earlier batch than
  // `now` fails.
  enum class Has : uint8_t { kNo, kYes, kStale, kPending };
  Has Use(const StatementRef& statement, Batches now);
  // `view`: a number for the catalogue as its client sees it (0: not known); another view may refuse the text. Returns the
  // number of this Parse, by which Confirm and Undo know it: until it is answered, its statement may be closed and parsed again.
  uint64_t Add(const StatementRef& statement, uint64_t batch, uint64_t view = 0);
  bool WasParsedUnder(uint64_t id, uint64_t view) const;
  void Confirm(uint64_t id, uint64_t parse);
  void Undo(uint64_t id, uint64_t parse);
  // A Close is sent; it is carried out, or not.
  void BeginClose(const StatementRef& statement, uint64_t batch);
  void EndClose(const StatementRef& statement);
  void UndoClose(const StatementRef& statement);
  void MarkAllStale();
  void Renew(uint64_t id);  // it was found to fit its statement as that is now
  StatementRef Oldest() const { return order_.empty() ? nullptr : order_.back().statement; }
  size_t size() const { return order_.size(); }

  // Names of the clients' own that exist on this server, made for SQL that names them.
  struct Named {
    uint64_t client = 0;       // in whose view
    StatementRef statement;
  };
  const Named* FindNamed(std::string_view name) const;
  std::vector<std::string> NamesOfOthers(uint64_t client) const;
  void PutNamed(std::string_view name, Named named);
  void EraseNamed(std::string_view name);
  std::optional<std::string> AnyNamed() const;
  // Who changed one last, and in which of its batches: that batch may fail, and what the next believes of any name with it.
  struct NamedChange {
    uint64_t client = 0, batch = 0;
  } named_change;
  bool NamesArePending(uint64_t client, Batches now) const { return named_change.client == client && now.IsUncertain(named_change.batch); }
  size_t named_count() const { return named_.size(); }

  void Clear();  // DEALLOCATE ALL, DISCARD ALL

  // The unnamed statement: whose, and which of its versions (0: none); no client: not known.
  struct Unnamed {
    uint64_t client = 0, serial = 0;
    uint64_t batch = 0;  // of what put it there
    bool replaces_own = false;  // what was there before it was what that client had
  };
  Unnamed unnamed;

 private:
  struct Item {
    StatementRef statement;
    uint32_t generation = 0;
    uint64_t parse = 0;  // the number of its last Parse
    uint64_t batch = 0;  // of that while it is pending, else 0
    uint64_t view = 0;   // under which it was parsed
  };
  void Remove(uint64_t id);

  uint64_t parses_ = 0;
  std::list<Item> order_;  // most recently used first
  std::unordered_map<uint64_t, std::list<Item>::iterator> index_;
  std::vector<std::pair<uint64_t, uint64_t>> closing_;  // id, batch of the Close
  std::vector<std::pair<std::string, Named>> named_;
};

// --- what is believed ----------------------------------------------------------------------------------------------------

struct StatementChange {
  enum class Kind : uint8_t {
    kClientParse,   // name -> statement at the client (its answer is a fake)
    kParse,         // the same, and statement at the server
    kClientClose,   // name gone at the client; `old` comes back when undone
    kServerParse,   // statement at the server
    kServerClose,   // statement gone at the server
    kNamedParse,    // `name` made at the server
    kNamedExecute,  // the same for an EXECUTE whose Bind follows: should it fail, that would have been bound
    kNamedClose,    // `name` gone at the server
    kWrongName,     // must fail with 42P05 or 26000, about `name`
    kDescribe,      // tells what `statement` gives; to the client under `name`, or, when that is empty, only to us
    kOutdated,      // must fail: the client knows an older result type of `statement` than its servers have
    kChannel,       // SET in the place of LISTEN or UNLISTEN: `name` is the tag that the client gets
    kRefuse,        // must fail; `name` is the whole message that the client hears instead
  } kind;
  std::string name;
  StatementRef statement;
  std::optional<ClientStatement> old;
  uint64_t put = 0;    // of kClientParse and kParse: what ClientStatements::Put returned
  uint64_t parse = 0;  // of kParse and kServerParse: what ServerStatements::Add returned
};

class StatementLog {
 public:
  void Add(StatementChange change) { changes_.push_back(std::move(change)); }
  bool empty() const { return changes_.empty(); }
  const StatementChange* Front() const { return changes_.empty() ? nullptr : &changes_.front(); }
  // `client` is nullptr when it has left.
  void Confirm(uint32_t count, ServerStatements& server, ClientStatements* client);
  void Undo(uint32_t count, ServerStatements& server, ClientStatements* client);
  void UndoAll(ServerStatements& server, ClientStatements* client) { Undo(static_cast<uint32_t>(changes_.size()), server, client); }
  // DEALLOCATE ALL was carried out: a Close that is undone brings nothing back.
  void ForgetOld();

 private:
  static void UndoOne(const StatementChange& change, ServerStatements& server, ClientStatements* client);
  std::deque<StatementChange> changes_;
};

}  // namespace protocol
