#include "cli/topic_report.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/output.h"
#include "client/admin_cluster.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

using Ids = std::vector<std::int32_t>;

// One topic with what belongs to it.
class TopicView {
  public:
    TopicView(const TopicDetails& details, const client::TopicDescription& topic)
        : details_(details), topic_(topic) {
        auto found = details.configs.find({client::ResourceType::topic, topic.name});
        if (found == details.configs.end() || !found->second) return;
        for (const client::ConfigEntry& entry : *found->second) {
            if (entry.name == "min.insync.replicas") {
                min_isr_ =
                    static_cast<std::size_t>(parse_int32(entry.value.value_or("1")).value_or(1));
            }
            if (entry.source != client::ConfigSource::default_config) own_.push_back(&entry);
        }
    }

    const std::vector<const client::ConfigEntry*>& own_configs() const { return own_; }

    const client::Reassignment* reassignment(const client::PartitionDescription& partition) const {
        auto found = details_.reassignments.find({topic_.name, partition.index});
        return found == details_.reassignments.end() ? nullptr : &found->second;
    }

    // Replicas that a reassignment adds do not count until it ends.
    std::size_t replication_factor(const client::PartitionDescription& partition) const {
        const client::Reassignment* moving = reassignment(partition);
        if (moving == nullptr) return partition.replicas.size();
        bool in_progress = std::ranges::any_of(partition.replicas, [&](std::int32_t id) {
            return std::ranges::find(moving->adding, id) != moving->adding.end() ||
                   std::ranges::find(moving->removing, id) != moving->removing.end();
        });
        return in_progress ? moving->replicas.size() - moving->adding.size()
                           : partition.replicas.size();
    }

    bool shows(const client::PartitionDescription& partition, const TopicReport& report) const {
        if (!report.of_partitions_only()) return true;
        bool leaderless = partition.leader < 0;
        std::size_t in_sync = partition.isr.size();
        return (report.under_replicated && replication_factor(partition) > in_sync) ||
               (report.unavailable &&
                (leaderless || !details_.live_brokers.contains(partition.leader))) ||
               (report.under_min_isr && (leaderless || in_sync < min_isr_)) ||
               (report.at_min_isr && in_sync == min_isr_);
    }

  private:
    const TopicDetails& details_;
    const client::TopicDescription& topic_;
    std::vector<const client::ConfigEntry*> own_;
    std::size_t min_isr_ = 1;
};

std::string ids_or(const std::optional<Ids>& ids, std::string_view otherwise) {
    return ids ? fmt::format("{}", fmt::join(*ids, ",")) : std::string(otherwise);
}

void print_topic(const client::TopicDescription& topic, const TopicView& view, Output& output) {
    output.print("Topic: {}", topic.name);
    if (!topic.id.is_zero()) output.print("\tTopicId: {}", topic.id.to_string());
    std::size_t factor =
        topic.partitions.empty() ? 0 : view.replication_factor(topic.partitions.front());
    output.print("\tPartitionCount: {}\tReplicationFactor: {}\tConfigs: ", topic.partitions.size(),
                 factor);
    bool first = true;
    for (const client::ConfigEntry* entry : view.own_configs()) {
        output.print("{}{}={}", first ? "" : ",", entry->name, entry->value.value_or("null"));
        first = false;
    }
    output.write("\n");
}

void print_partition(const client::TopicDescription& topic,
                     const client::PartitionDescription& partition, const TopicView& view,
                     Output& output) {
    output.print("\tTopic: {}\tPartition: {}\tLeader: {}\tReplicas: {}\tIsr: {}", topic.name,
                 partition.index, partition.leader < 0 ? "none" : std::to_string(partition.leader),
                 fmt::join(partition.replicas, ","), fmt::join(partition.isr, ","));
    if (const client::Reassignment* moving = view.reassignment(partition)) {
        output.print("\tAdding Replicas: {}\tRemoving Replicas: {}", fmt::join(moving->adding, ","),
                     fmt::join(moving->removing, ","));
    }
    output.line("\tElr: {}\tLastKnownElr: {}", ids_or(partition.eligible_leaders, "N/A"),
                ids_or(partition.last_known_eligible, "N/A"));
}

json::value ids_json(const std::optional<Ids>& ids) {
    if (!ids) return nullptr;
    return json::array(ids->begin(), ids->end());
}

json::object partition_json(const client::PartitionDescription& partition, const TopicView& view) {
    json::object out{
        {"partition", partition.index},
        {"leader", partition.leader < 0 ? json::value(nullptr) : json::value(partition.leader)},
        {"leader_epoch", partition.leader_epoch},
        {"replicas", ids_json(partition.replicas)},
        {"isr", ids_json(partition.isr)},
        {"offline", ids_json(partition.offline)},
        {"eligible_leader_replicas", ids_json(partition.eligible_leaders)},
        {"last_known_eligible_leader_replicas", ids_json(partition.last_known_eligible)}};
    if (const client::Reassignment* moving = view.reassignment(partition)) {
        out["adding_replicas"] = ids_json(moving->adding);
        out["removing_replicas"] = ids_json(moving->removing);
    }
    return out;
}

}  // namespace

Task<Result<TopicDetails>> fetch_details(client::Admin& admin,
                                         std::vector<client::TopicDescription> topics) {
    TopicDetails details;
    details.topics = std::move(topics);
    std::vector<client::ConfigResource> resources;
    for (const auto& topic : details.topics) {
        resources.push_back({client::ResourceType::topic, topic.name});
    }
    if (!resources.empty()) {
        details.configs = co_await client::describe_configs(admin, std::move(resources));
    }
    for (auto& [resource, entries] : details.configs) {
        if (!entries) co_return fail(std::move(entries).error());
    }
    ASSIGN_OR_CO_RETURN(auto cluster, co_await client::describe_cluster(admin));
    for (const auto& node : cluster.nodes) details.live_brokers.insert(node.id);
    ASSIGN_OR_CO_RETURN(details.reassignments, co_await visible_reassignments(admin));
    co_return details;
}

void print(const TopicDetails& details, const TopicReport& report, Output& output) {
    for (const auto& topic : details.topics) {
        TopicView view(details, topic);
        bool with_topic = !report.of_partitions_only() &&
                          (!report.overridden_only || !view.own_configs().empty());
        if (with_topic) print_topic(topic, view, output);
        if (report.overridden_only) continue;
        for (const auto& partition : topic.partitions) {
            if (view.shows(partition, report)) print_partition(topic, partition, view, output);
        }
    }
}

json::value to_json(const TopicDetails& details, const TopicReport& report) {
    json::array topics;
    for (const auto& topic : details.topics) {
        TopicView view(details, topic);
        if (report.overridden_only && view.own_configs().empty()) continue;
        json::array partitions;
        for (const auto& partition : topic.partitions) {
            if (view.shows(partition, report)) {
                partitions.push_back(partition_json(partition, view));
            }
        }
        if (partitions.empty() && report.of_partitions_only()) continue;
        json::object configs;
        for (const client::ConfigEntry* entry : view.own_configs()) {
            configs[entry->name] = entry->value ? json::value(*entry->value) : json::value(nullptr);
        }
        topics.push_back(json::object{{"topic", topic.name},
                                      {"topic_id", topic.id.to_string()},
                                      {"internal", topic.internal},
                                      {"configs", std::move(configs)},
                                      {"partitions", std::move(partitions)}});
    }
    return json::object{{"topics", std::move(topics)}};
}

}  // namespace millrace::cli
