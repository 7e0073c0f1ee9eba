#include "server/process_figures.h"

#include "env/posix/process_usage.h"
#include "metrics/declared.h"
#include "metrics/snapshot.h"

namespace millrace::server {

void add_process_figures(metrics::Snapshot& snapshot) {
    namespace declared = metrics::declared;
    env::posix::ProcessUsage usage = env::posix::process_usage();
    auto add = [&](const metrics::Declaration& declaration, auto value) {
        snapshot.add_value(declaration, {}, static_cast<double>(value));
    };
    add(declared::process_cpu_seconds_total, usage.cpu_seconds);
    add(declared::process_start_time_seconds, usage.start_seconds);
    add(declared::process_open_fds, usage.open_files);
    add(declared::process_max_fds, usage.most_open_files);
    add(declared::process_virtual_memory_bytes, usage.virtual_bytes);
    add(declared::process_resident_memory_bytes, usage.resident_bytes);
}

}  // namespace millrace::server
