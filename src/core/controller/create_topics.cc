#include "core/controller/create_topics.h"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "config/describe.h"
#include "core/controller/config_changes.h"
#include "core/controller/new_partitions.h"
#include "core/controller/state.h"
#include "core/controller/too_large.h"
#include "core/metadata/snapshot.h"
#include "core/metadata/topic_names.h"

namespace millrace::controller {
namespace {

using CreatableTopic = CreateTopicsRequest::CreatableTopic;
using TopicAnswer = CreateTopicsResponse::CreatableTopicResult;

TopicAnswer refused(const std::string& name, const Error& error) {
    TopicAnswer answer;
    answer.name = name;
    answer.error_code = error.code;
    answer.error_message = std::nullopt;
    if (!error.message.empty()) answer.error_message = error.message;
    return answer;
}

Decision<CreateTopicsResponse> all_refused(const CreateTopicsRequest& request, const Error& error) {
    Decision<CreateTopicsResponse> decision;
    for (const CreatableTopic& topic : request.topics)
        decision.response.topics.push_back(refused(topic.name, error));
    return decision;
}

std::int64_t wanted_partitions(const CreateTopicsRequest& request, const State& state) {
    std::int64_t total = 0;
    for (const CreatableTopic& topic : request.topics) {
        if (!topic.assignments.empty()) {
            total += static_cast<std::int64_t>(topic.assignments.size());
        } else if (topic.num_partitions == -1) {
            total += state.config().num_partitions();
        } else if (topic.num_partitions > 0) {
            total += topic.num_partitions;
        }
    }
    return total;
}

Result<> check_name(const std::string& name, const State& state) {
    if (state.image().topics.find(std::string_view(name)) != nullptr) {
        return fail(ErrorCode::topic_already_exists,
                    fmt::format("Topic '{}' already exists.", name));
    }
    if (std::string_view other = state.colliding_topic(name); !other.empty()) {
        return fail(ErrorCode::invalid_topic_exception,
                    fmt::format("Topic '{}' collides with existing topic: {}", name, other));
    }
    return metadata::validate_topic_name(name);
}

Result<config::ConfigMap> configs_of(const CreatableTopic& topic) {
    config::ConfigMap configs;
    std::string nulls;
    for (const auto& config : topic.configs) {
        if (config.value) {
            configs.insert_or_assign(config.name, *config.value);
        } else {
            nulls += (nulls.empty() ? "" : ",") + config.name;
        }
    }
    if (!nulls.empty()) {
        return fail(ErrorCode::invalid_config,
                    "Null value not supported for topic configs: " + nulls);
    }
    return configs;
}

Result<NewPartitions> manual_partitions(const CreatableTopic& topic, const State& state) {
    if (topic.replication_factor != -1) {
        return fail(ErrorCode::invalid_request,
                    "A manual partition assignment was specified, but replication factor was not "
                    "set to -1.");
    }
    if (topic.num_partitions != -1) {
        return fail(ErrorCode::invalid_request,
                    "A manual partition assignment was specified, but numPartitions was not set "
                    "to -1.");
    }
    // The request's order decides which error is told.
    std::map<std::int32_t, metadata::Partition> by_index;
    std::optional<std::size_t> replicas;
    for (const auto& assignment : topic.assignments) {
        std::int32_t index = assignment.partition_index;
        if (by_index.contains(index)) {
            return fail(
                ErrorCode::invalid_replica_assignment,
                fmt::format("Found multiple manual partition assignments for partition {}", index));
        }
        ASSIGN_OR_RETURN(metadata::Partition partition,
                         assign_manually(state, index, assignment.broker_ids, replicas));
        replicas = assignment.broker_ids.size();
        by_index.emplace(index, std::move(partition));
    }
    NewPartitions made;
    for (auto& [index, partition] : by_index) {
        if (index != static_cast<std::int32_t>(made.partitions.size())) {
            return fail(ErrorCode::invalid_replica_assignment,
                        "partitions should be a consecutive 0-based integer sequence");
        }
        made.partitions.push_back(std::move(partition));
    }
    return made;
}

Result<NewPartitions> partitions_of(const CreatableTopic& topic, const State& state,
                                    Random& random) {
    if (!topic.assignments.empty()) return manual_partitions(topic, state);
    if (topic.replication_factor < -1 || topic.replication_factor == 0) {
        return fail(ErrorCode::invalid_replication_factor,
                    "Replication factor must be larger than 0, or -1 to use the default value.");
    }
    if (topic.num_partitions < -1 || topic.num_partitions == 0) {
        return fail(ErrorCode::invalid_partitions,
                    "Number of partitions was set to an invalid non-positive value.");
    }
    std::int32_t partitions =
        topic.num_partitions == -1 ? state.config().num_partitions() : topic.num_partitions;
    std::int32_t replicas = topic.replication_factor == -1
                                ? state.config().default_replication_factor()
                                : topic.replication_factor;
    return assign_by_placement(state, 0, partitions, replicas, random);
}

void describe_configs(const State& state, const config::ConfigMap& configs, TopicAnswer& answer) {
    answer.configs.emplace();
    for (config::Described& described : config::describe_topic(state.config(), configs)) {
        CreateTopicsResponse::CreatableTopicConfigs config;
        config.name = std::move(described.name);
        config.value = std::move(described.value);
        config.read_only = false;
        config.config_source = static_cast<std::int8_t>(described.source);
        config.is_sensitive = described.sensitive;
        answer.configs->push_back(std::move(config));
    }
}

void append_topic(const State& state, const std::string& name, const Uuid& id,
                  metadata::Records configs, const NewPartitions& made,
                  metadata::Records& records) {
    TopicRecord topic;
    topic.name = name;
    topic.topic_id = id;
    records.push_back({std::move(topic), 0});
    std::ranges::move(configs, std::back_inserter(records));
    std::int32_t index = made.first;
    for (const metadata::Partition& partition : made.partitions) {
        records.push_back(metadata::partition_record(
            id, index++, partition, state.metadata_version(), state.elr_enabled()));
    }
}

Result<TopicAnswer> create(const CreatableTopic& topic, const CreateTopics& command,
                           const State& state, Inputs in, metadata::Records& records) {
    RETURN_IF_ERROR(check_name(topic.name, state));
    ASSIGN_OR_RETURN(config::ConfigMap configs, configs_of(topic));
    ConfigChanges changes(state, {config::ResourceType::topic, topic.name});
    for (const auto& [name, value] : configs) changes.set(name, value);
    ASSIGN_OR_RETURN(metadata::Records config_records,
                     changes.records(ConfigChanges::Resource::made_now));
    append_clear_elr(state, config_records);
    ASSIGN_OR_RETURN(NewPartitions made, partitions_of(topic, state, in.random));
    if (!takes(command.quota, made.partitions.size(), in.now))
        return fail(ErrorCode::throttling_quota_exceeded);

    TopicAnswer answer;
    answer.name = topic.name;
    answer.topic_id = Uuid::random(in.random);
    answer.error_message = std::nullopt;
    if (permits(command.may_describe_configs, topic.name)) {
        describe_configs(state, configs, answer);
        answer.num_partitions = static_cast<std::int32_t>(made.partitions.size());
        answer.replication_factor =
            static_cast<std::int16_t>(made.partitions.front().replicas.size());
    } else {
        answer.topic_config_error_code = ErrorCode::topic_authorization_failed;
    }
    append_topic(state, topic.name, answer.topic_id, std::move(config_records), made, records);
    return answer;
}

// Names that are not to be created at all: given twice, the metadata log's, forbidden.
std::optional<Error> ruled_out(const std::string& name, const std::set<std::string>& twice,
                               const CreateTopics& command) {
    if (twice.contains(name)) return Error{ErrorCode::invalid_request, "Duplicate topic name."};
    if (name == metadata::cluster_metadata_topic) {
        return Error{ErrorCode::invalid_request,
                     "Creation of internal topic __cluster_metadata is prohibited."};
    }
    if (!permits(command.may_create, name))
        return Error{ErrorCode::topic_authorization_failed, "Authorization failed."};
    return std::nullopt;
}

}  // namespace

Decision<CreateTopicsResponse> decide(const CreateTopics& command, const State& state, Inputs in) {
    const CreateTopicsRequest& request = command.request;
    if (wanted_partitions(request, state) > max_partitions_per_request) {
        return all_refused(request, {ErrorCode::policy_violation,
                                     "Excessively large number of partitions per request."});
    }
    std::set<std::string> names;
    std::set<std::string> twice;
    for (const CreatableTopic& topic : request.topics) {
        if (!names.insert(topic.name).second) twice.insert(topic.name);
    }

    Decision<CreateTopicsResponse> decision;
    std::set<std::string> told;
    for (const CreatableTopic& topic : request.topics) {
        if (std::optional<Error> error = ruled_out(topic.name, twice, command)) {
            if (told.insert(topic.name).second)
                decision.response.topics.push_back(refused(topic.name, *error));
            continue;
        }
        Result<TopicAnswer> created = create(topic, command, state, in, decision.records);
        decision.response.topics.push_back(created ? *std::move(created)
                                                   : refused(topic.name, created.error()));
    }
    if (decision.records.size() > max_records_per_decision)
        return all_refused(request, too_large());
    decision.response.throttle_time_ms = throttle_time_ms(command.quota);
    if (request.validate_only) decision.records.clear();
    return decision;
}

}  // namespace millrace::controller
