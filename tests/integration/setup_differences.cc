// Where pgweir's outcome is another than that of Debian's PgBouncer 1.18 in the set-up of setup_beside.h, and why it may be.
#include "tests/integration/setup_beside.h"

namespace integration {
namespace {

// The reasons that stand behind most of them.
constexpr const char* kWords = "PostgreSQL's own words and SQLSTATE, which drivers and applications know; PgBouncer has 08P01 for everything";
constexpr const char* kState = "the same words; the SQLSTATE says what it is, PgBouncer has 08P01 for everything";
constexpr const char* kWait = "PostgreSQL's SQLSTATE for too many connections, the limit and its value in the text";
constexpr const char* kOnConsole = "the SQLSTATE tells a wrong word from a wrong moment; PgBouncer has 08P01 for everything";

constexpr const char* kLookUp = "auth_query has connections of its own beside the pools, so that a full pool lets nobody wait for a login";

}  // namespace

const std::vector<SetupDifference>& SetupDifferences() {
  static const std::vector<SetupDifference> differences = {
      // logins
      {"logins", "login of * with 'wrong'", "FATAL 08P01 password authentication failed", "FATAL 28P01 password authentication failed for user \"*\"", kWords},
      {"logins", "login of * with 'wrong'", "FATAL 08P01 SASL authentication failed", "FATAL 28P01 password authentication failed for user \"*\"", kWords},
      {"logins", "login of nobody to app *", "FATAL 08P01 bouncer config error", "FATAL 28P01 password authentication failed for user \"nobody\"",
       "an auth_query that finds nobody: who exists is not told"},
      {"logins", "login of admin to app *", "FATAL 08P01 password authentication failed for user \"admin\"", "FATAL 28P01 password authentication failed for user \"admin\"", kState},
      {"logins", "login of rejected *", "FATAL 08P01 login rejected", "FATAL 28000 pg_hba.conf rejects connection for host \"127.0.0.1\", user \"rejected\"*", kWords},
      {"logins", "login of * by TLS *", "FATAL 08P01 login rejected", "FATAL 28000 no pg_hba.conf entry for host \"127.0.0.1\"*", kWords},
      {"logins", "login of app to no_such_database *", "FATAL 08P01 database \"no_such_database\" does not exist", "FATAL 3D000 database \"no_such_database\" does not exist", kState},
      {"logins", "login of app to app by clear TCP *", "FATAL 08P01 SSL required", "FATAL 28000 this connection must be encrypted", kWords},
      {"logins", "login of app to pgbouncer *", "FATAL 08P01 not allowed", "FATAL 42501 admin access needed", "says what is missing"},
      {"logins", "options", "refused", "in", "every setting follows its client; 1.18 takes no options at all, 1.25 those that it tracks"},
      // limits
      {"limits", "the third after query_wait_timeout", "FATAL 08P01 query_wait_timeout, closed",
       "ERROR 53300 no server connection became free within query_wait_timeout (1000 ms), stays", "between transactions an error is enough: the client stays connected"},
      {"limits", "another user's login and query there", "FATAL 08P01 query_wait_timeout", "FATAL 53300 no server connection became free within query_wait_timeout (1000 ms)", kWait},
      {"limits", "the same user at another database", "FATAL 08P01 query_wait_timeout", "FATAL 53300 no server connection became free within query_wait_timeout (1000 ms)", kWait},
      {"limits", "clients beside the console under max_client_conn 12", "11", "12", "the console's own clients take nobody's place"},
      {"limits", "login of app to app *", "FATAL 08P01 no more connections allowed (max_client_conn)", "FATAL 53300 no more connections allowed (max_client_conn is 12)", kWait},
      // clocks
      {"clocks", "a query longer than query_timeout", "FATAL 08P01 query timeout, closed", "ERROR 57014 canceling statement due to query_timeout, stays",
       "the query is cancelled in PostgreSQL, and client and server connection live"},
      {"clocks", "after idle_transaction_timeout", "closed: *", "closed: *", kWords},
      {"clocks", "a transaction in statement mode", "FATAL 08P01 transaction blocks not allowed in statement pooling mode, closed",
       "FATAL 0A000 transaction blocks are not allowed while pool_mode is statement, closed", kWords},
      // pause
      {"pause", "RESUME app again", "ERROR 08P01 database app is not paused, stays", "ERROR 55000 database app is not paused, stays", kOnConsole},
      {"pause", "PAUSE pgbouncer", "ERROR 08P01 cannot pause admin db: pgbouncer, stays", "ERROR 55000 cannot pause admin db: pgbouncer, stays", kOnConsole},
      {"pause", "PAUSE again", "ERROR 08P01 already suspended/paused, stays", "ERROR 55000 already suspended/paused, stays", kOnConsole},
      {"pause", "RESUME again", "ERROR 08P01 pooler is not paused/suspended, stays", "ERROR 55000 pooler is not paused/suspended, stays", kOnConsole},
      {"pause", "SHOW DATABASES, all paused", "name=app paused=0", "name=app paused=1", "paused by itself or with all: it is paused"},
      // disable
      {"disable", "login of app to *", "FATAL 08P01 database \"*\" is disabled", "FATAL 57P03 database \"*\" is disabled", kState},
      {"disable", "login of app to app * with 'wrong'", "FATAL 08P01 password authentication failed", "FATAL 28P01 password authentication failed for user \"app\"", kWords},
      {"disable", "DISABLE", "ERROR 08P01 a database is required, stays", "ERROR 42601 invalid command: a database is required, stays", kOnConsole},
      {"disable", "DISABLE pgbouncer", "ERROR 08P01 cannot disable admin db: pgbouncer, stays", "ERROR 55000 cannot disable admin db: pgbouncer, stays", kOnConsole},
      // kill
      {"kill", "who was busy", "FATAL 08P01 database removed, closed", "FATAL 57P01 terminating connection due to administrator command (KILL), closed",
       "1.25 says admin forced disconnect; PostgreSQL's SQLSTATE for it is 57P01"},
      {"kill", "who was idle", "closed: *", "closed: *", "the same"},
      {"kill", "KILL pgbouncer", "ERROR 08P01 cannot kill admin db: pgbouncer, stays", "ERROR 55000 cannot kill admin db: pgbouncer, stays", kOnConsole},
      // reload
      {"reload", "keeps the servers", "no", "yes", "unchanged TLS keeps them, as since 1.24"},
      {"reload", "at the database that has gone", "closed: *", "closed: *", kWords},
      {"reload", "login of app to app * with 'app secret'", "FATAL 08P01 password authentication failed", "FATAL 28P01 password authentication failed for user \"app\"", kWords},
      {"reload", "login of app to stmt *", "FATAL 08P01 database \"stmt\" does not exist", "FATAL 3D000 database \"stmt\" does not exist", kState},
      {"reload", "RELOAD of a broken file", "RELOAD", "ERROR F0000 reload failed: 1 mistake, stays", "1.25 says so, too; the line and the remedy stand in DETAIL"},
      {"reload", "SHOW DATABASES after the broken file", "*pool_size=1*", "*pool_size=3*", "all or nothing; PgBouncer has taken the lines before the mistake"},
      {"reload", "SHOW DATABASES after", "*", "*; name=stmt database=stmt force_user= pool_size=5 pool_mode= max_connections=0",
       "what it has done stays in the sums, and the name is one for `*` now"},
      // the tables
      {"tables", "SHOW CLIENTS", "*user=looked database=app state=active*", "*user=looked database=app state=idle*", "1.25 calls it idle, too"},
      {"tables", "SHOW SERVERS", "*user=asker database=app state=idle*", "*", kLookUp},
      {"tables", "SHOW POOLS", "*database=app user=asker*", "*", kLookUp},
      {"tables", "SHOW DATABASES", "*name=app * current_connections=3*", "*name=app * current_connections=2*", kLookUp},
      {"tables", "SHOW USERS", "*", "*name=looked*", "who was looked up has caps and figures of its own, which are to be seen"},
      {"tables", "SHOW LISTS", "*free_clients items=46*pools items=5*used_servers items=4*", "*free_clients items=0*pools items=4*used_servers items=3*",
       "no slabs of free objects; and the connection for auth_query stands beside the pools"},
      {"tables", "SHOW STATS_TOTALS", "*database=app xact_count=2 query_count=3*", "*database=app xact_count=1 query_count=2*database=capped xact_count=0*",
       "auth_query is not the clients' work; databases that nobody has used are listed with zeros"},
      {"tables", "SHOW CONFIG, unix_socket_mode", "value=511 *", "value=0777 *", "as it stands in the file"},
      {"tables", "SHOW CONFIG, server_check_query", "* default=select 1 *", "* default=<empty> *", "1.25's default"},
      {"tables", "SHOW CONFIG, server_tls_sslmode", "* default=disable *", "* default=prefer *", "1.25's default"},
      {"tables", "SHOW CONFIG, ignore_startup_parameters", "value=extra_float_digits,search_path *", "value=extra_float_digits, search_path *", "a list has blanks"},
      {"tables", "SHOW CONFIG, verbose", "*", "none", "it is log_level"},
      {"tables", "the watcher: *", "ERROR 08P01 admin access needed, stays", "ERROR 42501 admin access needed, stays", kOnConsole},
      {"tables", "the admin: *", "ERROR 08P01 invalid command '*', use SHOW HELP;, stays", "ERROR 42601 invalid command: *, stays", kOnConsole},
      {"tables", "the admin: ", "ERROR 08P01 invalid command '', use SHOW HELP;, stays", "", "an empty query is none, as in PostgreSQL"},
      {"tables", "the admin: SET *", "ERROR 08P01 SET failed, stays", "ERROR 42601 invalid command: SET *, stays", "which key and why stands in DETAIL"},
      {"tables", "the admin: SELECT 1", "ERROR 08P01 *", "1", "drivers ask it to see whether the connection lives"},
      // the end
      {"at once", "it ends", "with 131", "with 0", "1.18 does not know SIGQUIT and dies of it; 1.25 exits"},
      {"SIGTERM", "the busy one, *", "closed", "works", "1.18 ends at once; 1.25 waits for the clients"},
      {"SIGTERM", "it ends", "with 1", "with 0", "1.18's fast exit; 1.25 has 0"},
  };
  return differences;
}

}  // namespace integration
