#include "core/groups/streams_topology.h"

#include <algorithm>
#include <fmt/core.h>
#include <fmt/ranges.h>

#include "core/groups/java_order.h"

namespace millrace::groups {
namespace {

using Subtopology = StreamsTopology::Subtopology;

Error invalid(std::string message) {
    return {ErrorCode::streams_invalid_topology, std::move(message)};
}

StreamsTopology::TopicInfo info_of(const StreamsGroupHeartbeatRequest::TopicInfo& told) {
    StreamsTopology::TopicInfo info{.name = told.name,
                                    .partitions = told.partitions,
                                    .replication_factor = told.replication_factor};
    for (const auto& config : told.topic_configs)
        info.topic_configs.push_back({config.key, config.value});
    return info;
}

template <typename Indices>
bool are_within(const Indices& indices, std::size_t size) {
    return std::ranges::all_of(indices, [size](std::int16_t index) {
        return index >= 0 && static_cast<std::size_t>(index) < size;
    });
}

Result<Subtopology> subtopology_of(const StreamsGroupHeartbeatRequest::Subtopology& told) {
    Subtopology made{.subtopology_id = told.subtopology_id,
                     .source_topics = told.source_topics,
                     .source_topic_regex = told.source_topic_regex,
                     .repartition_sink_topics = told.repartition_sink_topics};
    for (const auto& topic : told.state_changelog_topics)
        made.state_changelog_topics.push_back(info_of(topic));
    for (const auto& topic : told.repartition_source_topics)
        made.repartition_source_topics.push_back(info_of(topic));
    for (const auto& group : told.copartition_groups) {
        if (!are_within(group.source_topics, made.source_topics.size()) ||
            !are_within(group.repartition_source_topics, made.repartition_source_topics.size())) {
            return fail(invalid(
                fmt::format("A copartition group of subtopology {} names a source topic by an "
                            "index that there is not.",
                            told.subtopology_id)));
        }
        made.copartition_groups.push_back(
            {group.source_topics, group.source_topic_regex, group.repartition_source_topics});
    }
    return made;
}

std::string summary_of(const std::vector<std::string>& topics) {
    constexpr std::size_t most_shown = 3;
    std::size_t shown = std::min(topics.size(), most_shown);
    std::string text = fmt::format("{}", fmt::join(topics.begin(), topics.begin() + shown, ", "));
    if (topics.size() > shown)
        text += fmt::format(" and {} additional topics", topics.size() - shown);
    return text;
}

// What is wrong with topics, not with the topology.
struct WrongTopics {
    StreamsStatus status;
    std::string detail;
};

// On the way from a topology to its topics.
class Configuration {
  public:
    using Counts = std::map<std::string, std::int32_t>;

    Configuration(const StreamsTopology& topology, const metadata::Image& image)
        : image_(image),
          subtopologies_(by_id(topology)),
          required_(required_topics(topology).size()) {
        // A repartition topic may get its count from the first source that has one.
        put_in_table_order(
            subtopologies_, grown_table(subtopologies_.size()),
            [](const Subtopology* each) -> std::string_view { return each->subtopology_id; });
    }

    Result<ConfiguredTopology> run() {
        if (!find_sources()) return wrong();
        RETURN_IF_ERROR(count_repartition_topics());
        for (const Subtopology* each : subtopologies_) {
            for (const auto& group : each->copartition_groups) {
                RETURN_IF_ERROR(copartition(*each, group));
                if (wrong_) return wrong();
            }
        }
        RETURN_IF_ERROR(count_changelog_topics());
        ConfiguredTopology made;
        for (const Subtopology* each : subtopologies_) {
            ASSIGN_OR_RETURN(made.subtopologies[each->subtopology_id], configured(*each));
        }
        find_missing(made);
        return wrong_ ? wrong() : std::move(made);
    }

  private:
    ConfiguredTopology wrong() {
        ConfiguredTopology made;
        made.problem = told_of(wrong_->status, std::move(wrong_->detail));
        return made;
    }

    std::optional<std::int32_t> partitions_of(const std::string& topic) const {
        if (const metadata::Topic* known = image_.topics.find(std::string_view(topic)))
            return static_cast<std::int32_t>(known->partitions.size());
        auto decided = decided_.find(topic);
        return decided == decided_.end() ? std::nullopt : std::optional(decided->second);
    }

