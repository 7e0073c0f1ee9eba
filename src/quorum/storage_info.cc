#include <fmt/format.h>
#include <map>
#include <vector>

#include "config/broker_config.h"
#include "env/disk.h"
#include "quorum/format.h"
#include "quorum/node_directories.h"

namespace millrace::quorum {
namespace {

// {cluster.id=..., directory.id=..., node.id=1, version=1}
std::string to_string(const storage::MetaProperties& meta) {
    std::map<std::string, std::string> values;
    if (meta.cluster_id) values["cluster.id"] = *meta.cluster_id;
    if (meta.directory_id) values["directory.id"] = meta.directory_id->to_string();
    if (meta.node_id)
        values[meta.version == 0 ? "broker.id" : "node.id"] = std::to_string(*meta.node_id);
    values["version"] = std::to_string(meta.version);
    std::vector<std::string> parts;
    for (const auto& [key, value] : values) parts.push_back(fmt::format("{}={}", key, value));
    return fmt::format("{{{}}}", fmt::join(parts, ", "));
}

std::string section(std::string_view one, std::string_view many,
                    const std::vector<std::string>& lines) {
    if (lines.empty()) return {};
    std::string text = fmt::format("{}\n", lines.size() == 1 ? one : many);
    for (const std::string& line : lines) text += fmt::format("  {}\n", line);
    return text + "\n";
}

}  // namespace

Result<StorageInfo> storage_info(env::Disk& disk, const config::BrokerConfig& config) {
    NodeDirectories directories = NodeDirectories::load(disk, config);
    std::vector<std::string> found;
    std::vector<std::string> problems;
    const storage::MetaProperties* first = nullptr;
    for (const std::string& path : directories_of(config)) {
        if (!disk.exists(path)) {
            problems.push_back(fmt::format("{} does not exist", path));
            continue;
        }
        if (!disk.list(path)) {
            problems.push_back(fmt::format("{} is not a directory", path));
            continue;
        }
        found.push_back(path);
        if (directories.unformatted.contains(path)) {
            problems.push_back(fmt::format("{} is not formatted.", path));
        } else if (auto bad = directories.unreadable.find(path);
                   bad != directories.unreadable.end()) {
            problems.push_back(fmt::format("Error loading {}: {}", meta_properties_path(path),
                                           bad->second.message));
        } else {
            const storage::MetaProperties& meta = directories.formatted.at(path);
            if (first == nullptr) first = &meta;
            if (first->cluster_id != meta.cluster_id) {
                problems.emplace_back("Mismatched cluster IDs between storage directories.");
            } else if (first->node_id != meta.node_id) {
                problems.emplace_back("Mismatched node IDs between storage directories.");
            }
        }
    }
    if (first != nullptr && first->version == 0) {
        problems.emplace_back(
            "The kafka configuration file appears to be for a cluster in KRaft mode, but the "
            "directories are formatted for legacy mode.");
    }
    StorageInfo info;
    info.text = section("Found log directory:", "Found log directories:", found);
    if (first != nullptr) info.text += fmt::format("Found metadata: {}\n\n", to_string(*first));
    info.text += section("Found problem:", "Found problems:", problems);
    info.sound = problems.empty();
    return info;
}

}  // namespace millrace::quorum
