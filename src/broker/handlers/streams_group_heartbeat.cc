// StreamsGroupHeartbeat (key 88): a member of a streams group (KIP-1071) joins, leaves, or tells
// that it lives; it is told which tasks to work on. UNSUPPORTED_VERSION where streams groups are
// switched off. Internal topics that the group's topology needs are made in the member's name: this
// answer still says that they are missing, and why they could not be made the last time.

#include "protocol/streams_group_heartbeat.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "broker/client_quotas.h"
#include "broker/groups.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/metadata_cache.h"
#include "broker/streams_protocol.h"
#include "broker/streams_topics.h"
#include "core/metadata/topic_names.h"

namespace millrace::broker {
namespace {

using Request = StreamsGroupHeartbeatRequest;
using Response = StreamsGroupHeartbeatResponse;

// All that the topology names, each once, in its order.
std::vector<std::string> topics_of(const Request::Topology& topology) {
    std::vector<std::string> topics;
    std::set<std::string_view> known;
    auto add = [&](const std::string& topic) {
        if (known.insert(topic).second) topics.push_back(topic);
    };
    for (const auto& subtopology : topology.subtopologies) {
        std::ranges::for_each(subtopology.source_topics, add);
        std::ranges::for_each(subtopology.repartition_sink_topics, add);
        for (const auto& topic : subtopology.repartition_source_topics) add(topic.name);
        for (const auto& topic : subtopology.state_changelog_topics) add(topic.name);
    }
    return topics;
}

Result<> check_topics(const Request& request) {
    if (!request.topology) return {};
    std::vector<std::string> prohibited;
    std::vector<std::string> invalid;
    for (std::string& topic : topics_of(*request.topology)) {
        if (metadata::is_internal_topic(topic)) {
            prohibited.push_back(std::move(topic));
        } else if (!metadata::validate_topic_name(topic)) {
            invalid.push_back(std::move(topic));
        }
    }
    if (!prohibited.empty()) {
        return fail(ErrorCode::streams_invalid_topology,
                    fmt::format("Use of Kafka internal topics {} in a Kafka Streams topology is "
                                "prohibited.",
                                fmt::join(prohibited, ",")));
    }
    if (invalid.empty()) return {};
    return fail(ErrorCode::streams_invalid_topology,
                fmt::format("Topic names {} are not valid topic names.", fmt::join(invalid, ",")));
}

Response::Status* missing_topics_status(Response& response) {
    for (auto& status : *response.status) {
        if (status.status_code == static_cast<int>(groups::StreamsStatus::missing_internal_topics))
            return &status;
    }
    return nullptr;
}

Task<Response> answer(const Request& request, const Caller& caller,
                      const config::BrokerConfig& config, MetadataCache& cache, Groups& groups,
                      StreamsTopics& topics, ClientQuotas& limits) {
    auto refuse = [](ErrorCode error) { return Response{.error_code = error}; };
    if (!serves_streams_groups(config, *cache.image()))
        co_return refuse(ErrorCode::unsupported_version);
    Result<> checked = check_topics(request);
    if (!checked) {
        Response refused = refuse(checked.error().code);
        refused.error_message = checked.error().message;
        co_return refused;
    }
    groups::Client client{std::string(caller.client_id()), "/" + caller.peer().address.host};
    StreamsHeartbeat told = co_await groups.with(
        request.group_id, [&](GroupHost& host) { return host.streams_heartbeat(request, client); },
        [&](ErrorCode error) {
            return StreamsHeartbeat{.response = refuse(error), .missing = {}};
        });
    if (told.missing.empty()) co_return std::move(told.response);
    Duration patience = Duration::milliseconds(2 * told.response.heartbeat_interval_ms);
    auto quota = limits.mutations(caller.request, quotas::MutationQuota::Kind::strict);
    topics.make(told.missing, caller, std::move(quota), patience);
    std::string failures = topics.failures_of(told.missing);
    Response::Status* status = missing_topics_status(told.response);
    if (!failures.empty() && status != nullptr)
        status->status_detail += fmt::format("; Creation failed: {}.", failures);
    co_return std::move(told.response);
}

}  // namespace

constinit const Handler handlers::streams_group_heartbeat = serve<answer>;

}  // namespace millrace::broker
