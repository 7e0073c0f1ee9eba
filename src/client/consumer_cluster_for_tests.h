#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/condition.h"
#include "client/broker_for_tests.h"
#include "client/log_for_tests.h"
#include "core/groups/classic_group.h"
#include "core/groups/consumer_groups_for_tests.h"
#include "protocol/consumer_group_heartbeat.h"
#include "protocol/fetch.h"
#include "protocol/find_coordinator.h"
#include "protocol/heartbeat.h"
#include "protocol/join_group.h"
#include "protocol/leave_group.h"
#include "protocol/list_offsets.h"
#include "protocol/offset_commit.h"
#include "protocol/offset_fetch.h"
#include "protocol/offset_for_leader_epoch.h"
#include "protocol/sync_group.h"
#include "records/builder.h"

namespace millrace::client {

// One broker with topics in memory and the coordinator of one group of each protocol: Millrace's
// own groups, with a commit that takes no time.
class ConsumerClusterForTests {
  public:
    explicit ConsumerClusterForTests(env::Shard& shard)
        : broker(shard), shard_(shard), started_(shard.now()), scope_(shard) {
        group_.emplace("g", options());
        serve_offsets();
        serve_group();
        serve_commits();
        broker.on(ApiKey::fetch, [this](const Incoming& in) { return answer_fetch(in); });
    }
    void start() {
        broker.start();
        scope_.spawn(tick());
    }
    Task<void> stop() {
        co_await scope_.close();
        co_await broker.stop();
    }

    void add_topic(const std::string& name, int partitions) {
        broker.add_topic(name, std::vector<std::int32_t>(static_cast<std::size_t>(partitions), 1));
        coordinated.create_topic(name, partitions);
        broker.metadata.topics.back().topic_id = groups::ConsumerGroupBench::id_of(name);
        logs[name].resize(static_cast<std::size_t>(partitions));
    }
    // A batch of one record each.
    void write(const std::string& topic, std::size_t partition, const std::string& value,
               Timestamp timestamp = 1000) {
        BatchBuilder builder;
        builder.append(timestamp, std::nullopt, as_bytes(value));
        logs.at(topic).at(partition).append(builder.build(), 1 << 20);
    }
    // As when its session ended.
    void drop_members() {
        groups::Actions actions;
        group_->end(ErrorCode::unknown_member_id, actions);
        carry_out(std::move(actions));
        group_.emplace("g", options());
    }
    const groups::ClassicGroup& group() const { return *group_; }
    // As when no heartbeat of the members of coordinated groups came for so long.
    void let_sessions_end() {
        away_ = away_ + Duration::seconds(60);
        settle_coordinated();
    }
    std::size_t coordinated_members() const {
        const groups::ConsumerGroup* group = coordinated.groups.consumers().find("g");
        return group == nullptr ? 0 : group->size();
    }

    BrokerForTests broker;
    groups::ConsumerGroupBench coordinated{coordinated_options()};
    std::vector<ConsumerGroupHeartbeatRequest> heartbeats;
    // What a heartbeat is answered instead, once for each.
    std::deque<ErrorCode> heartbeat_errors;
    std::map<std::string, std::vector<LogForTests>> logs;
    std::map<std::pair<std::string, std::int32_t>, std::int64_t> committed;
    std::map<std::pair<std::string, std::int32_t>, std::int64_t> log_starts;
    // What OffsetForLeaderEpoch answers.
    std::int64_t epoch_end = 1'000'000;
    int fetches_with_session = 0;

  private:
    static const groups::GroupOptions& options() {
        static const groups::GroupOptions options = [] {
            groups::GroupOptions made;
            made.initial_rebalance_delay = Duration::milliseconds(50);
            return made;
        }();
        return options;
    }

