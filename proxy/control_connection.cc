#include "proxy/control_connection.h"

#include <libpq-fe.h>

#include <vector>

namespace proxy {
namespace {

std::string WithoutNewline(const char* text) {
  std::string line(text);
  while (!line.empty() && line.back() == '\n') line.pop_back();
  return line;
}

}  // namespace

void ControlConnection::Closer::operator()(pg_conn* connection) const { PQfinish(connection); }

tl::expected<ControlConnection, std::string> ControlConnection::Open(const Options& options) {
  const std::string port = std::to_string(options.host.port), timeout = std::to_string(options.connect_timeout_s);
  const std::string sslmode(conf::Name(options.tls.mode));
  std::vector<const char*> keys, values;
  const auto add = [&](const char* key, const std::string& value) {
    if (value.empty()) return;
    keys.push_back(key);
    values.push_back(value.c_str());
  };
  add("host", options.host.name);
  add("port", port);
  add("dbname", options.dbname);
  add("user", options.user);
  add("password", options.password.Reveal());
  add("sslmode", sslmode);
  add("sslrootcert", options.tls.ca_file);
  add("sslcert", options.tls.cert_file);
  add("sslkey", options.tls.key_file);
  add("connect_timeout", timeout);
  static const std::string kApplicationName = "pgweir check";
  add("application_name", kApplicationName);
  keys.push_back(nullptr);
  values.push_back(nullptr);
  pg_conn* connection = PQconnectdbParams(keys.data(), values.data(), 0);
  ControlConnection opened(connection);
  if (PQstatus(connection) != CONNECTION_OK) return tl::unexpected(WithoutNewline(PQerrorMessage(connection)));
  return opened;
}

tl::expected<std::string, std::string> ControlConnection::OneValue(const std::string& sql) {
  PGresult* result = PQexec(connection_.get(), sql.c_str());
  tl::expected<std::string, std::string> answer = tl::unexpected(WithoutNewline(PQerrorMessage(connection_.get())));
  if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1) answer = PQgetvalue(result, 0, 0);
  PQclear(result);
  return answer;
}

}  // namespace proxy
