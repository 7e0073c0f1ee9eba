#pragma once

#include <algorithm>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "client/cluster.h"
#include "client/connection.h"
#include "client/share_consumer.h"
#include "env/shard.h"
#include "protocol/share_fetch.h"
#include "protocol/share_group_heartbeat.h"
#include "server/clients_for_tests.h"
#include "server/ledger_for_tests.h"

namespace millrace::server {

// A share group (KIP-932) on one topic of one node, watched from outside: its members beat, fetch
// and acknowledge by raw requests, or are share consumers. What one was told that it has accepted
// comes to nobody again.
class SharingGroup {
  public:
    static constexpr int delivery_limit = 10;

    static constexpr Duration lock = Duration::seconds(3);  // share.record.lock.duration.ms

    // Of the nodes' configuration.
    static constexpr std::string_view lines =
        "group.share.min.session.timeout.ms=1000\ngroup.share.session.timeout.ms=6000\n"
        "group.share.min.heartbeat.interval.ms=100\ngroup.share.heartbeat.interval.ms=500\n"
        "group.share.min.record.lock.duration.ms=1000\ngroup.share.record.lock.duration.ms=3000\n"
        "group.share.delivery.count.limit=10\n";

    // `servers`: a line of the clients' configuration.
    SharingGroup(std::string id, std::string topic, std::string servers = {})
        : id_(std::move(id)), topic_(std::move(topic)), servers_(std::move(servers)) {}

    const std::string& id() const { return id_; }
    // All members leave.
    void finish() { finished_ = true; }
    // Nothing but members' own doing ends a hold from now on: a record that a consumer has is given
    // to no other one before its lock ends. Until disturbed(), that is.
    void undisturbed() { calm_ = true; }
    void disturbed() {
        calm_ = false;
        holders_.clear();
    }
    std::size_t held() const { return held_count_; }  // that were watched so
    std::size_t accepted() const { return accepted_.size(); }
    std::size_t redelivered() const { return redelivered_; }
    bool is_done_with(const Ledger& ledger) const {
        for (std::int32_t i = 0; i < ledger.partitions(); ++i) {
            for (std::int64_t offset = 0; offset < ledger.end(i); ++offset)
                if (!is_done(i, offset)) return false;
        }
        return true;
    }
    // Somebody has accepted it, or may have; or it was given out as often as may be.
    bool is_done(std::int32_t partition, std::int64_t offset) const {
        Place place{partition, offset};
        auto deliveries = deliveries_.find(place);
        return accepted_.contains(place) || perhaps_accepted_.contains(place) ||
               (deliveries != deliveries_.end() && deliveries->second >= delivery_limit);
    }

    // One leaves before the others where `leaves` becomes true.
    Task<void> take_part(env::Shard& shard, const bool& leaves = never) {
        auto config = client_config<client::ConsumerConfig>(
            "request.timeout.ms=4000\nreconnect.backoff.max.ms=500\n");
        client::Cluster cluster(shard, config.cluster());
        Member member(*this, shard, cluster, leaves);
        co_await and_finally(shard, [&] { return member.live(); }, [&] { return cluster.close(); });
    }

    // The same with the native client.
    Task<void> take_part_as_consumer(env::Shard& shard) {
        auto config = client_config<client::ShareConsumerConfig>(fmt::format(
            "{}group.id={}\nshare.acknowledgement.mode=explicit\nmax.poll.records=20\n"
            "request.timeout.ms=4000\nreconnect.backoff.max.ms=500\n"
            "default.api.timeout.ms=10000\nshare.acquire.mode={}\n",
            servers_, id_, shard.random().chance(0.5) ? "record_limit" : "batch_optimized"));
        client::Cluster cluster(shard, config.cluster());
        auto consumer = client::ShareConsumer::create(cluster, config);
        CHECK(consumer.has_value());
        (*consumer)->on_acknowledged([this](const client::TopicPartition& partition,
                                            const client::Acknowledgements& ranges,
                                            const Result<>& outcome) {
            for (const client::AcknowledgedRange& range : ranges) {
                if (!outcome || range.type != client::AcknowledgeType::accept) continue;
                for (std::int64_t i = range.first; i <= range.last; ++i)
                    accepted_.insert({partition.partition, i});
            }
        });
        auto end = [&]() -> Task<void> {
            std::erase_if(holders_,
                          [&](const auto& held) { return held.second.by == consumer->get(); });
            EXPECT_TRUE(co_await (*consumer)->close(Duration::seconds(8)));
            co_await cluster.close();
        };
        co_await and_finally(shard, [&] { return consume(shard, **consumer); }, end);
    }