    bool find_sources() {
        std::set<std::string> missing;
        for (const Subtopology* each : subtopologies_) {
            for (const std::string& topic : each->source_topics)
                if (image_.topics.find(std::string_view(topic)) == nullptr) missing.insert(topic);
        }
        if (missing.empty()) return true;
        wrong_ = {StreamsStatus::missing_source_topics,
                  fmt::format("Source topics {} are missing.",
                              summary_of({missing.begin(), missing.end()}))};
        return false;
    }

    // A topic that a subtopology writes has as many partitions as the widest of its sources.
    std::optional<std::int32_t> widest_source(const Subtopology& subtopology,
                                              const Counts& counts) const {
        std::optional<std::int32_t> widest;
        for (const auto& topic : subtopology.repartition_source_topics) {
            auto known = counts.find(topic.name);
            if (known != counts.end()) widest = std::max(widest.value_or(0), known->second);
        }
        for (const std::string& topic : subtopology.source_topics) {
            auto count = partitions_of(topic);
            if (count) widest = std::max(widest.value_or(0), *count);
        }
        return widest;
    }

    Result<> count_repartition_topics() {
        Counts counts;
        for (const Subtopology* each : subtopologies_) {
            for (const auto& topic : each->repartition_source_topics)
                if (topic.partitions != 0) counts[topic.name] = topic.partitions;
        }
        bool unknown = true;
        while (unknown) {
            unknown = false;
            bool progress = false;
            for (const Subtopology* each : subtopologies_) {
                for (const std::string& topic : each->repartition_sink_topics) {
                    if (counts.contains(topic)) continue;
                    auto count = widest_source(*each, counts);
                    if (count) {
                        counts[topic] = *count;
                        progress = true;
                    } else {
                        unknown = true;
                    }
                }
            }
            if (unknown && !progress) {
                return fail(
                    invalid("Failed to compute number of partitions for all repartition topics. "
                            "There may be loops in the topology that cannot be resolved."));
            }
        }
        for (const Subtopology* each : subtopologies_) {
            for (const auto& topic : each->repartition_source_topics) {
                if (counts.contains(topic.name)) continue;
                return fail(
                    invalid("Failed to compute number of partitions for all repartition topics, "
                            "because a repartition source topic is never used as a sink topic."));
            }
        }
        decided_ = std::move(counts);
        return {};
    }

    static std::string map_text(const Counts& counts) {
        std::vector<std::string> entries;
        for (const auto& [topic, count] : counts)
            entries.push_back(fmt::format("{}={}", topic, count));
        return fmt::format("[{{{}}}]", fmt::join(entries, ", "));
    }
    void complain_of_counts(const Counts& counts) {
        wrong_ = {StreamsStatus::incorrectly_partitioned_topics,
                  fmt::format("Following topics do not have the same number of partitions: {}",
                              map_text(counts))};
    }

    // Repartition topics that ask for a count of their own, of the whole topology.
    Counts fixed_counts() const {
        Counts fixed;
        for (const Subtopology* each : subtopologies_) {
            for (const auto& topic : each->repartition_source_topics)
                if (topic.partitions != 0)
                    fixed[topic.name] = partitions_of(topic.name).value_or(0);
        }
        return fixed;
    }
    static bool are_equal(const Counts& counts) {
        return std::ranges::all_of(
            counts, [&](const auto& entry) { return entry.second == counts.begin()->second; });
    }

