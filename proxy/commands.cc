#include "proxy/commands.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "conf/apply_ini.h"
#include "conf/convert.h"
#include "protocol/message_writer.h"
#include "protocol/scram.h"
#include "proxy/control_connection.h"
#include "proxy/dns_client.h"
#include "proxy/tls.h"

extern char** environ;

namespace proxy {

conf::LoadOptions LoadOptionsFor(const std::string& file, const std::vector<std::string>& settings) {
  conf::LoadOptions options;
  options.file = file;
  options.environment = [](const char* name) -> const char* { return std::getenv(name); };
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    options.environment_names.emplace_back(text.substr(0, text.find('=')));
  }
  for (const std::string& setting : settings) {
    const size_t equals = setting.find('=');
    options.command_line.emplace_back(setting.substr(0, equals), equals == std::string::npos ? "" : setting.substr(equals + 1));
  }
  return options;
}

namespace {

// Who could log in for a look: the forced user, else the first user whose plain password is known.
struct Visitor {
  std::string user;
  conf::Secret password;
};

bool FindVisitor(const conf::Config& config, const conf::Database& database, Visitor& visitor) {
  if (!database.user.empty()) {
    visitor = {database.user, database.password};
    return true;
  }
  for (const auto& [name, secret] : config.user_list) {
    if (protocol::KindOf(secret.Reveal()) != protocol::SecretKind::kPlain) continue;
    visitor = {name, secret};
    return true;
  }
  return false;
}

bool CheckDatabase(const conf::Config& config, const conf::Database& database) {
  Visitor visitor;
  if (!FindVisitor(config, database, visitor)) {
    std::printf("database %s: not tried: no user with a plain password to log in with\n", database.name.c_str());
    return true;
  }
  const int cap = config.MaxDbConnections(database);
  const auto settings = config.ResolvePool(database, visitor.user);
  const size_t users = database.user.empty() ? std::max<size_t>(config.user_list.size(), 1) : 1;
  const size_t most = cap > 0 ? static_cast<size_t>(cap) : users * static_cast<size_t>(settings.pool_size + settings.reserve_pool_size);
  bool good = true;
  for (const auto& host : database.hosts) {
    ControlConnection::Options options{host, database.dbname.empty() ? database.name : database.dbname, visitor.user,
                                       visitor.password, config.global.server_tls};
    auto connection = ControlConnection::Open(options);
    const std::string where = host.name + ":" + std::to_string(host.port);
    if (!connection) {
      std::printf("database %s at %s: %s\n", database.name.c_str(), where.c_str(), connection.error().c_str());
      good = false;
      continue;
    }
    const auto allowed = connection->OneValue(
        "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int");
    if (!allowed) {
      std::printf("database %s at %s: %s\n", database.name.c_str(), where.c_str(), allowed.error().c_str());
      good = false;
      continue;
    }
    const auto limit = static_cast<size_t>(std::atoi(allowed->c_str()));
    std::printf("database %s at %s: logged in as %s; up to %zu connections from here, the server allows %zu%s\n",
                database.name.c_str(), where.c_str(), visitor.user.c_str(), most, limit,
                most > limit ? ": too many; lower pool_size or set max_db_connections" : "");
    good = good && most <= limit;
  }
  return good;
}

// A blocking loopback conversation of a few bytes, with a deadline. Empty: no answer.
std::string Ask(const std::string& address, int port, const std::string& request, size_t most) {
  std::string answer;
  const bool is_v6 = address.find(':') != std::string::npos;
  sockaddr_storage storage{};
  socklen_t length = 0;
  if (is_v6) {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(static_cast<uint16_t>(port));
    inet_pton(AF_INET6, address == "::" ? "::1" : address.c_str(), &v6.sin6_addr);
    length = sizeof v6;
  } else {
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(static_cast<uint16_t>(port));
    // "*", "0.0.0.0" and names: this very machine
    if (address == "0.0.0.0" || inet_pton(AF_INET, address.c_str(), &v4.sin_addr) != 1) v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    length = sizeof v4;
  }
  const int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval deadline{3, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline);
  char bytes[512];
  if (connect(fd, reinterpret_cast<sockaddr*>(&storage), length) == 0 &&
      send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
    while (answer.size() < most) {
      const ssize_t n = recv(fd, bytes, std::min(sizeof bytes, most - answer.size()), 0);
      if (n <= 0) break;
      answer.append(bytes, static_cast<size_t>(n));
    }
  }
  close(fd);
  return answer;
}

// One value without the whole configuration: the probe must work where only the process itself can read its secrets.
std::string Setting(const conf::LoadOptions& options, const char* variable, const std::string& otherwise) {
  const char* value = options.environment(variable);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

int PrintMistakes(const std::vector<conf::Mistake>& mistakes) {
  for (const auto& mistake : mistakes) std::fprintf(stderr, "%s\n", mistake.ToString().c_str());
  std::fprintf(stderr, "%zu mistake%s\n", mistakes.size(), mistakes.size() == 1 ? "" : "s");
  return 1;
}

}  // namespace

int RunCheck(const conf::LoadOptions& options, CheckDepth depth) {
  const auto loaded = conf::Load(options);
  if (!loaded) return PrintMistakes(loaded.error());
  const conf::Config& config = **loaded;
  for (const std::string& note : config.notes) std::printf("%s\n", note.c_str());
  bool good = true;
  const auto report = [&good](const auto& made) {
    if (made) return;
    std::fprintf(stderr, "%s\n", made.error().c_str());
    good = false;
  };
  if (config.global.client_tls.mode != conf::TlsMode::kDisable) report(TlsContext::ForClients(config.global.client_tls));
  if (config.global.server_tls.mode != conf::TlsMode::kDisable) report(TlsContext::ForServers(config.global.server_tls));
  if (!config.global.resolv_conf.empty()) report(DnsClient::Check(config.global.resolv_conf));
  if (depth == CheckDepth::kConnect) {
    for (const auto& [name, database] : config.databases) {
      if (name != "*" && !CheckDatabase(config, database)) good = false;
    }
  }
  if (!good) return 1;
  std::printf("%s: good: %zu databases, %zu users\n", config.file.empty() ? "environment" : config.file.c_str(),
              config.databases.size(), config.user_list.size());
  return 0;
}

int RunConvert(const std::string& file) {
  if (!conf::IsIniFile(file)) {
    std::fprintf(stderr, "convert reads PgBouncer's format, from a file whose name ends in .ini\n");
    return 1;
  }
  conf::LoadOptions options;
  options.file = file;
  const auto loaded = conf::Load(options);
  if (!loaded) return PrintMistakes(loaded.error());
  const auto toml = conf::ToToml(**loaded, options);
  if (!toml) {
    std::fprintf(stderr, "%s: %s\n", file.c_str(), toml.error().c_str());
    return 1;
  }
  std::fputs(toml->c_str(), stdout);
  return 0;
}

int RunHealth(const conf::LoadOptions& options) {
  std::string http_address = "127.0.0.1", http_port = "0", address = "127.0.0.1", port = "6432";
  if (!options.file.empty()) {
    if (const auto loaded = conf::Load(options)) {
      const conf::Global& global = (*loaded)->global;
      http_address = global.http_listen_addr;
      http_port = std::to_string(global.http_listen_port);
      address = global.listen_addr.empty() ? address : global.listen_addr[0];
      port = std::to_string(global.listen_port);
    }
  }
  http_address = Setting(options, "PGWEIR_HTTP_LISTEN_ADDR", http_address);
  http_port = Setting(options, "PGWEIR_HTTP_LISTEN_PORT", http_port);
  address = Setting(options, "PGWEIR_LISTEN_ADDR", address);
  address = address.substr(0, address.find(','));
  port = Setting(options, "PGWEIR_LISTEN_PORT", port);
  if (http_port != "0") {
    const std::string answer =
        Ask(http_address, std::atoi(http_port.c_str()), "GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n", 4096);
    const bool ready = answer.find(" 200 ") < 16;
    const size_t body = answer.find("\r\n\r\n");
    std::printf("%s\n", body == std::string::npos ? "no answer" : answer.substr(body + 4).c_str());
    return ready ? 0 : 1;
  }
  std::string request;
  protocol::WriteSslRequest(request);
  const std::string answer = Ask(address, std::atoi(port.c_str()), request, 1);
  const bool good = answer == "N" || answer == "S";
  std::printf("%s\n", good ? "listening" : "no answer");
  return good ? 0 : 1;
}

}  // namespace proxy
