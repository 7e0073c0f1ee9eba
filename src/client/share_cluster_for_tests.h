#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "client/consumer_cluster_for_tests.h"
#include "client/share_records.h"
#include "core/share/share_partition.h"
#include "protocol/share_acknowledge.h"
#include "protocol/share_fetch.h"
#include "protocol/share_group_heartbeat.h"

namespace millrace::client {

// One broker with topics in memory, the coordinator of one share group and its partitions:
// Millrace's own, with share coordinators that take no time.
class ShareClusterForTests {
  public:
    explicit ShareClusterForTests(env::Shard& shard) : brokers(shard), shard_(shard) {
        brokers.broker.on<ShareGroupHeartbeatRequest>(
            [this](const ShareGroupHeartbeatRequest& request, std::int16_t) {
                return answer_heartbeat(request);
            });
        brokers.broker.on<ShareAcknowledgeRequest>(
            [this](const ShareAcknowledgeRequest& request, std::int16_t) {
                return answer_acknowledge(request);
            });
        brokers.broker.on(ApiKey::share_fetch,
                          [this](const Incoming& in) { return answer_fetch(in); });
    }

    share::SharePartition& partition(const std::string& topic, std::int32_t index) {
        SharePartition name{groups::ConsumerGroupBench::id_of(topic), index};
        auto at = partitions_.find(name);
        if (at == partitions_.end())
            at = partitions_.emplace(name, *share::SharePartition::restore(0, {})).first;
        return at->second;
    }
    // Everything that was written is done with.
    bool is_done(const std::string& topic, std::int32_t index) {
        auto end = brokers.logs.at(topic).at(static_cast<std::size_t>(index)).end();
        return partition(topic, index).start_offset() == end;
    }
    // Records that members hold.
    std::int64_t acquired(const std::string& topic, std::int32_t index) {
        std::int64_t count = 0;
        for (const auto& [first, run] : partition(topic, index).all())
            if (run.state == share::RecordState::acquired) count += run.last - first + 1;
        return count;
    }
    // As a broker that was restarted.
    void forget_sessions() {
        sessions_.clear();
        for (auto& [name, partition] : partitions_)
            partition = *share::SharePartition::restore(partition.start_offset(), {});
    }
    std::size_t sessions() const { return sessions_.size(); }
    std::size_t members() const {
        const groups::ShareGroup* group = brokers.coordinated.groups.shares().find("g");
        return group == nullptr ? 0 : group->members().size();
    }

    ConsumerClusterForTests brokers;
    share::ShareLimits limits;
    // What an acknowledgement is answered instead, once for each.
    std::deque<ErrorCode> acknowledge_errors;
    int acknowledge_requests = 0;

  private:
    struct Session {
        std::int32_t epoch = 0;  // of the next request
        std::set<SharePartition> partitions;
    };

    ShareGroupHeartbeatResponse answer_heartbeat(const ShareGroupHeartbeatRequest& request) {
        groups::ConsumerGroupBench& bench = brokers.coordinated;
        auto decision = bench.groups.share_heartbeat(request, {"c", "/h"}, bench.now);
        bench.conclude("g", std::move(decision.records), {});
        if (decision.initialize)
            bench.conclude("g", bench.groups.shares().initialized(*decision.initialize), {});
        return decision.response;
    }

    share::SharePartition& partition(const SharePartition& name) {
        return partition(topic_of(name.topic_id), name.index);
    }
    std::string topic_of(const Uuid& id) const {
        for (const auto& topic : brokers.broker.metadata.topics)
            if (topic.topic_id == id) return *topic.name;
        CHECK(false);
        return "";
    }
    void settle(share::SharePartition& partition, const share::SharePartition::Change& change) {
        partition.settle(change.id, true, limits, shard_.now());
    }
    void release_all(const std::string& member) {
        for (auto& [name, partition] : partitions_)
            settle(partition, partition.release(member, limits));
    }

    template <typename Batches>
    ErrorCode acknowledge(const std::string& member, const SharePartition& name,
                          const Batches& batches) {
        if (batches.empty()) return ErrorCode::none;
        if (!acknowledge_errors.empty()) {
            ErrorCode error = acknowledge_errors.front();
            acknowledge_errors.pop_front();
            return error;
        }
        std::vector<share::Acknowledgement> all;
        for (const auto& batch : batches)
            all.push_back({{batch.first_offset, batch.last_offset}, batch.acknowledge_types});
        auto change = partition(name).acknowledge(member, all, limits, shard_.now());
        if (!change) return change.error().code;
        settle(partition(name), *change);
        return ErrorCode::none;
    }

    // The session that the request belongs to; nullptr with the error.
    Session* session_of(const std::string& member, std::int32_t epoch, ErrorCode& error) {
        if (epoch == 0) {
            release_all(member);
            sessions_[member] = {};
        }
        auto found = sessions_.find(member);
        if (found == sessions_.end()) {
            error = ErrorCode::share_session_not_found;
            return nullptr;
        }
        if (epoch >= 0 && found->second.epoch != epoch) {
            error = ErrorCode::invalid_share_session_epoch;
            return nullptr;
        }
        ++found->second.epoch;
        return &found->second;
    }