    Result<> copartition(const Subtopology& subtopology,
                         const StreamsTopology::CopartitionGroup& group) {
        Counts external;
        Counts repartition;
        for (std::int16_t index : group.source_topics) {
            const std::string& topic = subtopology.source_topics[static_cast<std::size_t>(index)];
            external[topic] = partitions_of(topic).value_or(0);
        }
        for (std::int16_t index : group.repartition_source_topics) {
            const auto& topic =
                subtopology.repartition_source_topics[static_cast<std::size_t>(index)];
            repartition[topic.name] = partitions_of(topic.name).value_or(0);
        }
        for (auto at = external.begin(); at != external.end();) {
            auto here = at++;
            if (repartition_.contains(here->first)) repartition.insert(external.extract(here));
        }
        if (external.empty() && repartition.empty()) return {};
        Counts fixed = fixed_counts();
        std::int32_t count = 0;
        if (!external.empty()) {
            if (!are_equal(external)) {
                complain_of_counts(external);
                return {};
            }
            count = external.begin()->second;
        } else if (!fixed.empty()) {
            if (!are_equal(fixed)) {
                complain_of_counts(repartition);
                return {};
            }
            count = fixed.begin()->second;
        } else {
            for (const auto& [topic, each] : repartition) count = std::max(count, each);
        }
        for (const auto& [topic, each] : repartition) {
            if (fixed.contains(topic) && each != count) {
                wrong_ = {StreamsStatus::incorrectly_partitioned_topics,
                          fmt::format("Number of partitions [{}] of repartition topic [{}] doesn't "
                                      "match number of partitions [{}] of the source topic.",
                                      each, topic, count)};
                return {};
            }
            decided_[topic] = count;
        }
        return {};
    }

    Result<std::int32_t> tasks_of(const Subtopology& subtopology) const {
        std::optional<std::int32_t> widest;
        auto take = [&](const std::string& topic) {
            widest = std::max(widest.value_or(0), partitions_of(topic).value_or(0));
        };
        for (const std::string& topic : subtopology.source_topics) take(topic);
        for (const auto& topic : subtopology.repartition_source_topics) take(topic.name);
        if (widest) return *widest;
        return fail(invalid(
            fmt::format("No source topics found for subtopology {}", subtopology.subtopology_id)));
    }

    Result<> count_changelog_topics() {
        Counts counts;
        for (const Subtopology* each : subtopologies_) {
            ASSIGN_OR_RETURN(std::int32_t tasks, tasks_of(*each));
            for (const auto& topic : each->state_changelog_topics) counts[topic.name] = tasks;
        }
        for (const auto& [topic, count] : counts) decided_[topic] = count;
        return {};
    }

    Result<ConfiguredTopology::InternalTopic> configured(
        const StreamsTopology::TopicInfo& topic) const {
        std::int32_t count = topic.partitions;
        if (count == 0) {
            auto decided = decided_.find(topic.name);
            count = decided == decided_.end() ? 0 : decided->second;
        }
        if (count < 1) {
            return fail(
                invalid(fmt::format("Internal topic {} would have {} partitions; there "
                                    "must be at least 1.",
                                    topic.name, count)));
        }
        ConfiguredTopology::InternalTopic made{
            .partitions = count, .replication_factor = topic.replication_factor, .configs = {}};
        for (const auto& config : topic.topic_configs) made.configs[config.key] = config.value;
        return made;
    }
    Result<ConfiguredTopology::Subtopology> configured(const Subtopology& from) const {
        ConfiguredTopology::Subtopology made;
        ASSIGN_OR_RETURN(made.tasks, tasks_of(from));
        made.source_topics = {from.source_topics.begin(), from.source_topics.end()};
        made.repartition_sink_topics = {from.repartition_sink_topics.begin(),
                                        from.repartition_sink_topics.end()};
        for (const auto& topic : from.repartition_source_topics) {
            ASSIGN_OR_RETURN(made.repartition_source_topics[topic.name], configured(topic));
        }
        for (const auto& topic : from.state_changelog_topics) {
            ASSIGN_OR_RETURN(made.changelog_topics[topic.name], configured(topic));
        }
        return made;
    }

    // In the order of Apache Kafka's complaints: of a table of all topics.
    template <typename Topics>
    std::vector<std::string> names_of(const Topics& topics) const {
        std::vector<std::string> names;
        for (const auto& [name, topic] : topics) names.push_back(name);
        put_in_table_order(names, grown_table(required_),
                           [](const std::string& name) -> std::string_view { return name; });
        return names;
    }