  private:
    static constexpr bool never = false;
    using Place = std::pair<std::int32_t, std::int64_t>;

    Task<void> consume(env::Shard& shard, client::ShareConsumer& consumer) {
        EXPECT_TRUE(consumer.subscribe({topic_}));
        while (!finished_) {
            auto given = co_await consumer.poll(Duration::milliseconds(300));
            EXPECT_TRUE(given) << id_ << ": " << (given ? "" : given.error().message);
            if (!given) co_return;
            for (const client::AcquiredBatch& batch : given->batches) take(shard, consumer, batch);
            // Some answers go by themselves, and some records are held a little longer.
            if (shard.random().chance(0.1)) (void)co_await consumer.commit();
            if (shard.random().chance(0.05))
                co_await env::sleep_for(shard, Duration::milliseconds(1500));
        }
    }
    void take(env::Shard& shard, client::ShareConsumer& consumer,
              const client::AcquiredBatch& batch) {
        using client::AcknowledgeType;
        for (std::size_t i = 0; i < batch.records.size(); ++i) {
            Place place{batch.partition.partition, batch.records[i].offset};
            note(place, batch.delivery_counts[i]);
            hold(place, &consumer, shard.now());
            double chance = shard.random().unit();
            AcknowledgeType type = chance < 0.05   ? AcknowledgeType::release
                                   : chance < 0.08 ? AcknowledgeType::renew
                                                   : AcknowledgeType::accept;
            if (type == AcknowledgeType::accept) perhaps_accepted_.insert(place);
            if (type == AcknowledgeType::release) holders_.erase(place);
            EXPECT_TRUE(consumer.acknowledge(batch.partition, place.second, type));
        }
    }
    void note(const Place& place, int delivery_count) {
        EXPECT_FALSE(accepted_.contains(place)) << "offset " << place.second << " of partition "
                                                << place.first << " was accepted, and comes again";
        EXPECT_LE(delivery_count, delivery_limit);
        if (delivery_count > 1) ++redelivered_;
        int& most = deliveries_[place];
        most = std::max(most, delivery_count);
    }

    struct Hold {
        const void* by;
        Time until;
    };
    void hold(const Place& place, const void* by, Time now) {
        if (!calm_) return;
        auto [held, first] = holders_.try_emplace(place, Hold{by, now + lock});
        if (!first) {
            // The lock began when the node gave the record out, a little before it came.
            Duration early = held->second.until - now;
            EXPECT_TRUE(held->second.by == by || early < lock / 2)
                << "offset " << place.second << " of partition " << place.first
                << " comes to another " << early.ms() << " ms before its lock ends";
            held->second = {by, now + lock};
        }
        ++held_count_;
    }

    // A member in one of its lives.
    class Member {
      public:
        Member(SharingGroup& group, env::Shard& shard, client::Cluster& cluster, const bool& leaves)
            : group_(group),
              shard_(shard),
              cluster_(cluster),
              leaves_(leaves),
              id_(Uuid::random(shard.random()).to_string()) {}

        Task<void> live() {
            while (!group_.finished_ && !leaves_) {
                if (shard_.now() >= next_beat_) co_await beat(false);
                if (epoch_ > 0 && (!assigned_.empty() || session_epoch_ > 0)) {
                    co_await fetch();
                } else {
                    co_await env::sleep_for(shard_, Duration::milliseconds(100));
                }
            }
            co_await beat(true);
        }

      private:
        template <typename Request>
        Task<Result<client::Reply<typename Request::Response>>> ask(Request request) {
            auto connected =
                co_await cluster_.coordinator(client::CoordinatorType::group, group_.id_);
            if (!connected) co_return fail(connected.error());
            auto reply = co_await (*connected)->call(request);
            if (!reply) cluster_.forget_coordinator(client::CoordinatorType::group, group_.id_);
            co_return reply;
        }

