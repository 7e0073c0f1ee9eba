#include "cli/consumption.h"

#include "cli/client_metrics.h"
#include "cli/output.h"

namespace millrace::cli {

void Consumption::add(const Record& record) {
    ++records;
    if (record.key) bytes += static_cast<std::int64_t>(record.key->size());
    if (record.value) bytes += static_cast<std::int64_t>(record.value->size());
}

void warn_of_timeout(std::int64_t timeout_ms, Output& output) {
    output.line(
        "WARNING: Exiting before consuming the expected number of records: timeout ({} ms) "
        "exceeded. You can use the --timeout option to increase the timeout.",
        timeout_ms);
}

void print_metrics(const Consumption& read, std::string_view group, std::string_view client_id,
                   Output& output) {
    const ClientMetric metrics[] = {
        {"bytes-consumed-total", static_cast<std::uint64_t>(read.bytes)},
        {"records-consumed-total", static_cast<std::uint64_t>(read.records)}};
    print_metrics(output, group, client_id, metrics);
}

}  // namespace millrace::cli