    ShareAcknowledgeResponse answer_acknowledge(const ShareAcknowledgeRequest& request) {
        ++acknowledge_requests;
        ShareAcknowledgeResponse response;
        EXPECT_NE(request.share_session_epoch, 0);
        std::string member = *request.member_id;
        if (session_of(member, request.share_session_epoch, response.error_code) == nullptr)
            return response;
        for (const auto& topic : request.topics) {
            auto& answered = response.responses.emplace_back();
            answered.topic_id = topic.topic_id;
            for (const auto& asked : topic.partitions) {
                auto& told = answered.partitions.emplace_back();
                told.partition_index = asked.partition_index;
                told.error_code = acknowledge(member, {topic.topic_id, asked.partition_index},
                                              asked.acknowledgement_batches);
            }
        }
        if (request.share_session_epoch < 0) {
            sessions_.erase(member);
            release_all(member);
        }
        response.acquisition_lock_timeout_ms = static_cast<std::int32_t>(limits.lock_duration.ms());
        return response;
    }

    Task<std::optional<Chain>> answer_fetch(const Incoming& in) {
        std::int16_t version = in.header.request_api_version;
        Reader reader(in.body);
        auto request = ShareFetchRequest::decode(reader, version);
        CHECK(request.has_value());
        ShareFetchResponse response;
        std::string member = *request->member_id;
        std::int32_t correlation_id = in.header.correlation_id;
        Session* session = session_of(member, request->share_session_epoch, response.error_code);
        if (session == nullptr)
            co_return *encode_response(correlation_id, ApiKey::share_fetch, version, response);
        std::map<SharePartition, ErrorCode> acknowledged;
        for (const auto& topic : request->topics) {
            for (const auto& asked : topic.partitions) {
                SharePartition name{topic.topic_id, asked.partition_index};
                session->partitions.insert(name);
                if (asked.acknowledgement_batches.empty()) continue;
                acknowledged[name] = acknowledge(member, name, asked.acknowledgement_batches);
            }
        }
        for (const auto& topic : request->forgotten_topics_data)
            for (std::int32_t index : topic.partitions)
                session->partitions.erase({topic.topic_id, index});
        std::set<SharePartition> wanted = session->partitions;
        for (const auto& [name, error] : acknowledged) wanted.insert(name);
        Time until = shard_.now() + Duration::milliseconds(request->max_wait_ms);
        for (;;) {
            response.responses.clear();
            bool gives = false;
            for (const SharePartition& name : wanted)
                gives = fill(member, *request, name, acknowledged, response) || gives;
            if (gives || shard_.now() >= until) break;
            co_await env::sleep_for(shard_, Duration::milliseconds(2));
        }
        response.acquisition_lock_timeout_ms = static_cast<std::int32_t>(limits.lock_duration.ms());
        co_return *encode_response(correlation_id, ApiKey::share_fetch, version, response);
    }

    bool fill(const std::string& member, const ShareFetchRequest& request,
              const SharePartition& name, const std::map<SharePartition, ErrorCode>& acknowledged,
              ShareFetchResponse& response) {
        if (response.responses.empty() || response.responses.back().topic_id != name.topic_id)
            response.responses.emplace_back().topic_id = name.topic_id;
        ShareFetchResponse::PartitionData& data =
            response.responses.back().partitions.emplace_back();
        data.partition_index = name.index;
        data.records.emplace();  // which may be empty, but not missing
        if (auto at = acknowledged.find(name); at != acknowledged.end())
            data.acknowledge_error_code = at->second;
        share::SharePartition& shared = partition(name);
        settle(shared, shared.expire(limits, shard_.now()));
        std::optional<std::int64_t> offset = shared.fetch_offset(limits);
        const LogForTests& log =
            brokers.logs.at(topic_of(name.topic_id)).at(static_cast<std::size_t>(name.index));
        if (!offset || request.max_records == 0) return false;
        Slice bytes = log.read(*offset, static_cast<std::size_t>(request.max_bytes));
        if (bytes.empty()) return false;
        share::SharePartition::Acquire asked{
            .member_id = member,
            .mode = static_cast<share::AcquireMode>(request.share_acquire_mode),
            .batch_size = request.batch_size,
            .max_records = request.max_records,
            .fetch_offset = *offset,
            .batches = {},
            .aborted = {}};
        BatchReader reader(bytes);
        for (auto batch = reader.next(); batch && *batch; batch = reader.next())
            asked.batches.push_back({(*batch)->base_offset(), (*batch)->last_offset()});
        for (const auto& range : shared.acquire(asked, limits, shard_.now()))
            data.acquired_records.push_back({range.first, range.last, range.delivery_count});
        if (data.acquired_records.empty()) return false;
        data.records = Chain(std::move(bytes));
        return true;
    }

    env::Shard& shard_;
    std::map<std::string, Session> sessions_;
    std::map<SharePartition, share::SharePartition> partitions_;
};

}  // namespace millrace::client