        Task<void> beat(bool leaves) {
            next_beat_ = shard_.now() + Duration::milliseconds(500);
            ShareGroupHeartbeatRequest request{
                .group_id = group_.id_, .member_id = id_, .member_epoch = leaves ? -1 : epoch_};
            if (epoch_ == 0) request.subscribed_topic_names = {group_.topic_};
            auto reply = co_await ask(request);
            if (!reply || leaves) co_return;
            const ShareGroupHeartbeatResponse& told = reply->response;
            if (told.error_code != ErrorCode::none) {
                EXPECT_NE(told.error_code, ErrorCode::unknown_server_error);
                EXPECT_NE(told.error_code, ErrorCode::invalid_request);
                epoch_ = 0;
                co_return;
            }
            epoch_ = told.member_epoch;
            if (!told.assignment) co_return;
            assigned_.clear();
            for (const auto& topic : told.assignment->topic_partitions) {
                topic_id_ = topic.topic_id;
                assigned_.insert(topic.partitions.begin(), topic.partitions.end());
            }
        }

        ShareFetchRequest request() {
            ShareFetchRequest request{.group_id = group_.id_,
                                      .member_id = id_,
                                      .share_session_epoch = session_epoch_,
                                      .max_wait_ms = 300,
                                      .min_bytes = 1,
                                      .max_bytes = 1 << 20,
                                      .max_records = 20,
                                      .batch_size = 20};
            request.share_acquire_mode = shard_.random().chance(0.5) ? 1 : 0;
            auto& topic = request.topics.emplace_back();
            topic.topic_id = topic_id_;
            std::set<std::int32_t> all = assigned_;
            for (const auto& [partition, answers] : answers_) all.insert(partition);
            for (std::int32_t partition : all) {
                auto& asked = topic.partitions.emplace_back();
                asked.partition_index = partition;
                for (const auto& [offset, type] : answers_[partition])
                    asked.acknowledgement_batches.push_back({offset, offset, {type}});
            }
            for (std::int32_t partition : in_session_) {
                if (all.contains(partition)) continue;
                if (request.forgotten_topics_data.empty())
                    request.forgotten_topics_data.push_back({topic_id_, {}});
                request.forgotten_topics_data.front().partitions.push_back(partition);
            }
            in_session_ = std::move(all);
            return request;
        }

        Task<void> fetch() {
            if (session_epoch_ == 0) answers_.clear();
            auto sent = answers_;
            ShareFetchRequest asked = request();
            answers_.clear();
            for (const auto& [partition, answers] : sent) {
                for (const auto& [offset, type] : answers)
                    if (type == accept) group_.perhaps_accepted_.insert({partition, offset});
            }
            auto reply = co_await ask(asked);
            if (!reply || reply->response.error_code != ErrorCode::none) {
                session_epoch_ = 0;
                in_session_.clear();
                if (!reply) co_await env::sleep_for(shard_, Duration::milliseconds(100));
                co_return;
            }
            ++session_epoch_;
            for (const auto& topic : reply->response.responses) {
                for (const auto& partition : topic.partitions) {
                    if (partition.acknowledge_error_code == ErrorCode::none)
                        accepted(partition.partition_index, sent[partition.partition_index]);
                    take(partition);
                }
            }
        }
        void accepted(std::int32_t partition, const std::map<std::int64_t, std::int8_t>& answers) {
            for (const auto& [offset, type] : answers)
                if (type == accept) group_.accepted_.insert({partition, offset});
        }
        void take(const ShareFetchResponse::PartitionData& partition) {
            for (const auto& range : partition.acquired_records) {
                for (std::int64_t i = range.first_offset; i <= range.last_offset; ++i) {
                    Place place{partition.partition_index, i};
                    group_.note(place, range.delivery_count);
                    double chance = shard_.random().unit();
                    if (chance < 0.03 && !group_.finished_)
                        continue;  // held until its lock is over
                    answers_[place.first][i] = chance < 0.08 ? release : accept;
                }
            }
        }

        static constexpr std::int8_t accept = 1;
        static constexpr std::int8_t release = 2;

        SharingGroup& group_;
        env::Shard& shard_;
        client::Cluster& cluster_;
        const bool& leaves_;
        std::string id_;
        std::int32_t epoch_ = 0;
        std::int32_t session_epoch_ = 0;
        Time next_beat_;
        Uuid topic_id_;
        std::set<std::int32_t> assigned_;
        std::set<std::int32_t> in_session_;
        std::map<std::int32_t, std::map<std::int64_t, std::int8_t>> answers_;
    };

    std::string id_;
    std::string topic_;
    bool finished_ = false;
    std::size_t redelivered_ = 0;
    std::set<Place> accepted_;
    std::set<Place> perhaps_accepted_;
    std::map<Place, int> deliveries_;
    std::string servers_;
    bool calm_ = false;
    std::map<Place, Hold> holders_;
    std::size_t held_count_ = 0;
};

}  // namespace millrace::server
