#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace millrace::cli {

class Output;

struct ClientMetric {
    std::string_view name;
    std::uint64_t value = 0;
};

// Metrics of one group of one client, in the form of Kafka's ToolsUtils.printMetrics.
void print_metrics(Output& output, std::string_view group, std::string_view client_id,
                   std::span<const ClientMetric> metrics);

}  // namespace millrace::cli
