#pragma once

namespace millrace::metrics {
class Snapshot;
}

namespace millrace::server {

// process_cpu_seconds_total and the like, as Prometheus's clients name them.
void add_process_figures(metrics::Snapshot& snapshot);

}  // namespace millrace::server