    // The internal topics that are not there; those that are must have as many partitions.
    void find_missing(ConfiguredTopology& made) {
        std::map<std::string, const ConfiguredTopology::InternalTopic*> internal;
        for (const auto& [id, subtopology] : made.subtopologies) {
            for (const auto& [name, topic] : subtopology.repartition_source_topics)
                internal[name] = &topic;
            for (const auto& [name, topic] : subtopology.changelog_topics) internal[name] = &topic;
        }
        std::vector<std::string> missing;
        for (const std::string& name : names_of(internal)) {
            const auto* topic = internal.at(name);
            const metadata::Topic* known = image_.topics.find(std::string_view(name));
            if (known == nullptr) {
                missing.push_back(name);
            } else if (std::cmp_not_equal(known->partitions.size(), topic->partitions)) {
                wrong_ = {StreamsStatus::incorrectly_partitioned_topics,
                          fmt::format("Existing topic {} has different number of partitions: "
                                      "expected {}, found {}",
                                      name, topic->partitions, known->partitions.size())};
                return;
            }
        }
        if (missing.empty()) return;
        put_in_table_order(missing, grown_table(internal.size()),
                           [](const std::string& name) -> std::string_view { return name; });
        for (const std::string& name : missing)
            made.missing.push_back(creatable(name, *internal.at(name)));
        made.problem = told_of(StreamsStatus::missing_internal_topics,
                               "Internal topics are missing: " + summary_of(missing));
    }

    static CreateTopicsRequest::CreatableTopic creatable(
        const std::string& name, const ConfiguredTopology::InternalTopic& topic) {
        CreateTopicsRequest::CreatableTopic made;
        made.name = name;
        made.num_partitions = topic.partitions;
        made.replication_factor =
            topic.replication_factor == 0 ? std::int16_t{-1} : topic.replication_factor;
        for (const auto& [key, value] : topic.configs) {
            auto& config = made.configs.emplace_back();
            config.name = key;
            config.value = value;
        }
        return made;
    }

    const metadata::Image& image_;
    std::vector<const Subtopology*> subtopologies_;
    std::size_t required_;  // topics
    std::set<std::string> repartition_;
    Counts decided_;
    std::optional<WrongTopics> wrong_;
};

}  // namespace

StreamsGroupHeartbeatResponse::Status told_of(StreamsStatus status, std::string detail) {
    return {.status_code = static_cast<std::int8_t>(status), .status_detail = std::move(detail)};
}

std::vector<const Subtopology*> by_id(const StreamsTopology& topology) {
    std::vector<const Subtopology*> all;
    for (const Subtopology& each : topology.subtopologies) all.push_back(&each);
    std::ranges::sort(all, {}, [](const Subtopology* each) { return each->subtopology_id; });
    return all;
}

Result<StreamsTopology> topology_of(const StreamsGroupHeartbeatRequest::Topology& told) {
    if (told.epoch < 0)
        return fail(invalid(fmt::format("The topology epoch {} is negative.", told.epoch)));
    StreamsTopology topology{.epoch = told.epoch};
    std::set<std::string_view> ids;
    for (const auto& each : told.subtopologies) {
        if (!ids.insert(each.subtopology_id).second) {
            return fail(
                invalid(fmt::format("Subtopology {} is there twice.", each.subtopology_id)));
        }
        ASSIGN_OR_RETURN(Subtopology made, subtopology_of(each));
        topology.subtopologies.push_back(std::move(made));
    }
    return topology;
}

bool is_same(const StreamsTopology& a, const StreamsTopology& b) {
    return a.epoch == b.epoch &&
           std::ranges::equal(by_id(a), by_id(b),
                              [](const Subtopology* x, const Subtopology* y) { return *x == *y; });
}

std::set<std::string> required_topics(const StreamsTopology& topology) {
    std::set<std::string> topics;
    for (const Subtopology& each : topology.subtopologies) {
        topics.insert(each.source_topics.begin(), each.source_topics.end());
        for (const auto& topic : each.repartition_source_topics) topics.insert(topic.name);
        for (const auto& topic : each.state_changelog_topics) topics.insert(topic.name);
    }
    return topics;
}

const Subtopology* subtopology_that_reads(const StreamsTopology& topology,
                                          const std::string& topic) {
    for (const Subtopology& each : topology.subtopologies) {
        bool reads = std::ranges::find(each.source_topics, topic) != each.source_topics.end() ||
                     std::ranges::any_of(each.repartition_source_topics,
                                         [&](const auto& info) { return info.name == topic; });
        if (reads) return &each;
    }
    return nullptr;
}

Result<ConfiguredTopology> configure(const StreamsTopology& topology,
                                     const metadata::Image& image) {
    ASSIGN_OR_RETURN(ConfiguredTopology made, Configuration(topology, image).run());
    made.epoch = topology.epoch;
    return made;
}

}  // namespace millrace::groups
