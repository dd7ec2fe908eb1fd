#include "admin/show_tables.h"

#include <gtest/gtest.h>

#include <sstream>

#include "admin/connection_tables.h"
#include "admin/own_pool.h"
#include "tests/unit/admin/fake_control.h"

namespace admin {
namespace {

Command CommandOf(const std::string& sql) { return *ParseCommand(sql); }

// "name:t" for text, i int4, q int8, N numeric.
std::string Written(const Columns& columns) {
  std::string out;
  for (const Column& column : columns) {
    const char* letter = "?";
    switch (column.type) {
      case ColumnType::kText:
        letter = "t";
        break;
      case ColumnType::kInt4:
        letter = "i";
        break;
      case ColumnType::kInt8:
        letter = "q";
        break;
      case ColumnType::kNumeric:
        letter = "N";
        break;
    }
    out += (out.empty() ? "" : " ") + column.name + ':' + letter;
  }
  return out;
}

struct Expected {
  const char* sql;
  std::string pgbouncer;  // PgBouncer 1.25's columns, as its documentation and its answers have them
  std::string ours;       // behind them
};

const char kConnectionColumns[] =
    "type:t user:t database:t replication:t state:t addr:t port:i local_addr:t local_port:i connect_time:t "
    "request_time:t "
    "wait:i wait_us:i close_needed:i ptr:t link:t remote_pid:i tls:t application_name:t prepared_statements:i id:i";

const Expected kExpected[] = {
    {"SHOW POOLS",
     "database:t user:t cl_active:i cl_waiting:i cl_active_cancel_req:i cl_waiting_cancel_req:i sv_active:i "
     "sv_active_cancel:i sv_being_canceled:i sv_idle:i sv_used:i sv_tested:i sv_login:i maxwait:i maxwait_us:i "
     "pool_mode:t "
     "load_balance_hosts:t",
     " sv_closing:i pool_size:i max_waiting:i trouble:t shed:N"},
    {"SHOW CLIENTS", kConnectionColumns, " worker:i"},
    {"SHOW SERVERS", kConnectionColumns, " worker:i close_reason:t"},
    {"SHOW SOCKETS", std::string(kConnectionColumns) +
     " recv_pos:i pkt_pos:i pkt_remain:i send_pos:i send_remain:i pkt_avail:i send_avail:i", " worker:i"},
    {"SHOW ACTIVE_SOCKETS", std::string(kConnectionColumns) +
     " recv_pos:i pkt_pos:i pkt_remain:i send_pos:i send_remain:i pkt_avail:i send_avail:i", " worker:i"},
    {"SHOW MEM", "name:t size:i used:i free:i memtotal:i", ""},
    {"SHOW DNS_HOSTS", "hostname:t ttl:q addrs:t", ""},
    {"SHOW DNS_ZONES", "zonename:t serial:q count:i", ""},
    {"SHOW PEERS", "peer_id:i host:t port:i pool_size:i", ""},
    {"SHOW PEER_POOLS", "peer_id:i cl_active_cancel_req:i cl_waiting_cancel_req:i sv_active_cancel:i sv_login:i", ""},
    {"SHOW ERRORS", "", "name:t sqlstate:t severity:t count:q last_time:t"},
    {"SHOW ADVICE", "",
     "database:t user:t pool_size:i seconds:i rate:N hold_us:q load:N use:N wait_us:q wait_p95_us:q target_us:q expected_us:q "
     "expected_p95_us:q advised_size:i advised_p95_us:q advice:t"},
    {"SHOW CAPACITY", "",
     "host:t port:i databases:t users:t pools:i worst_case:q unbounded:t instances:i total:q max_connections:i reserved:i available:i "
     "role_limits:t database_limits:t verdict:t remedy:t asked:t trouble:t"},
    {"SHOW HOLDERS", "",
     "database:t user:t client_id:i server_id:i remote_pid:i application_name:t addr:t port:i since:t held:i held_us:i state:t "
     "idle_in_transaction:i request_time:t pins:t digest:t statement:t"},
    {"SHOW WAITERS", "",
     "database:t pool_user:t place:i client_id:i user:t application_name:t addr:t port:i since:t wait:i wait_us:i behind:i"},
    {"SHOW HOSTS", "", "host:t state:t connections:i connecting:i failures:q down_ms:q retry_ms:q last_error:t"},
    {"RELOAD DRY RUN", "", "change:t"},
    {"SELECT host, port FROM databases", "host:t port:i", ""},
    {"SELECT count(*) FROM pools", "count:q", ""},
    {"SHOW PINS", "",
     "database:t user:t client_id:i server_id:i reason:t since:t application_name:t addr:t port:i"},
    {"SHOW DATABASES",
     "name:t host:t port:i database:t force_user:t pool_size:i min_pool_size:i reserve_pool_size:i server_lifetime:i "
     "pool_mode:t load_balance_hosts:t max_connections:i current_connections:i max_client_connections:i "
     "current_client_connections:i paused:i disabled:i reserve_pool:i",
     ""},
    {"SHOW USERS",
     "name:t pool_size:t reserve_pool_size:t pool_mode:t max_user_connections:i current_connections:i "
     "max_user_client_connections:i current_client_connections:i",
     ""},
    {"SHOW STATS",
     "database:t total_server_assignment_count:N total_xact_count:N total_query_count:N total_received:N total_sent:N "
     "total_xact_time:N total_query_time:N total_wait_time:N total_client_parse_count:N total_server_parse_count:N "
     "total_bind_count:N avg_server_assignment_count:N avg_xact_count:N avg_query_count:N avg_recv:N avg_sent:N "
     "avg_xact_time:N avg_query_time:N avg_wait_time:N avg_client_parse_count:N avg_server_parse_count:N "
     "avg_bind_count:N",
     " total_client_login_count:N avg_client_login_count:N"},
    {"SHOW STATS_TOTALS",
     "database:t server_assignment_count:N xact_count:N query_count:N bytes_received:N bytes_sent:N xact_time:N "
     "query_time:N wait_time:N client_parse_count:N server_parse_count:N bind_count:N",
     " client_login_count:N"},
    {"SHOW STATS_AVERAGES",
     "database:t server_assignment_count:N xact_count:N query_count:N bytes_received:N bytes_sent:N xact_time:N "
     "query_time:N wait_time:N avg_client_parse_count:N avg_server_parse_count:N avg_bind_count:N",
     " avg_client_login_count:N"},
    {"SHOW TOTALS", "name:t value:N", ""},
    {"SHOW LISTS", "list:t items:i", ""},
    {"SHOW CONFIG", "key:t value:t default:t changeable:t", " source:t"},
    {"SHOW STATE", "key:t value:t", ""},
    {"SHOW VERSION", "version:t", ""},
    {"SHOW timezone", "timezone:t", ""},
    {"SHOW HELP", "", ""},
    {"RELOAD", "", ""},
    {"SET timezone = x", "", ""},
};

class ShowTables : public testing::Test {
 protected:
  ShowTables() : window_(StatsWindow::Time{}) {
    control_.snapshot = admin_test::ShopSnapshot();
    control_.config_->global.listen_port = 6432;
  }

