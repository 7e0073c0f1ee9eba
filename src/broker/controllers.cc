#include "broker/controllers.h"

#include "broker/log.h"
#include "core/metadata/topic_names.h"

namespace millrace::broker {
namespace {

using Creatable = CreateTopicsRequest::CreatableTopic;

// What a coordinator's topic needs; nothing for other topics.
void prepare_coordinator_topic(Creatable& topic, const config::BrokerConfig& config) {
    auto set = [&](std::string key, std::string value) {
        auto& entry = topic.configs.emplace_back();
        entry.name = std::move(key);
        entry.value = std::move(value);
    };
    if (topic.name == metadata::consumer_offsets_topic) {
        topic.num_partitions = config.offsets_topic_num_partitions();
        topic.replication_factor = config.offsets_topic_replication_factor();
        set("cleanup.policy", "compact");
        set("compression.type", "producer");
        set("segment.bytes", std::to_string(config.offsets_topic_segment_bytes()));
    } else if (topic.name == metadata::transaction_state_topic) {
        topic.num_partitions = config.transaction_state_log_num_partitions();
        topic.replication_factor = config.transaction_state_log_replication_factor();
        set("unclean.leader.election.enable", "false");
        set("compression.type", "uncompressed");
        set("cleanup.policy", "compact");
        set("min.insync.replicas", std::to_string(config.transaction_state_log_min_isr()));
        set("segment.bytes", std::to_string(config.transaction_state_log_segment_bytes()));
    } else if (topic.name == metadata::share_group_state_topic) {
        topic.num_partitions = config.share_coordinator_state_topic_num_partitions();
        topic.replication_factor = config.share_coordinator_state_topic_replication_factor();
        set("cleanup.policy", "delete");
        set("compression.type", "producer");
        set("min.insync.replicas", std::to_string(config.share_coordinator_state_topic_min_isr()));
        set("retention.ms", "-1");
        set("segment.bytes", std::to_string(config.share_coordinator_state_topic_segment_bytes()));
    }
}

Creatable creatable(std::string name, const config::BrokerConfig& config) {
    Creatable topic;
    topic.name = std::move(name);
    topic.num_partitions = -1;
    topic.replication_factor = -1;
    prepare_coordinator_topic(topic, config);
    return topic;
}

void complain(const Result<CreateTopicsResponse>& answered) {
    if (!answered) {
        LOG_WARN("topics cannot be created now: {}", answered.error().message);
        return;
    }
    for (const auto& topic : answered->topics) {
        bool is_there = topic.error_code == ErrorCode::none ||
                        topic.error_code == ErrorCode::topic_already_exists;
        if (is_there) continue;
        LOG_WARN("topic {} cannot be created automatically: {}", topic.name,
                 topic.error_message.value_or(std::string(meaning_of(topic.error_code))));
    }
}

}  // namespace

// Nobody leads, or whoever does was not reached.
bool Controllers::may_change(ErrorCode code) {
    return code == ErrorCode::not_controller || code == ErrorCode::network_exception ||
           code == ErrorCode::broker_not_available;
}

Duration Controllers::pause_after(int failures) {
    constexpr client::Backoff backoff{Duration::milliseconds(20), Duration::milliseconds(500)};
    return backoff.after(failures, shard_.random());
}

controller::CreateTopics Controllers::creation_of(const std::vector<std::string>& topics) const {
    CreateTopicsRequest request;
    request.timeout_ms = config_.request_timeout_ms();
    for (const std::string& name : topics) request.topics.push_back(creatable(name, config_));
    return {.request = std::move(request)};
}

Task<void> Controllers::auto_create(std::vector<std::string> topics) {
    complain(co_await submit(creation_of(topics)));
}

void Controllers::auto_create_later(std::vector<std::string> topics, const Caller& caller,
                                    controller::MutationQuotaPtr quota) {
    constexpr std::size_t most_being_made = 100;
    std::erase_if(topics, [&](const std::string& name) {
        return being_made_.size() >= most_being_made || !being_made_.insert(name).second;
    });
    if (topics.empty()) return;
    scope_.spawn(create_for(std::move(topics), forwarded_for(caller.peer(), caller.client_id()),
                            std::move(quota)));
}

Task<void> Controllers::create_for(std::vector<std::string> topics, ForwardedFor sender,
                                   controller::MutationQuotaPtr quota) {
    controller::CreateTopics command = creation_of(topics);
    command.quota = std::move(quota);
    complain(co_await submit_for(command, std::move(sender), CreateTopicsRequest::max_version));
    for (const std::string& name : topics) being_made_.erase(name);
}

void Controllers::create_later(std::vector<Creatable> topics, const Caller& caller,
                               controller::MutationQuotaPtr quota,
                               std::function<void(const Result<CreateTopicsResponse>&)> done) {
    controller::CreateTopics command;
    command.request.timeout_ms = config_.request_timeout_ms();
    command.request.topics = std::move(topics);
    command.quota = std::move(quota);
    auto create = [](Controllers& self, controller::CreateTopics wanted, ForwardedFor sender,
                     auto tell) -> Task<void> {
        tell(co_await self.submit_for(wanted, std::move(sender), CreateTopicsRequest::max_version));
    };
    scope_.spawn(create(*this, std::move(command), forwarded_for(caller.peer(), caller.client_id()),
                        std::move(done)));
}

Task<quorum::QuorumStatus> Controllers::status() {
    auto ask = [this](env::Shard&) -> Task<quorum::QuorumStatus> { co_return quorum_.status(); };
    co_return co_await env::call_on(shard_, 0, ask);
}

}  // namespace millrace::broker
