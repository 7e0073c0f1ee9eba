#include "cli/client_metrics.h"

#include <algorithm>
#include <fmt/core.h>
#include <string>
#include <vector>

#include "cli/output.h"

namespace millrace::cli {

void print_metrics(Output& output, std::string_view group, std::string_view client_id,
                   std::span<const ClientMetric> metrics) {
    std::vector<std::string> names;
    std::size_t width = 0;
    for (const ClientMetric& metric : metrics) {
        names.push_back(fmt::format("{}:{}:{{client-id={}}}", group, metric.name, client_id));
        width = std::max(width, names.back().size());
    }
    output.line("\n{:<{}}   Value", "Metric Name", width);
    for (std::size_t i = 0; i < metrics.size(); ++i) {
        output.line("{:<{}} : {}.000", names[i], width, metrics[i].value);
    }
}

}  // namespace millrace::cli