  Table Show(const std::string& sql) {
    proxy::Snapshot snapshot = control_.snapshot;
    own_pool_.AddTo(snapshot);
    return MakeTable(
        CommandOf(sql),
        {.snapshot = snapshot, .config = *control_.config_, .run_state = control_.state, .window = window_, .loads = loads_,
         .now = LoadWindow::Time(std::chrono::seconds(10))});
  }
  // The row whose first column is `name`, written with NULL as "~".
  std::string RowOf(const Table& table, const std::string& name, size_t skip = 0) {
    for (const Row& row : table.rows) {
      if (row[0] != name || skip-- > 0) continue;
      std::string out;
      for (const auto& value : row) out += (out.empty() ? "" : "|") + value.value_or("~");
      return out;
    }
    return "no row";
  }

  admin_test::FakeControl control_;
  OwnPool own_pool_;
  StatsWindow window_;
  LoadWindow loads_{LoadWindow::Time{}};
};

TEST_F(ShowTables, ColumnsAreThoseOfPgBouncerThenOurs) {
  for (const Expected& expected : kExpected) {
    EXPECT_EQ(Written(ColumnsOf(CommandOf(expected.sql))), expected.pgbouncer + expected.ours) << expected.sql;
  }
}

TEST_F(ShowTables, EveryRowIsAsWideAsItsColumns) {
  control_.snapshot.clients.resize(2);
  control_.snapshot.clients[0].pins = "listen";
  control_.snapshot.clients[0].link_id = 1;
  control_.snapshot.clients[1].is_waiting = true;
  control_.snapshot.servers.resize(2);
  control_.snapshot.names = {{.name = "db.internal", .seconds_left = 14, .addresses = {"10.0.0.5", "10.0.0.6"}}};
  control_.snapshot.hosts.resize(1);
  control_.snapshot.capacity.resize(1);
  control_.config_->rows.resize(1);
  control_.config_->peers[2] = {.id = 2, .host = "b"};
  for (const Expected& expected : kExpected) {
    const Command command = CommandOf(expected.sql);
    const std::string sql = expected.sql;
    if (ColumnsOf(command).empty() || sql == "RELOAD DRY RUN") continue;
    const bool is_always_empty = sql.ends_with("ZONES");
    const Table table = Show(expected.sql);
    EXPECT_EQ(table.rows.empty(), is_always_empty) << expected.sql;
    for (const Row& row : table.rows) EXPECT_EQ(row.size(), table.columns.size()) << expected.sql;
  }
}

TEST_F(ShowTables, PeersAndWhatIsUnderWayToThem) {
  control_.config_->global.keys.pool_size = 20;
  control_.config_->peers[2] = {.id = 2, .host = "/run/b", .port = 6433, .pool_size = 4};
  control_.config_->peers[10] = {.id = 10, .host = "c"};
  control_.snapshot.peer_pools = {{.id = 10, .sent = 3, .waiting = 5}, {.id = 11, .sent = 1}};
  const Table peers = Show("SHOW PEERS"), pools = Show("SHOW PEER_POOLS"), lists = Show("SHOW LISTS");
  EXPECT_EQ(peers.rows.size(), 2U);
  EXPECT_EQ(RowOf(peers, "2"), "2|/run/b|6433|4");
  EXPECT_EQ(RowOf(peers, "10"), "10|c|6432|20") << "default_pool_size";
  EXPECT_EQ(pools.rows.size(), 2U) << "11 is no peer any more";
  EXPECT_EQ(RowOf(pools, "2"), "2|0|0|0|0");
  EXPECT_EQ(RowOf(pools, "10"), "10|3|5|3|0");
  EXPECT_EQ(RowOf(lists, "peers"), "peers|2");
  EXPECT_EQ(RowOf(lists, "peer_pools"), "peer_pools|2");
}

TEST_F(ShowTables, Pools) {
  own_pool_.OnClientCame();
  const Table table = Show("SHOW POOLS");
  ASSERT_EQ(table.rows.size(), 3U);
  EXPECT_EQ(table.rows[0][0], "pgweir") << "sorted by database";
  EXPECT_EQ(RowOf(table, "pgweir"), "pgweir|pgweir|1|0|0|0|0|0|0|0|0|0|0|0|0|statement|~|0|2|1000|~|0");
  EXPECT_EQ(RowOf(table, "shop"), "shop|app|7|3|0|0|5|0|0|1|0|0|0|2|500001|transaction|disable|2|5|250|~|17");
  EXPECT_EQ(RowOf(table, "shop", 1),
            "shop|report|7|3|0|0|5|0|0|1|0|0|0|2|500001|session|disable|2|5|250|connection refused|0");
}

TEST_F(ShowTables, EachFigureOfAPoolIsInItsOwnColumn) {
  proxy::PoolRow& pool = control_.snapshot.pools[0];
  pool.cl_active = 1, pool.cl_waiting = 2, pool.cl_active_cancel_req = 3, pool.cl_waiting_cancel_req = 4;
  pool.sv_active = 5, pool.sv_active_cancel = 6, pool.sv_being_canceled = 7, pool.sv_idle = 8, pool.sv_used = 9;
  pool.sv_tested = 10, pool.sv_login = 11, pool.sv_closing = 14, pool.max_wait_us = 12'000'013;
  EXPECT_EQ(RowOf(Show("SHOW POOLS"), "shop"), "shop|app|1|2|3|4|5|6|7|8|9|10|11|12|13|transaction|disable|14|5|250|~|17");
}

TEST_F(ShowTables, Databases) {
  const Table table = Show("SHOW DATABASES");
  EXPECT_EQ(RowOf(table, "shop"), "shop|10.0.0.5,10.0.0.6|5433|shop_production|~|5|1|2|3600|~|disable|30|8|100|10|1|0|2");
  EXPECT_EQ(RowOf(table, "pgweir"), "pgweir|~|6432|pgweir|pgweir|2|0|0|0|statement|~|0|0|0|0|0|0|0");
  EXPECT_EQ(RowOf(table, "*"), "*|/run/postgresql|5432|*|~|20|0|0|0|~|~|0|0|0|0|0|0|0");
}

TEST_F(ShowTables, Users) {
  const Table table = Show("SHOW USERS");
  EXPECT_EQ(RowOf(table, "app"), "app|5||~|9|8|0|0");
  EXPECT_EQ(RowOf(table, "pgweir"), "pgweir|||~|0|0|0|0") << "nothing of the row before";
}

TEST_F(ShowTables, ClientsAndServers) {
  setenv("TZ", "UTC", 1);
  tzset();
  proxy::ClientRow client;
  client.id = 255;
  client.user = "app";
  client.database = "sh\xffop\n";
  client.state = "waiting";
  client.addr = "10.1.1.1";
  client.port = 4000;
  client.local_addr = "10.1.1.2";
  client.local_port = 6432;
  client.connect_time = proxy::WallTime(std::chrono::seconds(1'700'000'000));
  client.wait_us = 3'000'004;
  client.link_id = 16;
  client.tls = "TLSv1.3";
  client.application_name = "psql";
  client.worker = 3;
  client.prepared_statements = 7;
  control_.snapshot.clients = {client};
  EXPECT_EQ(RowOf(Show("SHOW CLIENTS"), "C"),
            "C|app|sh?op?|none|waiting|10.1.1.1|4000|10.1.1.2|6432|2023-11-14 22:13:20 "
            "UTC|~|3|4|0|0xff|0x10|0|TLSv1.3|psql|7|"
            "255|3");
  proxy::ServerRow server;
  server.id = 16;
  server.user = "app";
  server.database = "shop";
  server.state = "active";
  server.addr = "10.0.0.5";
  server.port = 5433;
  server.local_addr = "10.1.1.2";
  server.local_port = 40000;
  server.request_time = client.connect_time + std::chrono::seconds(1);
  server.close_needed = "server_lifetime";
  server.remote_pid = 4242;
  server.prepared_statements = 9;
  control_.snapshot.servers = {server};
  EXPECT_EQ(RowOf(Show("SHOW SERVERS"), "S"),
            "S|app|shop|none|active|10.0.0.5|5433|10.1.1.2|40000|~|2023-11-14 22:13:21 UTC|0|0|1|0x10||4242|||9|16|0|"
            "server_lifetime");
}

TEST_F(ShowTables, PinsAreOneRowPerReasonTheLongestFirst) {
  setenv("TZ", "UTC", 1);
  tzset();
  const proxy::WallTime noon(std::chrono::seconds(1'700'000'000));
  const auto pinned = [&](uint64_t id, const char* pins, int seconds) {
    proxy::ClientRow client;
    client.id = id;
    client.user = "app";
    client.database = "sh\xffop";
    client.link_id = id + 100;
    client.application_name = "cron\n";
    client.addr = "10.1.1.1";
    client.port = 4000;
    client.pins = pins;
    client.pinned_since = noon + std::chrono::seconds(seconds);
    return client;
  };
  control_.snapshot.clients = {pinned(1, "load", 2), pinned(2, "", 0), pinned(4, "temp_table,advisory_lock", 1),
                               pinned(3, "listen", 1)};
  control_.snapshot.clients[0].link_id = 0;
  std::string rows;
  for (const Row& row : Show("SHOW PINS").rows) {
    for (const auto& value : row) rows += value.value_or("~") + '|';
    rows += '\n';
  }
  EXPECT_EQ(rows,
            "sh?op|app|3|103|listen|2023-11-14 22:13:21 UTC|cron?|10.1.1.1|4000|\n"
            "sh?op|app|4|104|temp_table|2023-11-14 22:13:21 UTC|cron?|10.1.1.1|4000|\n"
            "sh?op|app|4|104|advisory_lock|2023-11-14 22:13:21 UTC|cron?|10.1.1.1|4000|\n"
            "sh?op|app|1|~|load|2023-11-14 22:13:22 UTC|cron?|10.1.1.1|4000|\n");
  EXPECT_EQ(NeededFor(CommandOf("SHOW PINS")), proxy::Collecting::kClients);
}

std::string Written(const std::vector<Row>& rows) {
  std::string out;
  for (const Row& row : rows) {
    for (const auto& value : row) out += value.value_or("~") + '|';
    out += '\n';
  }
  return out;
}

TEST_F(ShowTables, HoldersTheLongestFirst) {
  setenv("TZ", "UTC", 1);
  tzset();
  const proxy::WallTime noon(std::chrono::seconds(1'700'000'000));
  const auto add = [&](uint64_t id, uint64_t link, int held) {
    proxy::ClientRow client;
    client.id = id;
    client.user = "app";
    client.database = "shop";
    client.state = "active";
    client.link_id = link;
    client.held_since = noon - std::chrono::seconds(held);
    client.held_us = static_cast<uint64_t>(held) * 1'000'000 + 7;
    client.request_time = noon;
    control_.snapshot.clients.push_back(client);
  };
  add(1, 11, 5), add(2, 0, 9), add(3, 13, 8);
  control_.snapshot.clients[2].idle_in_transaction = true;
  control_.snapshot.clients[2].pins = "temp_table";
  control_.snapshot.servers.resize(1);
  control_.snapshot.servers[0].id = 13;
  control_.snapshot.servers[0].remote_pid = 4711;
  EXPECT_EQ(Written(Show("SHOW HOLDERS").rows),
            "shop|app|3|13|4711|||0|2023-11-14 22:13:12 UTC|8|7|idle in transaction|1|2023-11-14 22:13:20 UTC|temp_table|~|~|\n"
            "shop|app|1|11|~|||0|2023-11-14 22:13:15 UTC|5|7|active|0|2023-11-14 22:13:20 UTC|~|~|~|\n");
}

TEST_F(ShowTables, HostsSayWhatIsOpenAndWhatIsWrong) {
  control_.snapshot.hosts = {{.host = "db1:5432", .state = "up", .connections = 7, .attempts = 1},
                             {.host = "db2:5432", .state = "down", .failures = 4, .down_ms = 1500, .retry_ms = 20, .last_error = "db2:5432: no route"}};
  EXPECT_EQ(Written(Show("SHOW HOSTS").rows), "db1:5432|up|7|1|0|~|~||\ndb2:5432|down|0|0|4|1500|20|db2:5432: no route|\n");
}

TEST_F(ShowTables, WaitersHaveTheirPlaceInTheQueueOfTheirPool) {
  const proxy::WallTime noon(std::chrono::seconds(1'700'000'000));
  const auto add = [&](uint64_t id, const char* user, int waited) {
    proxy::ClientRow client;
    client.id = id;
    client.user = "login";
    client.database = "shop";
    client.pool_user = user;
    client.is_waiting = waited > 0;
    client.wait_us = static_cast<uint64_t>(waited) * 1'000'000;
    client.waiting_since = noon - std::chrono::seconds(waited);
    control_.snapshot.clients.push_back(client);
  };
  add(1, "b", 1), add(2, "a", 2), add(3, "b", 4), add(4, "b", 0), add(5, "a", 1);
  std::string places;
  for (const Row& row : Show("SHOW WAITERS").rows) places += *row[1] + *row[2] + '=' + *row[3] + ' ';
  EXPECT_EQ(places, "a1=2 a2=5 b1=3 b2=1 ");
}

TEST_F(ShowTables, ErrorsTheLatestFirst) {
  setenv("TZ", "UTC", 1);
  tzset();
  const proxy::WallTime noon(std::chrono::seconds(1'700'000'000));
  constexpr auto kFull = static_cast<size_t>(protocol::ErrorCode::kQueueFull), kKilled = static_cast<size_t>(protocol::ErrorCode::kKilled);
  control_.snapshot.workers[0].last_errors[kFull] = noon;
  control_.snapshot.workers[1].last_errors[kFull] = noon + std::chrono::seconds(1);
  control_.snapshot.workers[1].errors[kKilled] = 1;
  control_.snapshot.workers[1].last_errors[kKilled] = noon + std::chrono::seconds(2);
  EXPECT_EQ(Written(Show("SHOW ERRORS").rows), "killed|57P01|FATAL|1|2023-11-14 22:13:22 UTC|\nqueue_full|53300|ERROR|6|2023-11-14 22:13:21 UTC|\n");
}

TEST_F(ShowTables, CapacityOfAServerThatAnsweredAndOfOneThatDidNot) {
  setenv("TZ", "UTC", 1);
  tzset();
  proxy::CapacityRow good, bad;
  good.at_worst.host = {"10.0.0.5", 5433};
  good.at_worst.databases = {"books", "sh\xffop"};
  good.at_worst.users = {"app", "web"};
  good.at_worst.pools = 4;
  good.at_worst.connections = 61;
  good.instances = 2;
  good.total = 122;
  good.allowed = {.max_connections = 100, .reserved = 3};
  good.asked = proxy::WallTime(std::chrono::seconds(1'700'000'000));
  good.roles = {{"app", 42, 5}, {"web", 42, 50}};
  good.databases = {{"books", 62, 80}};
  good.verdict = proxy::CapacityRow::Verdict::kTooMany;
  good.remedy = "lower it";
  bad.at_worst.host = {"/run/postgresql", 5432};
  bad.at_worst.unbounded = "any name";
  bad.trouble = "refused\n";
  control_.snapshot.capacity = {good, bad};
  EXPECT_EQ(Written(Show("SHOW CAPACITY").rows),
            "10.0.0.5|5433|books,sh?op|app,web|4|61|~|2|122|100|3|97|app 42/5,web 42/50|books 62/80|too many|lower it|2023-11-14 22:13:20 UTC|~|\n"
            "/run/postgresql|5432|~|~|0|0|any name|1|0|~|~|~|~|~|unknown|~|~|refused?|\n");
  EXPECT_EQ(NeededFor(CommandOf("SHOW CAPACITY")), proxy::Collecting::kCapacity);
  EXPECT_EQ(NeededFor(CommandOf("SELECT host FROM capacity WHERE verdict = 'too many'")), proxy::Collecting::kCapacity);
}

TEST_F(ShowTables, MemCountsObjectsAtTheirSize) {
  const Table table = Show("SELECT name, used, free, memtotal FROM mem WHERE used > 0");
  ASSERT_EQ(table.rows.size(), 4U);
  EXPECT_EQ(table.rows[0][1], "20") << "clients";
  EXPECT_EQ(table.rows[1][1], "16") << "servers";
  EXPECT_EQ(table.rows[2][1], "2") << "pools, and the console is none";
  EXPECT_EQ(RowOf(table, "prepared_statement_texts"), "prepared_statement_texts|62|0|8192");
}

TEST_F(ShowTables, SocketsTellTheirSideAndWhatIsKept) {
  control_.snapshot.clients.resize(2);
  control_.snapshot.clients[0].state = "idle";
  control_.snapshot.clients[1].state = "active";
  control_.snapshot.clients[1].kept_bytes = 5;
  control_.snapshot.clients[1].message_left = 6;
  control_.snapshot.clients[1].unsent_bytes = 7;
  control_.snapshot.servers.resize(1);
  control_.snapshot.servers[0].state = "idle";
  EXPECT_EQ(Written(Show("SELECT type, state, recv_pos, pkt_pos, pkt_remain, send_pos, send_remain, pkt_avail, send_avail FROM sockets").rows),
            "C|cl_idle|0|0|0|0|0|0|0|\nC|cl_active|5|0|6|0|7|5|7|\nS|sv_idle|0|0|0|0|0|0|0|\n");
  EXPECT_EQ(Show("SHOW ACTIVE_SOCKETS").rows.size(), 1U);
}

TEST_F(ShowTables, ListsInPgBouncersOrder) {
  std::string names, items;
  for (const Row& row : Show("SHOW LISTS").rows) {
    names += *row[0] + ' ';
    items += *row[1] + ' ';
  }
  EXPECT_EQ(names,
            "databases users peers pools peer_pools free_clients used_clients login_clients free_servers used_servers "
            "dns_names dns_zones dns_queries dns_pending ");
  EXPECT_EQ(items, "3 2 0 3 0 0 20 2 0 16 0 0 0 0 ");
}

TEST_F(ShowTables, ConfigTellsTheSource) {
  control_.config_->rows = {{"listen_port", "6433", "6432", false, "pgweir.toml:3"},
                            {"pool_mode", "session", "transaction", true, ""}};
  const Table table = Show("SHOW CONFIG");
  EXPECT_EQ(RowOf(table, "listen_port"), "listen_port|6433|6432|no|pgweir.toml:3");
  EXPECT_EQ(RowOf(table, "pool_mode"), "pool_mode|session|transaction|yes|");
}

TEST_F(ShowTables, StateNamesOneOfThem) {
  const auto values = [&](proxy::RunState state) {
    control_.state = state;
    std::string out;
    for (const Row& row : Show("SHOW STATE").rows) out += *row[0] + '=' + *row[1] + ' ';
    return out;
  };
  EXPECT_EQ(values(proxy::RunState::kActive), "active=yes paused=no suspended=no draining=no ");
  EXPECT_EQ(values(proxy::RunState::kPaused), "active=no paused=yes suspended=no draining=no ");
  EXPECT_EQ(values(proxy::RunState::kDraining), "active=no paused=no suspended=no draining=yes ");
}

TEST_F(ShowTables, VersionAndDriverSettings) {
  EXPECT_EQ(Show("SHOW VERSION").rows, (std::vector<Row>{{"pgweir " PGWEIR_VERSION}}));
  EXPECT_EQ(Show("SHOW client_encoding").rows, (std::vector<Row>{{"UTF-8"}}));
  EXPECT_EQ(Show("SHOW default_transaction_isolation").rows, (std::vector<Row>{{"read committed"}}));
  EXPECT_EQ(Show("SHOW standard_conforming_strings").rows, (std::vector<Row>{{"on"}}));
  EXPECT_EQ(Show("SHOW datestyle").rows, (std::vector<Row>{{"ISO"}}));
  EXPECT_EQ(Show("SHOW timezone").rows, (std::vector<Row>{{"GMT"}}));
}

TEST_F(ShowTables, HelpNamesEveryVerb) {
  const std::string help = HelpText();
  for (const Verb& verb : Verbs())
    EXPECT_NE(help.find("\n\t" + std::string(verb.usage)), std::string::npos) << verb.usage;
}

}  // namespace
}  // namespace admin
