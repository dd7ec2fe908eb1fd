// The keys of [databases.X] and [users.X].
#include "conf/hosts.h"
#include "conf/keys.h"
#include "conf/keys_pool.h"

namespace conf {
namespace {

template <typename Section>
Key<Section> PasswordKey(std::string_view description) {
  auto key = MakeKey<Section>("password", SecretCodec{}, &Section::password, description);
  key.visibility = Visibility::kSecret;
  return key;
}

template <typename Section>
Key<Section> PasswordFileKey(std::string_view description) {
  auto key = MakeKey<Section>("password_file", SecretCodec{}, &Section::password, description);
  key.visibility = Visibility::kSecret;
  key.file_use = FileUse::kContent;
  key.allowed = "a path";
  return key;
}

// Completes the hosts that have none of their own; they are part of "host" from then on.
Key<Database> PortKey() {
  Key<Database> key;
  const IntegerCodec codec = Count(1, 65535);
  key.name = "port";
  key.allowed = codec.Allowed();
  key.description = "port of the hosts that name none themselves";
  key.get = [](const Database&) { return std::nullopt; };
  key.set = [codec](Database& database, const Value& value) -> Accepted {
    const auto port = codec.Parse(value);
    if (!port) return Refuse(port.error());
    if (database.hosts.empty()) database.hosts.push_back({.name = std::string(kDefaultSocketFolder), .port = 0});
    for (Host& host : database.hosts) {
      if (host.port == 0) host.port = static_cast<uint16_t>(*port);
    }
    return {};
  };
  return key;
}

}  // namespace

const std::vector<Key<Database>>& DatabaseKeys() {
  static const std::vector<Key<Database>> keys = [] {
    std::vector<Key<Database>> table;
    const TextCodec name = ServerNameCodec();
    const auto add = [&table](std::string_view key, auto codec, auto field, std::string_view description) {
      table.push_back(MakeKey<Database>(key, codec, field, description));
    };
    add("host", HostsCodec{}, &Database::hosts,
        "servers, tried in turn: host, host:port, [ipv6]:port, /folder, @abstract; absent = /var/run/postgresql");
    table.push_back(PortKey());
    add("dbname", name, &Database::dbname, "database on the server; absent = the name the client asked for");
    add("user", name, &Database::user, "log in as this user, whoever the client is");
    table.push_back(PasswordKey<Database>("password of that user"));
    table.push_back(PasswordFileKey<Database>("file that holds the password of that user"));
    add("auth_user", name, [](auto& database) -> auto& { return database.auth.user; },
        "instead of the global auth_user");
    add("auth_query", AuthQueryCodec(), [](auto& database) -> auto& { return database.auth.query; },
        "instead of the global auth_query");
    add("auth_dbname", DatabaseNameCodec(), [](auto& database) -> auto& { return database.auth.dbname; },
        "instead of the global auth_dbname");
    add("load_balance_hosts", WordCodec<HostOrder>{{{"disable", HostOrder::kInOrder}, {"round-robin", HostOrder::kRoundRobin}}},
        &Database::load_balance_hosts, "a new server is opened at the first host that answers, or at one host after the other");
    add("client_encoding", TextCodec{}, &Database::client_encoding, "sent at server login when set");
    add("datestyle", TextCodec{}, &Database::datestyle, "sent at server login when set");
    add("timezone", TextCodec{}, &Database::timezone, "sent at server login when set");
    add("application_name", TextCodec{}, &Database::application_name, "sent at server login when set");
    add("connect_query", TextCodec{.permitted_controls = "\t\r\n"}, &Database::connect_query,
        "run on each new server before a client gets it; what it sets, RESET goes back to; an error is a failed login");
    add("max_db_connections", Count(0, kMostConnections), &Database::max_db_connections,
        "servers of this database over all its users; 0 = no limit");
    add("max_db_client_connections", Count(0, kMostConnections), &Database::max_db_client_connections,
        "clients of this database; 0 = no limit");
    AppendPoolKeys(table, "pool_size");
    return table;
  }();
  return keys;
}

const std::vector<Key<User>>& UserKeys() {
  static const std::vector<Key<User>> keys = [] {
    std::vector<Key<User>> table;
    table.push_back(PasswordKey<User>("secret instead of one in auth_file: plain, md5... or SCRAM-SHA-256$..."));
    table.push_back(PasswordFileKey<User>("file that holds it"));
    table.push_back(MakeKey<User>("max_user_connections", Count(0, kMostConnections), &User::max_user_connections,
                                  "servers of this user over all databases; 0 = no limit"));
    table.push_back(MakeKey<User>("max_user_client_connections", Count(0, kMostConnections),
                                  &User::max_user_client_connections, "clients of this user; 0 = no limit"));
    table.push_back(MakeKey<User>("weight", Count(1, 1000), &User::weight,
                                  "share of server time beside other waiting flows of a pool; 1 when absent"));
    AppendPoolKeys(table, "pool_size");
    return table;
  }();
  return keys;
}

}  // namespace conf
