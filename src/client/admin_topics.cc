#include "client/admin_topics.h"

#include <algorithm>
#include <fmt/core.h>
#include <utility>

#include "client/admin_calls.h"
#include "protocol/create_partitions.h"
#include "protocol/create_topics.h"
#include "protocol/delete_topics.h"
#include "protocol/metadata.h"

namespace millrace::client {
namespace {

std::string about(std::string_view topic) { return fmt::format("topic '{}'", topic); }
std::string about(const Uuid& id) { return fmt::format("topic id {}", id.to_string()); }

CreateTopicsRequest::CreatableTopic creatable(const NewTopic& topic) {
    CreateTopicsRequest::CreatableTopic made;
    made.name = topic.name;
    made.num_partitions = topic.assignment.empty() ? topic.partitions : -1;
    made.replication_factor =
        topic.assignment.empty() ? topic.replication_factor : std::int16_t{-1};
    for (const auto& [index, brokers] : topic.assignment) {
        made.assignments.push_back({index, brokers});
    }
    for (const auto& [name, value] : topic.configs) made.configs.push_back({name, value});
    return made;
}

Result<CreatedTopic> outcome_of(const CreateTopicsResponse::CreatableTopicResult& result) {
    RETURN_IF_ERROR(verdict_about(about(result.name), result.error_code, result.error_message));
    return CreatedTopic{result.topic_id, result.num_partitions, result.replication_factor};
}

}  // namespace

Task<Outcomes<std::string, CreatedTopic>> create_topics(Admin& admin, std::vector<NewTopic> topics,
                                                        bool validate_only) {
    Time deadline = admin.deadline();
    std::map<std::string, NewTopic> by_name;
    for (NewTopic& topic : topics) by_name.insert_or_assign(topic.name, topic);
    using Names = std::vector<std::string>;
    auto attempt = [&](Names pending) -> Task<Outcomes<std::string, CreatedTopic>> {
        CreateTopicsRequest request;
        for (const std::string& name : pending) request.topics.push_back(creatable(by_name[name]));
        request.timeout_ms = ms_until(admin, deadline);
        request.validate_only = validate_only;
        auto reply = co_await call_over(admin.cluster().controller(), std::move(request));
        if (!reply) co_return all_failed<CreatedTopic>(pending, reply.error());
        Outcomes<std::string, CreatedTopic> outcomes;
        for (const auto& result : reply->response.topics) {
            outcomes.insert_or_assign(result.name, outcome_of(result));
        }
        co_return outcomes;
    };
    co_return co_await settle<CreatedTopic>(admin, "creating topics", keys_of(by_name), deadline,
                                            attempt);
}

Task<Outcomes<std::string>> delete_topics(Admin& admin, std::vector<std::string> names) {
    Time deadline = admin.deadline();
    constexpr std::int16_t first_with_ids = 6;
    auto attempt = [&](std::vector<std::string> pending) -> Task<Outcomes<std::string>> {
        auto connection = co_await admin.cluster().controller();
        if (!connection) co_return all_failed<void>(pending, connection.error());
        DeleteTopicsRequest request;
        request.timeout_ms = ms_until(admin, deadline);
        auto version = (*connection)->version_of(ApiKey::delete_topics);
        if (version.value_or(0) >= first_with_ids) {
            for (const std::string& name : pending) request.topics.emplace_back().name = name;
        } else {
            request.topic_names = pending;
        }
        auto reply = co_await (*connection)->call(request);
        if (!reply) co_return all_failed<void>(pending, reply.error());
        Outcomes<std::string> outcomes;
        for (const auto& result : reply->response.responses) {
            std::string name = result.name.value_or("");
            outcomes.insert_or_assign(
                name, verdict_about(about(name), result.error_code, result.error_message));
        }
        co_return outcomes;
    };
    co_return co_await settle<void>(admin, "deleting topics", std::move(names), deadline, attempt);
}

Task<Outcomes<Uuid>> delete_topics(Admin& admin, std::vector<Uuid> ids) {
    Time deadline = admin.deadline();
    auto attempt = [&](std::vector<Uuid> pending) -> Task<Outcomes<Uuid>> {
        DeleteTopicsRequest request;
        request.timeout_ms = ms_until(admin, deadline);
        for (const Uuid& id : pending) request.topics.emplace_back().topic_id = id;
        auto reply = co_await call_over(admin.cluster().controller(), std::move(request));
        if (!reply) co_return all_failed<void>(pending, reply.error());
        Outcomes<Uuid> outcomes;
        for (const auto& result : reply->response.responses) {
            outcomes.insert_or_assign(
                result.topic_id,
                verdict_about(about(result.topic_id), result.error_code, result.error_message));
        }
        co_return outcomes;
    };
    co_return co_await settle<void>(admin, "deleting topics", std::move(ids), deadline, attempt);
}

Task<Outcomes<std::string>> create_partitions(Admin& admin,
                                              std::map<std::string, MorePartitions> topics,
                                              bool validate_only) {
    Time deadline = admin.deadline();
    auto attempt = [&](std::vector<std::string> pending) -> Task<Outcomes<std::string>> {
        CreatePartitionsRequest request;
        request.timeout_ms = ms_until(admin, deadline);
        request.validate_only = validate_only;
        for (const std::string& name : pending) {
            const MorePartitions& more = topics[name];
            auto& topic = request.topics.emplace_back();
            topic.name = name;
            topic.count = more.total;
            if (more.assignment.empty()) topic.assignments.reset();
            for (const auto& brokers : more.assignment) topic.assignments->push_back({brokers});
        }
        auto reply = co_await call_over(admin.cluster().controller(), std::move(request));
        if (!reply) co_return all_failed<void>(pending, reply.error());
        Outcomes<std::string> outcomes;
        for (const auto& result : reply->response.results) {
            outcomes.insert_or_assign(
                result.name,
                verdict_about(about(result.name), result.error_code, result.error_message));
        }
        co_return outcomes;
    };
    co_return co_await settle<void>(admin, "creating partitions", keys_of(topics), deadline,
                                    attempt);
}

Task<Result<std::vector<TopicListing>>> list_topics(Admin& admin, bool include_internal) {
    MetadataRequest request;
    request.topics.reset();
    request.allow_auto_topic_creation = false;
    auto any = [&admin] { return admin.cluster().any(); };
    auto check = [](const MetadataResponse& response) {
        return verdict_about("listing topics", response.error_code);
    };
    ASSIGN_OR_CO_RETURN(auto reply,
                        co_await ask(admin, "listing topics", any, std::move(request), check));
    std::vector<TopicListing> listed;
    for (const auto& topic : reply.response.topics) {
        if (topic.error_code != ErrorCode::none || !topic.name) continue;
        if (topic.is_internal && !include_internal) continue;
        listed.push_back({*topic.name, topic.topic_id, topic.is_internal});
    }
    std::ranges::sort(listed, {}, &TopicListing::name);
    co_return listed;
}

}  // namespace millrace::client
