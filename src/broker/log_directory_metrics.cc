#include "broker/log_directory_metrics.h"

#include <algorithm>

#include "config/broker_config.h"
#include "metrics/declared.h"

namespace millrace::broker {

LogDirectoryMetrics::LogDirectoryMetrics(metrics::Registry& registry, LogDirectories& directories,
                                         const config::BrokerConfig& config) {
    namespace declared = metrics::declared;
    auto read = [&](const metrics::GaugeDeclaration& declaration, metrics::Labels labels, auto of) {
        readings_.push_back(registry.read_gauge(declaration, std::move(labels),
                                                [of] { return static_cast<double>(of()); }));
    };
    read(declared::log_manager_offline_log_directory_count, {},
         [&] { return directories.offline_count(); });
    read(declared::log_manager_cordoned_log_directory_count, {}, [&] {
        return std::ranges::count_if(config.log_directories(), [&](const std::string& path) {
            return is_cordoned(config, path);
        });
    });
    for (const std::string& path : config.log_directories()) {
        read(declared::log_manager_log_directory_offline, {path},
             [&directories, path] { return !directories.is_online(path); });
        read(declared::log_manager_log_directory_cordoned, {path},
             [&config, path] { return is_cordoned(config, path); });
    }
}

}  // namespace millrace::broker
