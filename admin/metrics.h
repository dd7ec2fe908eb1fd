// /metrics: a snapshot in Prometheus' text format.
//
// What: SnapshotMetrics turns one snapshot into metric families (prometheus-cpp core serialises them and escapes
// labels). Base units (seconds, bytes), `_total` for counters, every limit as a gauge beside its use. Labels are
// database, user, state, reason, worker; never addresses or query text. Label values are Printable: Prometheus refuses
// broken UTF-8. What removed pools had counted stays in the sums of its database, as the series with an empty user.
// Threads: the control thread; the object borrows nothing.
// Source: https://prometheus.io/docs/practices/naming/ and .../instrumenting/exposition_formats/.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <memory>
#include <string>
#include <vector>

#include "proxy/control.h"

namespace admin {

struct ProcessFacts {
  proxy::RunState run_state = proxy::RunState::kActive;
  bool has_started = false;
  proxy::WallTime started_at;
  std::shared_ptr<const conf::Config> config;
};

ProcessFacts FactsOf(const proxy::Control& control);

class SnapshotMetrics : public prometheus::Collectable {
 public:
  SnapshotMetrics(proxy::Snapshot snapshot, ProcessFacts facts)
      : snapshot_(std::move(snapshot)), facts_(std::move(facts)) {}
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  proxy::Snapshot snapshot_;
  ProcessFacts facts_;
};

std::string MetricsText(const prometheus::Collectable& metrics);

}  // namespace admin
