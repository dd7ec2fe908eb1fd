// One real set-up, kept in files as a team that runs PgBouncer keeps them, which Debian's pgbouncer and pgweir serve in turn:
// the same files, the same port, the same clients; what came of each step is compared.
//
// The set-up: pgbouncer.ini with two %include, 50 keys, six databases (renamed, forced user, statement pooling, own caps, several
// hosts, `*`), users with limits of their own, an auth_file with plain, md5 and SCRAM secrets, an HBA file of nine lines (peer, trust,
// md5, reject, cert, scram-sha-256, password), auth_query, TLS to both sides with a CA of the test's own.
// A step's outcome is a text: a value, a tag, or severity, SQLSTATE and message of an error. Where the two differ, the test fails unless
// the difference stands in kDifferences (setup_differences.cc) with its reason; and one that is not met any more must leave it.
// Threads: the main thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/proxy.h"
#include "tests/support/certificates.h"
#include "tests/support/temporary_folder.h"

namespace integration {

struct SetupDifference {
  const char* part;    // of which test
  const char* what;    // the step, as in Say; * stands for anything in all of these
  const char* theirs;  // PgBouncer's outcome
  const char* ours;
  const char* reason;
};
const std::vector<SetupDifference>& SetupDifferences();
bool FitsPattern(const std::string& text, const std::string& pattern);

// What the files say; the rest of them stays.
struct SetupFiles {
  bool has_stmt = true;  // the database of that name
  int app_pool_size = 2;
  int limited_connections = 1;  // max_user_connections of the user `limited`
  std::string app_password = "app secret";
  std::string more;  // lines for [pgbouncer]
  std::string hba;   // lines before the others
};

enum class Door : uint8_t { kTls, kTlsWithoutCertificate, kClear, kUnix };

class SetupBesideTest : public IntegrationTest {
 public:
  static void SetUpTestSuite();
  static void TearDownTestSuite();

  // One of the two programs, and what it did.
  class Script {
   public:
    Script(SetupBesideTest& test, const std::string& program);
    void Say(const std::string& what, const std::string& outcome) { story_.emplace_back(what, outcome); }
    // "in as USER on DATABASE over TLS", or the refusal.
    void Login(Door door, const std::string& user, const std::string& password, const std::string& database);
    std::string Words(const std::string& user, const std::string& password, const std::string& database, Door door = Door::kTls) const;
    Connection Client(const std::string& user, const std::string& password, const std::string& database) const;
    Connection App(const std::string& database = "app") const { return Client("app", test_.files_now_.app_password, database); }
    Connection Console() const { return Client("admin", "admin secret", "pgbouncer"); }
    // Runs it there and says what came of it.
    void Ask(Connection& client, const std::string& sql, const std::string& what = "");
    // Of the row of SHOW `table` for which every pair of `where` holds: "column=value ...", or "none".
    using Pairs = std::vector<std::pair<std::string, std::string>>;
    std::string Row(Connection& console, const std::string& table, const Pairs& where, const std::vector<std::string>& columns) const;
    // The same of every row, sorted, with "; " between.
    std::string Rows(Connection& console, const std::string& table, const std::vector<std::string>& columns, const std::string& without = "") const;
    bool WaitForPool(Connection& console, const std::string& database, const std::string& user, const std::string& column, const std::string& value) const;
    bool is_pgbouncer() const { return is_pgbouncer_; }
    Proxy& proxy() { return *proxy_; }
    const std::vector<std::pair<std::string, std::string>>& story() const { return story_; }

   private:
    SetupBesideTest& test_;
    const bool is_pgbouncer_;
    std::unique_ptr<Proxy> proxy_;
    std::vector<std::pair<std::string, std::string>> story_;
  };

 protected:
  void SetUp() override;
  // Runs the part with both and compares; `part` names it in kDifferences.
  void Compare(const std::string& part, const std::function<void(Script&)>& steps);
  void WriteFiles(const SetupFiles& files);
  void Sql(const std::string& text, const std::string& database = "postgres") const;
  static std::string Outcome(const Result& result);
  // The same, and whether the session lives on.
  static std::string OutcomeAndAfter(Connection& client, const Result& result);
  static std::string LastWords(Connection& client);  // of one that waits for nothing, once it is closed
  static std::string LoginOutcome(const std::string& words);
  std::string File(const std::string& name) const { return folder_->File(name); }

  int port_ = 0;
  SetupFiles files_now_;
  static inline test_support::TemporaryFolder* folder_ = nullptr;
  static inline test_support::CertificateFiles* certificates_ = nullptr;
  static inline PostgresCluster* cluster_ = nullptr;

 private:
  static void MakeRoles();
};

}  // namespace integration
