#include "admin/metrics.h"

#include <prometheus/text_serializer.h>

#include <functional>
#include <limits>
#include <sstream>

#include "admin/text.h"

namespace admin {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using proxy::PoolRow;
using proxy::PoolTotals;
using Labels = std::vector<ClientMetric::Label>;

constexpr double kMicrosecondsPerSecond = 1e6;

double Value(uint64_t value) { return static_cast<double>(value); }
double Value(int value) { return static_cast<double>(value); }

class Family {
 public:
  Family(std::vector<MetricFamily>& out, std::string name, std::string help, MetricType type) : out_(out) {
    family_.name = std::move(name);
    family_.help = std::move(help);
    family_.type = type;
  }
  Family(const Family&) = delete;
  Family& operator=(const Family&) = delete;
  ~Family() { out_.push_back(std::move(family_)); }

  void Add(Labels labels, double value) {
    ClientMetric metric;
    metric.label = std::move(labels);
    if (family_.type == MetricType::Counter) {
      metric.counter.value = value;
    } else {
      metric.gauge.value = value;
    }
    family_.metric.push_back(std::move(metric));
  }

  void Add(Labels labels, const proxy::HistogramTotals& totals) {
    ClientMetric metric;
    metric.label = std::move(labels);
    uint64_t cumulative = 0;
    for (size_t i = 0; i < totals.buckets.size(); ++i) {
      cumulative += totals.buckets[i];
      const bool is_open = i == proxy::kHistogramBoundsUs.size();
      const double bound = is_open ? std::numeric_limits<double>::infinity()
                                   : Value(proxy::kHistogramBoundsUs[i]) / kMicrosecondsPerSecond;
      metric.histogram.bucket.push_back({.cumulative_count = cumulative, .upper_bound = bound});
    }
    // The count is the open bucket's even if a worker counted between two reads.
    metric.histogram.sample_count = cumulative;
    metric.histogram.sample_sum = Value(totals.sum_us) / kMicrosecondsPerSecond;
    family_.metric.push_back(std::move(metric));
  }

