// The prepared statements of one simulated session, under PostgreSQL's rules: one namespace for Parse and PREPARE, and
// the unnamed statement beside it.
//
// What: a name counts by its first 63 bytes, is taken until it is closed, deallocated or discarded, and survives
// transactions, failed ones too. A statement that gives rows and is older than the schema is stale: binding it fails
// until it is prepared anew. Sessions of one SimulatedPostgres share their SchemaVersion, which `ddl` counts up.
// Threads: any; a test reads the names while the session runs.
// Source: PostgreSQL 15, prepare.c and postgres.c; each rule was tried on a real server.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace wire {

using SchemaVersion = std::shared_ptr<std::atomic<int>>;

inline SchemaVersion NewSchema() { return std::make_shared<std::atomic<int>>(0); }

class SimulatedStatements {
 public:
  struct Statement {
    std::string sql;
    int schema = 0;  // the version that it was prepared under
  };

  explicit SimulatedStatements(SchemaVersion schema = NewSchema()) : schema_(std::move(schema)) {}

  // The unnamed one (an empty name) is replaced. False when the name is taken.
  bool Store(const std::string& name, const std::string& sql);
  std::optional<Statement> Find(const std::string& name) const;
  bool Drop(const std::string& name);
  void DropNamed();
  bool IsOutdated(const Statement& statement) const { return statement.schema != *schema_; }
  void ChangeSchema() { ++*schema_; }
  // As if every statement had been closed and parsed again.
  void Renew();

  std::vector<std::string> Names() const;  // of the named ones, sorted
  size_t names_max() const;                // the most that there ever were at a time

 private:
  const SchemaVersion schema_;
  mutable std::mutex mutex_;  // guards everything below
  std::map<std::string, Statement> statements_;
  size_t names_max_ = 0;
};

}  // namespace wire
