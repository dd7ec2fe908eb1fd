#include "admin/status_page.h"

#include <cstdio>

#include "admin/show_tables.h"
#include "admin/text.h"

namespace admin {
namespace {

constexpr std::string_view kHead =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>pgweir</title>\n<style>"
    "body{font:15px sans-serif;margin:2em}table{border-collapse:collapse}"
    "td,th{padding:.2em .7em;border-bottom:1px solid #ccc;text-align:right}"
    "td:first-child,td:nth-child(2),th:first-child,th:nth-child(2){text-align:left}"
    ".bad{color:#b00}</style></head><body>\n";

class Page {
 public:
  void Cell(std::string_view text) { out_ += "<td>" + EscapeHtml(text) + "</td>"; }
  void Cell(uint64_t number) { out_ += "<td>" + std::to_string(number) + "</td>"; }
  void Raw(std::string_view html) { out_ += html; }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

std::string Milliseconds(uint64_t us) { return std::to_string(us / 1000) + " ms"; }

void AddPools(Page& page, const std::vector<proxy::PoolRow>& pools) {
  page.Raw(
      "<h2>Pools</h2>\n<table><tr><th>database</th><th>user</th><th>mode</th><th>clients</th><th>waiting</th>"
      "<th>longest wait</th><th>servers active</th><th>idle</th><th>opening</th><th>size</th><th>trouble</th></tr>\n");
  for (const proxy::PoolRow& pool : pools) {
    page.Raw(pool.trouble.empty() && pool.cl_waiting == 0 ? "<tr>" : "<tr class=\"bad\">");
    page.Cell(pool.database);
    page.Cell(pool.user);
    page.Cell(conf::Name(pool.settings.pool_mode));
    page.Cell(pool.cl_active + pool.cl_waiting);
    page.Cell(pool.cl_waiting);
    page.Cell(Milliseconds(pool.max_wait_us));
    page.Cell(pool.sv_active);
    page.Cell(pool.sv_idle + pool.sv_used + pool.sv_tested);
    page.Cell(pool.sv_login);
    page.Cell(static_cast<uint64_t>(std::max(pool.settings.pool_size, 0)));
    page.Cell(pool.trouble);
    page.Raw("</tr>\n");
  }
  page.Raw("</table>\n");
}

}  // namespace

std::string AgeText(std::chrono::seconds age) {
  const long long seconds = std::max<long long>(age.count(), 0);
  char text[64];
  std::snprintf(text, sizeof text, "%lldd %02lld:%02lld:%02lld", seconds / 86400, seconds / 3600 % 24,
                seconds / 60 % 60, seconds % 60);
  return text;
}

std::string StatusPage(const proxy::Snapshot& snapshot, const ProcessFacts& facts, proxy::WallTime now) {
  uint64_t clients = 0, servers = 0;
  for (const proxy::WorkerRow& worker : snapshot.workers) {
    clients += worker.clients;
    servers += worker.servers;
  }
  Page page;
  page.Raw(kHead);
  page.Raw("<h1>" + EscapeHtml(VersionText()) + "</h1>\n<p>State: <b>");
  const bool is_starting = !facts.has_started;
  page.Raw(is_starting ? "starting" : EscapeHtml(proxy::Name(facts.run_state)));
  page.Raw("</b>, up for " + AgeText(std::chrono::duration_cast<std::chrono::seconds>(now - facts.started_at)));
  page.Raw("</p>\n<p>" + std::to_string(clients) + " of " + std::to_string(facts.config->global.max_client_conn) +
           " client connections, " + std::to_string(servers) + " server connections, " +
           std::to_string(snapshot.workers.size()) + " workers</p>\n");
  for (const proxy::DatabaseRow& database : snapshot.databases) {
    if (database.paused) page.Raw("<p class=\"bad\">Database " + EscapeHtml(database.name) + " is paused.</p>\n");
  }
  AddPools(page, snapshot.pools);
  page.Raw(
      "<p><a href=\"/metrics\">/metrics</a> <a href=\"/livez\">/livez</a> <a href=\"/readyz\">/readyz</a> "
      "<a href=\"/startupz\">/startupz</a></p>\n</body></html>\n");
  return page.Take();
}

std::vector<std::string> ReasonsAgainstReady(const ProcessFacts& facts) {
  std::vector<std::string> reasons;
  if (!facts.has_started) reasons.emplace_back("not started: the listeners are not open yet");
  if (facts.run_state == proxy::RunState::kDraining) reasons.emplace_back("draining: the process is shutting down");
  if (facts.run_state == proxy::RunState::kPaused) reasons.emplace_back("paused: an administrator ran PAUSE");
  return reasons;
}

std::string ProbeJson(const std::vector<std::string>& reasons) {
  if (reasons.empty()) return "{\"status\":\"ok\"}\n";
  std::string json = "{\"status\":\"unavailable\",\"reasons\":[";
  for (size_t i = 0; i < reasons.size(); ++i) json += (i == 0 ? "" : ",") + JsonString(reasons[i]);
  return json + "]}\n";
}

}  // namespace admin
