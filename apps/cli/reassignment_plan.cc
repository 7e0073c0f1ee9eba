#include "cli/reassignment_plan.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>

#include "cli/arguments.h"
#include "cli/partition_file.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

constexpr std::string_view any_directory = "any";

template <typename T>
std::set<T> twice_in(const std::vector<T>& items) {
    std::set<T> once;
    std::set<T> twice;
    for (const T& item : items) {
        if (!once.insert(item).second) twice.insert(item);
    }
    return twice;
}

Result<std::vector<std::int32_t>> replicas_of(std::string_view path, const json::object& members) {
    const json::value* listed = members.if_contains("replicas");
    if (listed == nullptr || !listed->is_array())
        return malformed(path, "each of the partitions needs replicas, a list of brokers' ids");
    std::vector<std::int32_t> replicas;
    for (const json::value& each : listed->get_array()) {
        auto id = each.is_int64() ? parse_int32(std::to_string(each.get_int64())) : std::nullopt;
        if (!id) return malformed(path, "replicas are brokers' ids, whole numbers");
        replicas.push_back(*id);
    }
    return replicas;
}

Result<std::vector<std::string>> directories_of(std::string_view path, const json::object& members,
                                                std::size_t replicas) {
    const json::value* listed = members.if_contains("log_dirs");
    if (listed == nullptr) return std::vector<std::string>(replicas, std::string(any_directory));
    if (!listed->is_array()) return malformed(path, "log_dirs is a list of paths");
    std::vector<std::string> directories;
    for (const json::value& each : listed->get_array()) {
        if (!each.is_string()) return malformed(path, "log_dirs are paths, or \"any\"");
        directories.emplace_back(each.get_string());
    }
    return directories;
}

}  // namespace

std::string to_string(const Replica& replica) {
    return fmt::format("{}-{}", to_string(replica.partition), replica.broker);
}

Result<ReassignmentPlan> ReassignmentPlan::parse(std::string_view path, std::string_view text) {
    ASSIGN_OR_RETURN(PartitionFile file, PartitionFile::parse(path, text));
    ReassignmentPlan plan;
    for (const PartitionFile::Entry& entry : file.entries) {
        ASSIGN_OR_RETURN(auto replicas, replicas_of(path, *entry.members));
        ASSIGN_OR_RETURN(auto directories, directories_of(path, *entry.members, replicas.size()));
        if (replicas.size() != directories.size()) {
            return malformed(path,
                             fmt::format("Size of replicas list [{}] is different from size of log "
                                         "dirs list [{}] for partition {}",
                                         fmt::join(replicas, ", "), fmt::join(directories, ", "),
                                         to_string(entry.partition)));
        }
        for (std::size_t i = 0; i < replicas.size(); ++i) {
            if (directories[i] == any_directory) continue;
            plan.directories[{replicas[i], entry.partition}] = std::move(directories[i]);
        }
        plan.replicas.emplace(entry.partition, std::move(replicas));
    }
    return plan;
}

Result<> ReassignmentPlan::check_executable() const {
    if (replicas.empty()) return misuse("Partition reassignment list cannot be empty");
    std::vector<std::string> doubled;
    for (const auto& [partition, brokers] : replicas) {
        if (brokers.empty()) return misuse("Partition replica list cannot be empty");
        if (std::set<std::int32_t> twice = twice_in(brokers); !twice.empty()) {
            doubled.push_back(fmt::format("{} contains multiple entries for {}",
                                          to_string(partition), fmt::join(twice, ",")));
        }
    }
    if (doubled.empty()) return {};
    return misuse(fmt::format("Partition replica lists may not contain duplicate entries: {}",
                              fmt::join(doubled, ". ")));
}

boost::json::value plan_document(const Assignment& assignment) {
    json::array partitions;
    for (const auto& [partition, replicas] : assignment) {
        json::array directories(replicas.size(), json::string(any_directory));
        partitions.push_back(
            json::object{{"topic", partition.topic},
                         {"partition", partition.partition},
                         {"replicas", json::array(replicas.begin(), replicas.end())},
                         {"log_dirs", std::move(directories)}});
    }
    return json::object{{"version", 1}, {"partitions", std::move(partitions)}};
}

Result<std::vector<std::string>> parse_topics_to_move(std::string_view path,
                                                      std::string_view text) {
    boost::system::error_code broken;
    json::value document = json::parse(json::string_view(text.data(), text.size()), broken);
    const json::object* root = broken ? nullptr : document.if_object();
    if (root == nullptr) return malformed(path, "The input string is not a valid JSON");
    if (const json::value* version = root->if_contains("version")) {
        if (!version->is_int64() || version->get_int64() != 1)
            return malformed(path, "Not supported version field value: it has to be 1");
    }
    std::vector<std::string> topics;
    const json::value* listed = root->if_contains("topics");
    if (listed != nullptr && !listed->is_array()) return malformed(path, "topics is a list");
    for (const json::value& each : listed == nullptr ? json::array() : listed->get_array()) {
        const json::value* topic =
            each.is_object() ? each.get_object().if_contains("topic") : nullptr;
        if (topic == nullptr || !topic->is_string())
            return malformed(path, "each of the topics needs a topic, its name");
        topics.emplace_back(topic->get_string());
    }
    if (std::set<std::string> twice = twice_in(topics); !twice.empty()) {
        return malformed(path,
                         fmt::format("List of topics to reassign contains duplicate entries: [{}]",
                                     fmt::join(twice, ", ")));
    }
    return topics;
}

}  // namespace millrace::cli
