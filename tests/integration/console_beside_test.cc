// The console beside PgBouncer's own: Debian's pgbouncer runs next to pgweir, and every SHOW that both have must agree in the
// names, types and order of its columns.
//
// Debian's is 1.18, older than the facts that pgweir follows (1.25, pgbouncer-facts.md): a column that it lacks is allowed only
// where the facts have it. Behind PgBouncer's columns pgweir may have its own.
#include <unistd.h>

#include <map>

#include "tests/integration/proxy.h"
#include "tests/support/temporary_folder.h"

namespace integration {
namespace {

using namespace test_support;

const std::string kConnection =
    "type:t user:t database:t replication:t state:t addr:t port:i local_addr:t local_port:i connect_time:t request_time:t wait:i "
    "wait_us:i close_needed:i ptr:t link:t remote_pid:i tls:t application_name:t prepared_statements:i id:i";
const std::string kSocket = kConnection + " recv_pos:i pkt_pos:i pkt_remain:i send_pos:i send_remain:i pkt_avail:i send_avail:i";

// PgBouncer 1.25.2's columns: t text, i int4, q int8, N numeric.
const std::map<std::string, std::string> kFacts = {
    {"POOLS",
     "database:t user:t cl_active:i cl_waiting:i cl_active_cancel_req:i cl_waiting_cancel_req:i sv_active:i sv_active_cancel:i "
     "sv_being_canceled:i sv_idle:i sv_used:i sv_tested:i sv_login:i maxwait:i maxwait_us:i pool_mode:t load_balance_hosts:t"},
    {"STATS",
     "database:t total_server_assignment_count:N total_xact_count:N total_query_count:N total_received:N total_sent:N "
     "total_xact_time:N total_query_time:N total_wait_time:N total_client_parse_count:N total_server_parse_count:N "
     "total_bind_count:N avg_server_assignment_count:N avg_xact_count:N avg_query_count:N avg_recv:N avg_sent:N avg_xact_time:N "
     "avg_query_time:N avg_wait_time:N avg_client_parse_count:N avg_server_parse_count:N avg_bind_count:N"},
    {"STATS_TOTALS",
     "database:t server_assignment_count:N xact_count:N query_count:N bytes_received:N bytes_sent:N xact_time:N query_time:N "
     "wait_time:N client_parse_count:N server_parse_count:N bind_count:N"},
    {"STATS_AVERAGES",
     "database:t server_assignment_count:N xact_count:N query_count:N bytes_received:N bytes_sent:N xact_time:N query_time:N "
     "wait_time:N avg_client_parse_count:N avg_server_parse_count:N avg_bind_count:N"},
    {"TOTALS", "name:t value:N"},
    {"CLIENTS", kConnection},
    {"SERVERS", kConnection},
    {"SOCKETS", kSocket},
    {"ACTIVE_SOCKETS", kSocket},
    {"DATABASES",
     "name:t host:t port:i database:t force_user:t pool_size:i min_pool_size:i reserve_pool_size:i server_lifetime:i pool_mode:t "
     "load_balance_hosts:t max_connections:i current_connections:i max_client_connections:i current_client_connections:i paused:i "
     "disabled:i"},
    {"USERS",
     "name:t pool_size:t reserve_pool_size:t pool_mode:t max_user_connections:i current_connections:i "
     "max_user_client_connections:i current_client_connections:i"},
    {"LISTS", "list:t items:i"},
    {"CONFIG", "key:t value:t default:t changeable:t"},
    {"STATE", "key:t value:t"},
    {"MEM", "name:t size:i used:i free:i memtotal:i"},
    {"VERSION", "version:t"},
    {"PEERS", "peer_id:i host:t port:i pool_size:i"},
    {"PEER_POOLS", "peer_id:i cl_active_cancel_req:i cl_waiting_cancel_req:i sv_active_cancel:i sv_login:i"},
    {"DNS_HOSTS", "hostname:t ttl:q addrs:t"},
    {"DNS_ZONES", "zonename:t serial:q count:i"},
};

std::vector<std::string> Words(const std::string& text) {
  std::vector<std::string> words;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

std::vector<std::string> ColumnsOf(const Result& result) {
  const std::map<Oid, std::string> letters = {{25, "t"}, {23, "i"}, {20, "q"}, {1700, "N"}};
  std::vector<std::string> columns;
  for (int i = 0; i < result.columns(); ++i) {
    const auto letter = letters.find(result.Type(i));
    columns.push_back(result.Name(i) + ':' + (letter == letters.end() ? "oid " + std::to_string(result.Type(i)) : letter->second));
  }
  return columns;
}

class PgBouncerProcess {
 public:
  Connection Connect(const std::string& user, const std::string& database) const {
    return Connection("host=127.0.0.1 port=" + std::to_string(proxy_.port()) + " user=" + user + " dbname=" + database);
  }

 private:
  std::string WriteIni() const {
    WriteFile(folder_.File("users.txt"), "\"app\" \"\"\n\"admin\" \"\"\n");
    WriteFile(folder_.File("pgbouncer.ini"),
              "[databases]\n* = host=127.0.0.1 port=" + std::to_string(SharedCluster().port()) +
                  "\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = " + std::to_string(port_) +
                  "\nunix_socket_dir =\nauth_type = trust\nauth_file = " + folder_.File("users.txt") +
                  "\nadmin_users = admin\npool_mode = transaction\n");
    GiveToUnprivilegedUser(folder_.path());
    return folder_.File("pgbouncer.ini");
  }

  const TemporaryFolder folder_;
  const int port_ = FreePort();
  const Proxy proxy_{kPgBouncer, WriteIni(), port_, folder_.File("log")};
};

class ConsoleBesideTest : public IntegrationTest {
 protected:
  void SetUp() override {
    NEEDS_PGWEIR();
    if (access(kPgBouncer, X_OK) != 0) GTEST_SKIP() << kPgBouncer << " is not installed";
  }
};

TEST_F(ConsoleBesideTest, ColumnsAreThoseOfTheOther) {
  StartPgweir();
  const PgBouncerProcess other;
  Connection theirs = other.Connect("admin", "pgbouncer"), ours = Admin();
  Connection their_client = other.Connect("app", "app"), our_client = Connect();
  ASSERT_TRUE(their_client.Query("SELECT 1").ok());
  ASSERT_TRUE(our_client.Query("SELECT 1").ok());
  size_t compared = 0;
  for (const auto& [name, facts_text] : kFacts) {
    const Result mine = ours.Query("SHOW " + name);
    ASSERT_TRUE(mine.ok()) << name << ": " << mine.error();
    const std::vector<std::string> facts = Words(facts_text);
    std::vector<std::string> columns = ColumnsOf(mine);
    ASSERT_GE(columns.size(), facts.size()) << name;
    columns.resize(facts.size());
    EXPECT_EQ(columns, facts) << name;
    const Result his = theirs.Query("SHOW " + name);
    if (!his.ok()) continue;  // newer than 1.18
    ++compared;
    EXPECT_EQ(mine.tag(), his.tag()) << name;
    auto at = columns.begin();
    for (std::string column : ColumnsOf(his)) {
      if (column == "reserve_pool:i") column = "reserve_pool_size:i";  // its name since 1.24
      at = std::find(at, columns.end(), column);
      ASSERT_NE(at, columns.end()) << name << ": PgBouncer's " << column << " is missing, of another type, or in another place";
      ++at;
    }
  }
  EXPECT_GE(compared, 17U);
}

// The verbs of both, which leave things as they were: the same tags.
TEST_F(ConsoleBesideTest, TagsAreThoseOfTheOther) {
  StartPgweir();
  const PgBouncerProcess other;
  Connection theirs = other.Connect("admin", "pgbouncer"), ours = Admin();
  Connection their_client = other.Connect("app", "app"), our_client = Connect();
  ASSERT_TRUE(their_client.Query("SELECT 1").ok());
  ASSERT_TRUE(our_client.Query("SELECT 1").ok());
  for (const char* sql : {"PAUSE", "RESUME", "PAUSE app", "RESUME app", "DISABLE app", "ENABLE app", "RECONNECT", "WAIT_CLOSE", "RELOAD",
                          "SET query_wait_timeout = 7", "SHOW HELP", "SET client_encoding = utf8"}) {
    const Result mine = ours.Query(sql), his = theirs.Query(sql);
    EXPECT_TRUE(mine.ok()) << sql << ": " << mine.error();
    EXPECT_TRUE(his.ok()) << sql << ": " << his.error();
    EXPECT_EQ(mine.tag(), his.tag()) << sql;
  }
  for (const char* sql : {"RESUME", "DISABLE", "KILL_CLIENT x", "SHOW", "RECONNECT pgbouncer", "DISABLE pgbouncer"}) {
    EXPECT_FALSE(ours.Query(sql).ok()) << sql;
    EXPECT_FALSE(theirs.Query(sql).ok()) << sql;
  }
}

}  // namespace
}  // namespace integration