 private:
  std::vector<MetricFamily>& out_;
  MetricFamily family_;
};

Labels PoolLabels(const std::string& database, const std::string& user) {
  return {{"database", Printable(database)}, {"user", Printable(user)}};
}

Labels With(Labels labels, std::string name, std::string value) {
  labels.push_back({std::move(name), std::move(value)});
  return labels;
}

void AddProcess(std::vector<MetricFamily>& out, const ProcessFacts& facts) {
  using proxy::RunState;
  Family(out, "pgweir_build_info", "Always 1; the version is in the label.", MetricType::Gauge)
      .Add({{"version", PGWEIR_VERSION}}, 1);
  Family(out, "pgweir_start_time_seconds", "When this process started, in seconds since 1970.", MetricType::Gauge)
      .Add({}, std::chrono::duration<double>(facts.started_at.time_since_epoch()).count());
  Family(out, "pgweir_started", "1 once the listeners are open.", MetricType::Gauge).Add({}, facts.has_started ? 1 : 0);
  Family state(out, "pgweir_state", "1 for the state the process is in, 0 for the others.", MetricType::Gauge);
  state.Add({{"state", "active"}}, facts.run_state == RunState::kActive ? 1 : 0);
  state.Add({{"state", "paused"}}, facts.run_state == RunState::kPaused ? 1 : 0);
  state.Add({{"state", "draining"}}, facts.run_state == RunState::kDraining ? 1 : 0);
}

void AddWorkers(std::vector<MetricFamily>& out, const proxy::Snapshot& snapshot, const conf::Config& config) {
  uint64_t clients = 0, logins = 0, in_use = 0;
  for (const proxy::WorkerRow& worker : snapshot.workers) {
    in_use += worker.in_use;
    clients += worker.clients;
    logins += worker.logins;
  }
  Family(out, "pgweir_client_connections", "Client connections, those still logging in included.", MetricType::Gauge)
      .Add({}, Value(clients));
  Family(out, "pgweir_client_connections_limit", "max_client_conn.", MetricType::Gauge)
      .Add({}, Value(config.global.max_client_conn));
  Family(out, "pgweir_clients_logging_in", "Client connections that have not logged in yet.", MetricType::Gauge)
      .Add({}, Value(logins));
  Family(out, "pgweir_workers", "Worker threads.", MetricType::Gauge).Add({}, Value(snapshot.workers.size()));
  Family(out, "pgweir_workers_in_use", "Worker threads that are given clients, as many as the load needs.", MetricType::Gauge)
      .Add({}, Value(in_use));

  const auto per_worker = [&](std::string name, std::string help, MetricType type, uint64_t proxy::WorkerRow::*figure) {
    Family family(out, std::move(name), std::move(help), type);
    for (const proxy::WorkerRow& row : snapshot.workers) {
      family.Add({{"worker", std::to_string(row.number)}}, Value(row.*figure));
    }
  };
  using proxy::WorkerRow;
  per_worker("pgweir_worker_clients", "Client connections of a worker.", MetricType::Gauge, &WorkerRow::clients);
  per_worker("pgweir_worker_servers", "Server connections of a worker.", MetricType::Gauge, &WorkerRow::servers);
  per_worker("pgweir_worker_turns_total", "Turns of a worker's event loop.", MetricType::Counter, &WorkerRow::turns);
  Family cpu(out, "pgweir_worker_cpu_seconds_total", "CPU time of a worker's thread.", MetricType::Counter);
  for (const WorkerRow& row : snapshot.workers) cpu.Add({{"worker", std::to_string(row.number)}}, static_cast<double>(row.cpu_us) / 1e6);

  Family(out, "pgweir_auth_queries_total", "Users that were looked up in PostgreSQL by auth_query.", MetricType::Counter)
      .Add({}, Value(snapshot.auth_queries));
  Family errors(out, "pgweir_errors_total",
                "Errors that pgweir itself said to clients, by their name in the catalogue.", MetricType::Counter);
  for (size_t code = 0; code < static_cast<size_t>(protocol::ErrorCode::kCount_); ++code) {
    uint64_t count = 0;
    for (const proxy::WorkerRow& row : snapshot.workers) count += row.errors[code];
    const auto& error = protocol::Row(static_cast<protocol::ErrorCode>(code));
    errors.Add({{"reason", std::string(error.name)}}, Value(count));
  }
}

void AddPoolStates(std::vector<MetricFamily>& out, const std::vector<PoolRow>& pools) {
  struct State {
    const char* name;
    uint64_t PoolRow::*figure;
  };
  const auto by_state = [&](std::string name, std::string help, std::initializer_list<State> states) {
    Family family(out, std::move(name), std::move(help), MetricType::Gauge);
    for (const PoolRow& pool : pools) {
      for (const State& state : states) {
        family.Add(With(PoolLabels(pool.database, pool.user), "state", state.name), Value(pool.*state.figure));
      }
    }
  };
  by_state("pgweir_clients", "Clients of a pool by state, the figures of SHOW POOLS.",
           {{"active", &PoolRow::cl_active},
            {"waiting", &PoolRow::cl_waiting},
            {"active_cancel_req", &PoolRow::cl_active_cancel_req},
            {"waiting_cancel_req", &PoolRow::cl_waiting_cancel_req}});
  by_state("pgweir_servers", "Server connections of a pool by state, the figures of SHOW POOLS.",
           {{"active", &PoolRow::sv_active},
            {"active_cancel", &PoolRow::sv_active_cancel},
            {"being_canceled", &PoolRow::sv_being_canceled},
            {"idle", &PoolRow::sv_idle},
            {"used", &PoolRow::sv_used},
            {"tested", &PoolRow::sv_tested},
            {"login", &PoolRow::sv_login},
            {"closing", &PoolRow::sv_closing}});
}

void AddPoolGauges(std::vector<MetricFamily>& out, const std::vector<PoolRow>& pools) {
  const auto gauge = [&](std::string name, std::string help, const std::function<double(const PoolRow&)>& value) {
    Family family(out, std::move(name), std::move(help), MetricType::Gauge);
    for (const PoolRow& pool : pools) family.Add(PoolLabels(pool.database, pool.user), value(pool));
  };
  gauge("pgweir_pool_size", "Server connections a pool may have.",
        [](auto& pool) { return Value(pool.settings.pool_size); });
  gauge("pgweir_pool_min_size", "Server connections a pool keeps.",
        [](auto& pool) { return Value(pool.settings.min_pool_size); });
  gauge("pgweir_pool_reserve_size", "Server connections a pool may have beyond its size under pressure.",
        [](auto& pool) { return Value(pool.settings.reserve_pool_size); });
  gauge("pgweir_pool_waiting_limit", "max_waiting: clients that may wait in a pool.",
        [](auto& pool) { return Value(pool.settings.max_waiting); });
  gauge("pgweir_pool_longest_wait_seconds", "How long the oldest waiting client has waited.",
        [](auto& pool) { return Value(pool.max_wait_us) / kMicrosecondsPerSecond; });
  gauge("pgweir_pool_backend_down", "1 while no server of the pool can be reached; SHOW POOLS tells why.",
        [](auto& pool) { return pool.trouble.empty() ? 0.0 : 1.0; });
  gauge("pgweir_pinned_clients", "Clients that keep their server because of their session's state; see SHOW PINS.",
        [](auto& pool) { return Value(pool.pinned); });
  gauge("pgweir_prepared_statements", "Distinct prepared statements that a pool remembers.",
        [](auto& pool) { return Value(pool.statements); });
  gauge("pgweir_prepared_statement_bytes", "Memory that the texts of these statements take.",
        [](auto& pool) { return Value(pool.statement_bytes); });
}

bool HasCounted(const PoolTotals& totals) {
  return (totals.client_logins | totals.server_logins | totals.server_login_failures | totals.server_assignments |
          totals.queries | totals.bytes_received | totals.cancels) != 0;
}

void AddPoolTotals(std::vector<MetricFamily>& out, const proxy::Snapshot& snapshot) {
  const auto for_each = [&](const auto& visit) {
    for (const PoolRow& pool : snapshot.pools) visit(PoolLabels(pool.database, pool.user), pool.totals);
    for (const proxy::DatabaseRow& row : snapshot.databases) {
      if (HasCounted(row.retired)) visit(PoolLabels(row.name, ""), row.retired);
    }
  };
  const auto counter = [&](std::string name, std::string help, uint64_t PoolTotals::*figure) {
    Family family(out, std::move(name), std::move(help), MetricType::Counter);
    for_each([&](Labels labels, const PoolTotals& totals) { family.Add(std::move(labels), Value(totals.*figure)); });
  };
  counter("pgweir_transactions_total", "Transactions that have ended.", &PoolTotals::transactions);
  counter("pgweir_queries_total", "Queries that have been answered.", &PoolTotals::queries);
  counter("pgweir_received_bytes_total", "Bytes received from clients.", &PoolTotals::bytes_received);
  counter("pgweir_sent_bytes_total", "Bytes sent to clients.", &PoolTotals::bytes_sent);
  counter("pgweir_server_assignments_total", "Times a client was given a server.", &PoolTotals::server_assignments);
  counter("pgweir_client_logins_total", "Clients that have logged in.", &PoolTotals::client_logins);
  counter("pgweir_server_logins_total", "Server connections that have logged in.", &PoolTotals::server_logins);
  counter("pgweir_server_login_failures_total", "Server connections that could not be opened.",
          &PoolTotals::server_login_failures);
  counter("pgweir_server_closes_total", "Server connections that were closed.", &PoolTotals::server_closes);
  counter("pgweir_server_moves_total", "Idle servers that moved to another worker.", &PoolTotals::server_moves);
  counter("pgweir_client_moves_total", "Clients that moved to another worker, as more or fewer came into use.", &PoolTotals::client_moves);
  counter("pgweir_cancels_total", "Cancel requests forwarded to a server.", &PoolTotals::cancels);
  counter("pgweir_client_parses_total", "Named statements that clients asked to prepare.", &PoolTotals::client_parses);
  counter("pgweir_server_parses_total", "Named statements that were prepared on a server.", &PoolTotals::server_parses);
  counter("pgweir_binds_total", "Bind messages of clients for named statements.", &PoolTotals::binds);
  counter("pgweir_settings_replays_total", "Times a client's settings were brought to a server.",
          &PoolTotals::settings_replays);
  counter("pgweir_statement_heals_total", "Prepared statements that a server had lost and was given again.",
          &PoolTotals::statement_heals);
  counter("pgweir_notifications_total", "Notifications sent to clients.", &PoolTotals::notifications);
  counter("pgweir_leaks_total", "Times that a client held a server for longer than leak_threshold.", &PoolTotals::leaks);
  counter("pgweir_shed_total", "Clients that were refused because their pool was overloaded (queue_target).", &PoolTotals::shed);
  {
    Family pins(out, "pgweir_pins_total", "Times a client began to keep its server, by the state that asked for it.",
                MetricType::Counter);
    for_each([&pins](const Labels& labels, const PoolTotals& totals) {
      for (size_t kind = 0; kind < totals.pins.size(); ++kind) {
        const std::string reason(conf::Name(static_cast<conf::StateKind>(kind)));
        pins.Add(With(labels, "reason", reason), Value(totals.pins[kind]));
      }
    });
  }

  const auto histogram = [&](std::string name, std::string help, proxy::HistogramTotals PoolTotals::*figure) {
    Family family(out, std::move(name), std::move(help), MetricType::Histogram);
    for_each([&](Labels labels, const PoolTotals& totals) { family.Add(std::move(labels), totals.*figure); });
  };
  histogram("pgweir_wait_seconds", "How long clients waited for a server.", &PoolTotals::wait);
  histogram("pgweir_query_seconds", "How long queries took.", &PoolTotals::query);
  histogram("pgweir_transaction_seconds", "How long transactions took.", &PoolTotals::transaction);
  histogram("pgweir_server_connect_seconds", "How long opening a server connection took, login included.",
            &PoolTotals::connect);
}

// `rows` with a limit (0 = none) beside its use, for servers and for clients.
template <typename Row>
void AddLimits(std::vector<MetricFamily>& out, const std::vector<Row>& rows, const std::string& kind,
               int Row::*server_limit, int Row::*client_limit) {
  const auto gauge = [&](const std::string& name, const std::string& help, int Row::*figure) {
    Family family(out, "pgweir_" + kind + '_' + name, help + ' ' + kind + '.', MetricType::Gauge);
    for (const Row& row : rows) family.Add({{kind, Printable(row.name)}}, Value(row.*figure));
  };
  gauge("server_connections", "Server connections of a", &Row::current_connections);
  gauge("server_connections_limit", "Server connections (0 = no limit) allowed for a", server_limit);
  gauge("client_connections", "Client connections of a", &Row::current_client_connections);
  gauge("client_connections_limit", "Client connections (0 = no limit) allowed for a", client_limit);
}

}  // namespace