    static groups::GroupOptions coordinated_options() {
        groups::GroupOptions made;
        made.consumer.times = [](const metadata::Image&, const std::string&) {
            return groups::GroupTimes{.session_timeout = Duration::seconds(6),
                                      .heartbeat_interval = Duration::milliseconds(100)};
        };
        return made;
    }
    void settle_coordinated() {
        coordinated.now = Time() + Duration::seconds(1'000) + (shard_.now() - started_) + away_;
        coordinated.settle();
    }
    ConsumerGroupHeartbeatResponse answer_heartbeat(const ConsumerGroupHeartbeatRequest& request,
                                                    std::int16_t version) {
        heartbeats.push_back(request);
        settle_coordinated();
        if (heartbeat_errors.empty()) return coordinated.beat(request, version);
        ConsumerGroupHeartbeatResponse response;
        response.error_code = heartbeat_errors.front();
        heartbeat_errors.pop_front();
        return response;
    }
    ErrorCode check_commit(const OffsetCommitRequest& request, const Uuid& topic,
                           std::int32_t partition) {
        if (request.member_id.empty()) return ErrorCode::none;
        const groups::ConsumerGroup* group = coordinated.groups.consumers().find(request.group_id);
        if (group == nullptr)
            return group_->check_commit(request.member_id, request.group_instance_id,
                                        request.generation_id_or_member_epoch, shard_.now());
        auto check = coordinated.groups.consumers().check_commit(
            *group, request.member_id, request.group_instance_id,
            request.generation_id_or_member_epoch, 10, false);
        if (check.whole != ErrorCode::none || !check.partition) return check.whole;
        return check.partition({}, topic, partition);
    }

    void carry_out(groups::Actions actions) {
        while (!actions.replies.empty() || !actions.writes.empty()) {
            groups::Actions more;
            for (auto& reply : actions.replies)
                replies_.insert_or_assign(reply.ticket, std::move(reply.response));
            for (const auto& write : actions.writes)
                group_->written(write.id, ErrorCode::none, shard_.now(), more);
            actions = std::move(more);
        }
        replied_.notify_all();
    }
    Task<void> tick() {
        for (;;) {
            co_await env::sleep_for(shard_, Duration::milliseconds(20));
            groups::Actions actions;
            group_->tick(shard_.now(), actions);
            carry_out(std::move(actions));
            settle_coordinated();
        }
    }
    template <typename Request>
    void serve_ticketed(
        std::function<void(const Request&, std::int16_t, groups::Ticket, groups::Actions&)> begin) {
        broker.on(Request::api_key, [this, begin](const Incoming& in) {
            return answer_ticketed<Request>(in, begin);
        });
    }
    template <typename Request>
    Task<std::optional<Chain>> answer_ticketed(
        const Incoming& in,
        std::function<void(const Request&, std::int16_t, groups::Ticket, groups::Actions&)> begin) {
        std::int16_t version = in.header.request_api_version;
        std::int32_t correlation_id = in.header.correlation_id;
        Reader reader(in.body);
        auto request = Request::decode(reader, version);
        CHECK(request.has_value());
        groups::Ticket ticket = ++tickets_;
        groups::Actions actions;
        begin(*request, version, ticket, actions);
        carry_out(std::move(actions));
        while (!replies_.contains(ticket)) co_await replied_.wait();
        auto response = std::get<typename Request::Response>(std::move(replies_.at(ticket)));
        replies_.erase(ticket);
        co_return *encode_response(correlation_id, Request::api_key, version, response);
    }

    void serve_group() {
        broker.on<FindCoordinatorRequest>(
            [this](const FindCoordinatorRequest& request, std::int16_t) {
                FindCoordinatorResponse response;
                for (const std::string& key : request.coordinator_keys) {
                    auto& found = response.coordinators.emplace_back();
                    found.key = key;
                    found.node_id = broker.id();
                    found.host = broker.address().host;
                    found.port = broker.address().port;
                }
                return response;
            });
        serve_ticketed<JoinGroupRequest>([this](const JoinGroupRequest& request,
                                                std::int16_t version, groups::Ticket ticket,
                                                groups::Actions& actions) {
            group_->join(request, version, {"c", "/h"}, "member-" + std::to_string(ticket), ticket,
                         shard_.now(), actions);
        });
        serve_ticketed<SyncGroupRequest>([this](const SyncGroupRequest& request, std::int16_t,
                                                groups::Ticket ticket, groups::Actions& actions) {
            group_->sync(request, ticket, shard_.now(), actions);
        });
        broker.on<HeartbeatRequest>([this](const HeartbeatRequest& request, std::int16_t) {
            HeartbeatResponse response;
            response.error_code = group_->heartbeat(request, shard_.now());
            return response;
        });
        broker.on<ConsumerGroupHeartbeatRequest>(
            [this](const ConsumerGroupHeartbeatRequest& request, std::int16_t version) {
                return answer_heartbeat(request, version);
            });
        broker.on<LeaveGroupRequest>([this](const LeaveGroupRequest& request,
                                            std::int16_t version) {
            groups::Actions actions;
            LeaveGroupResponse response = group_->leave(request, version, shard_.now(), actions);
            carry_out(std::move(actions));
            return response;
        });
    }

    void serve_commits() {
        broker.on<OffsetCommitRequest>([this](const OffsetCommitRequest& request, std::int16_t) {
            OffsetCommitResponse response;
            for (const auto& topic : request.topics) {
                auto& answered = response.topics.emplace_back();
                answered.name = topic.name;
                answered.topic_id = topic.topic_id;
                std::string name = name_of(topic);
                for (const auto& partition : topic.partitions) {
                    ErrorCode error =
                        check_commit(request, topic.topic_id, partition.partition_index);
                    answered.partitions.push_back({partition.partition_index, error});
                    if (error == ErrorCode::none)
                        committed[{name, partition.partition_index}] = partition.committed_offset;
                }
            }
            return response;
        });
        broker.on<OffsetFetchRequest>([this](const OffsetFetchRequest& request, std::int16_t) {
            OffsetFetchResponse response;
            auto& group = response.groups.emplace_back();
            group.group_id = request.groups.at(0).group_id;
            Result<> checked = coordinated.groups.check_fetch(
                group.group_id, request.groups[0].member_id, request.groups[0].member_epoch);
            if (!checked) {
                group.error_code = checked.error().code;
                return response;
            }
            for (const auto& topic : *request.groups[0].topics) {
                auto& answered = group.topics.emplace_back();
                answered.name = topic.name;
                answered.topic_id = topic.topic_id;
                for (std::int32_t partition : topic.partition_indexes) {
                    auto found = committed.find({name_of(topic), partition});
                    auto& told = answered.partitions.emplace_back();
                    told.partition_index = partition;
                    told.committed_offset = found == committed.end() ? -1 : found->second;
                }
            }
            return response;
        });
    }
    // From version 10 on topics are named by their ids.
    template <typename Topic>
    std::string name_of(const Topic& topic) const {
        return topic.name.empty() ? *topic_of(topic.topic_id).name : std::string(topic.name);
    }

    void serve_offsets() {
        broker.on<ListOffsetsRequest>([this](const ListOffsetsRequest& request, std::int16_t) {
            EXPECT_EQ(request.replica_id, -1);
            ListOffsetsResponse response;
            for (const auto& topic : request.topics) {
                auto& answered = response.topics.emplace_back();
                answered.name = topic.name;
                for (const auto& partition : topic.partitions) {
                    auto& told = answered.partitions.emplace_back();
                    told.partition_index = partition.partition_index;
                    told.offset = offset_at(topic.name, partition.partition_index,
                                            partition.timestamp, told.timestamp);
                }
            }
            return response;
        });
        broker.on<OffsetForLeaderEpochRequest>(
            [this](const OffsetForLeaderEpochRequest& request, std::int16_t) {
                OffsetForLeaderEpochResponse response;
                for (const auto& topic : request.topics) {
                    auto& answered = response.topics.emplace_back();
                    answered.topic = topic.topic;
                    for (const auto& partition : topic.partitions)
                        answered.partitions.push_back({ErrorCode::none, partition.partition,
                                                       partition.leader_epoch, epoch_end});
                }
                return response;
            });
    }
    std::int64_t offset_at(const std::string& topic, std::int32_t partition, Timestamp time,
                           Timestamp& found_time) {
        const LogForTests& log = logs.at(topic).at(static_cast<std::size_t>(partition));
        std::int64_t start = log_starts[{topic, partition}];
        if (time == -1) return log.end();
        if (time == -2) return start;
        for (const auto& bytes : log.batches) {
            BatchView batch = BatchView::trusted(bytes);
            if (batch.max_timestamp() < time || batch.last_offset() < start) continue;
            found_time = batch.max_timestamp();
            return batch.base_offset();
        }
        return -1;
    }

    struct Wanted {
        std::int64_t offset = 0;
        std::int32_t max_bytes = 0;
        std::int32_t leader_epoch = -1;
    };
    struct Session {
        std::int32_t epoch = 0;
        std::map<std::pair<std::string, std::int32_t>, Wanted> partitions;
    };
    const MetadataResponse::MetadataResponseTopic& topic_of(const Uuid& id) const {
        for (const auto& topic : broker.metadata.topics)
            if (topic.topic_id == id) return topic;
        CHECK(false);
        return broker.metadata.topics.front();
    }

    Task<std::optional<Chain>> answer_fetch(const Incoming& in) {
        std::int16_t version = in.header.request_api_version;
        Reader reader(in.body);
        auto request = FetchRequest::decode(reader, version);
        CHECK(request.has_value());
        FetchResponse response;
        std::int32_t id = request->session_id;
        if (request->session_epoch == 0) {
            sessions_.erase(id);
            id = ++last_session_;
        } else if (!sessions_.contains(id)) {
            response.error_code = ErrorCode::fetch_session_id_not_found;
            co_return *encode_response(in.header.correlation_id, ApiKey::fetch, version, response);
        } else {
            ++fetches_with_session;
        }
        Session& session = sessions_[id];
        EXPECT_EQ(session.epoch++, request->session_epoch);
        for (const auto& topic : request->forgotten_topics_data)
            for (std::int32_t partition : topic.partitions)
                session.partitions.erase({*topic_of(topic.topic_id).name, partition});
        for (const auto& topic : request->topics)
            for (const auto& partition : topic.partitions)
                session.partitions[{*topic_of(topic.topic_id).name, partition.partition}] = {
                    partition.fetch_offset, partition.partition_max_bytes,
                    partition.current_leader_epoch};
        response.session_id = id;
        Time until = shard_.now() + Duration::milliseconds(request->max_wait_ms);
        std::vector<Slice> keep;
        while (!fill(session, response) && shard_.now() < until)
            co_await env::sleep_for(shard_, Duration::milliseconds(2));
        co_return *encode_response(in.header.correlation_id, ApiKey::fetch, version, response);
    }
    // Whether there is something to tell.
    bool fill(const Session& session, FetchResponse& response) {
        response.responses.clear();
        for (const auto& [name, wanted] : session.partitions) {
            const auto& topics = broker.metadata.topics;
            auto info = std::ranges::find_if(
                topics, [&](const auto& topic) { return topic.name == name.first; });
            CHECK(info != topics.end());
            FetchResponse::PartitionData data;
            data.partition_index = name.second;
            const LogForTests& log = logs.at(name.first).at(static_cast<std::size_t>(name.second));
            data.high_watermark = data.last_stable_offset = log.end();
            const auto& led = info->partitions.at(static_cast<std::size_t>(name.second));
            if (wanted.leader_epoch < led.leader_epoch) {
                data.error_code = ErrorCode::fenced_leader_epoch;
            } else if (wanted.offset < log_starts[name] || wanted.offset > log.end()) {
                data.error_code = ErrorCode::offset_out_of_range;
            } else {
                Slice records = log.read(wanted.offset, static_cast<std::size_t>(wanted.max_bytes));
                if (records.empty()) continue;
                data.records = Chain(std::move(records));
            }
            auto& topic = response.responses.emplace_back();
            topic.topic_id = info->topic_id;
            topic.partitions.push_back(std::move(data));
        }
        return !response.responses.empty();
    }

    env::Shard& shard_;
    Time started_;
    Duration away_;
    std::optional<groups::ClassicGroup> group_;
    Scope scope_;
    groups::Ticket tickets_ = 0;
    std::map<groups::Ticket, std::variant<JoinGroupResponse, SyncGroupResponse>> replies_;
    Condition replied_;
    std::map<std::int32_t, Session> sessions_;
    std::int32_t last_session_ = 0;
};

}  // namespace millrace::client