ProcessFacts FactsOf(const proxy::Control& control) {
  return {.run_state = control.run_state(),
          .has_started = control.HasStarted(),
          .started_at = control.started_at(),
          .config = control.config()};
}

std::vector<MetricFamily> SnapshotMetrics::Collect() const {
  std::vector<MetricFamily> out;
  AddProcess(out, facts_);
  AddWorkers(out, snapshot_, *facts_.config);
  AddPoolStates(out, snapshot_.pools);
  AddPoolGauges(out, snapshot_.pools);
  AddPoolTotals(out, snapshot_);
  AddLimits(out, snapshot_.databases, "database", &proxy::DatabaseRow::max_connections,
            &proxy::DatabaseRow::max_client_connections);
  {
    Family paused(out, "pgweir_database_paused", "1 while a database is paused.", MetricType::Gauge);
    for (const proxy::DatabaseRow& row : snapshot_.databases) {
      paused.Add({{"database", Printable(row.name)}}, row.paused ? 1 : 0);
    }
  }
  AddLimits(out, snapshot_.users, "user", &proxy::UserRow::max_user_connections,
            &proxy::UserRow::max_user_client_connections);
  return out;
}

std::string MetricsText(const prometheus::Collectable& metrics) {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, metrics.Collect());
  return std::move(out).str();
}

}  // namespace admin
