#pragma once

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "client/admin_group_offsets.h"
#include "client/cluster.h"
#include "client/connection.h"
#include "env/shard.h"
#include "protocol/consumer_group_heartbeat.h"
#include "protocol/offset_commit.h"
#include "server/clients_for_tests.h"

namespace millrace::server {

// A group of the consumer protocol (KIP-848) on one topic, watched from outside: its members beat
// by raw requests, and a partition goes to the next one only when the last one has given it back,
// or has been silent for the session timeout.
class BeatingGroup {
  public:
    static constexpr Duration session = Duration::seconds(6);

    enum class Commits : std::uint8_t { made_up_offsets, nothing };
    BeatingGroup(std::string id, std::string topic, Commits commits)
        : id_(std::move(id)), topic_(std::move(topic)), commits_what_(commits) {}

    const std::string& id() const { return id_; }
    // All members leave.
    void finish() { finished_ = true; }
    std::size_t grants() const { return grants_; }
    std::size_t commits() const { return commits_; }
    // Partitions that members hold whom the coordinator has answered lately.
    std::size_t held(Time now) const {
        std::size_t count = 0;
        for (const auto& [partition, owner] : owners_) {
            auto beat = last_beat_.find(owner);
            count += beat != last_beat_.end() && now - beat->second < session ? 1 : 0;
        }
        return count;
    }

    // Members that hold them.
    std::size_t owners(Time now) const {
        std::set<std::string> living;
        for (const auto& [partition, owner] : owners_) {
            auto beat = last_beat_.find(owner);
            if (beat != last_beat_.end() && now - beat->second < session) living.insert(owner);
        }
        return living.size();
    }

    // One leaves before the others where `leaves` becomes true.
    Task<void> take_part(env::Shard& shard, const bool& leaves = never) {
        auto config = client_config<client::ConsumerConfig>(
            "request.timeout.ms=4000\nreconnect.backoff.max.ms=500\n");
        client::Cluster cluster(shard, config.cluster());
        Member member(*this, shard, cluster, leaves);
        co_await and_finally(shard, [&] { return member.live(); }, [&] { return cluster.close(); });
    }

    // What was acknowledged is there.
    Task<void> check_committed(env::Shard& shard) {
        co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
            auto found = co_await client::list_group_offsets(admin, id_, std::nullopt);
            EXPECT_TRUE(found) << (found ? "" : found.error().message);
            if (!found) co_return;
            for (const auto& [partition, offset] : committed_) {
                auto at = found->find(client::TopicPartition{topic_, partition});
                bool there = at != found->end() && at->second;
                EXPECT_TRUE(there) << id_ << ": the offset of " << partition << " is lost";
                if (!there) continue;
                EXPECT_GE(at->second->offset, offset)
                    << id_ << ": the offset of " << partition << " went back";
            }
        });
    }

  private:
    static constexpr bool never = false;

    // A member in one of its lives.
    class Member {
      public:
        Member(BeatingGroup& group, env::Shard& shard, client::Cluster& cluster, const bool& leaves)
            : group_(group),
              shard_(shard),
              cluster_(cluster),
              leaves_(leaves),
              id_(Uuid::random(shard.random()).to_string()) {}

        Task<void> live() {
            while (!group_.finished_ && !leaves_) {
                bool again = co_await beat();
                if (again) continue;
                if (shard_.random().chance(0.3)) co_await commit();
                co_await env::sleep_for(shard_, Duration::milliseconds(500));
            }
            lose_all();
            ConsumerGroupHeartbeatRequest leave;
            leave.group_id = group_.id_;
            leave.member_id = id_;
            leave.member_epoch = -1;
            (void)co_await ask(leave);
        }

      private:
        template <typename Request>
        Task<Result<client::Reply<typename Request::Response>>> ask(
            Request request, client::CallOptions options = {}) {
            auto connected =
                co_await cluster_.coordinator(client::CoordinatorType::group, group_.id_);
            if (!connected) co_return fail(connected.error());
            co_return co_await (*connected)->call(request, options);
        }
        ConsumerGroupHeartbeatRequest request() const {
            ConsumerGroupHeartbeatRequest request;
            request.group_id = group_.id_;
            request.member_id = id_;
            request.member_epoch = epoch_;
            if (!whole_) return request;
            request.rebalance_timeout_ms = 10'000;
            request.subscribed_topic_names = {group_.topic_};
            request.topic_partitions.emplace();
            if (!held_.empty())
                request.topic_partitions->push_back({topic_id_, {held_.begin(), held_.end()}});
            return request;
        }
        // Whether the next one is to follow at once.
        Task<bool> beat() {
            Time began = shard_.now();
            auto reply = co_await ask(request());
            if (!reply) {
                forget_coordinator();
                co_return false;
            }
            const ConsumerGroupHeartbeatResponse& told = reply->response;
            switch (told.error_code) {
                case ErrorCode::none:
                    break;
                case ErrorCode::fenced_member_epoch:
                case ErrorCode::unknown_member_id:
                // The others, of the classic protocol, have the group to themselves.
                case ErrorCode::group_id_not_found:
                    lose_all();
                    epoch_ = 0;
                    may_commit_ = true;
                    co_return true;
                default:
                    EXPECT_TRUE(is_passing(told.error_code)) << name_of(told.error_code);
                    forget_coordinator();
                    co_return false;
            }
            epoch_ = told.member_epoch;
            group_.last_beat_[id_] = began;
            whole_ = false;
            if (!told.assignment) co_return false;
            co_return take(*told.assignment);
        }
        bool take(const ConsumerGroupHeartbeatResponse::Assignment& assignment) {
            std::set<std::int32_t> next;
            for (const auto& topic : assignment.topic_partitions) {
                topic_id_ = topic.topic_id;
                next.insert(topic.partitions.begin(), topic.partitions.end());
            }
            bool changed = next != held_;
            for (std::int32_t partition : held_) {
                if (!next.contains(partition)) group_.owners_.erase(partition);
            }
            for (std::int32_t partition : next) {
                if (!held_.contains(partition)) group_.grant(partition, id_, shard_.now());
            }
            held_ = std::move(next);
            whole_ = changed;  // what it has now is told at once
            return changed;
        }
        Task<void> commit() {
            bool wanted = group_.commits_what_ == Commits::made_up_offsets;
            if (!wanted || held_.empty() || !may_commit_) co_return;
            OffsetCommitRequest request;
            request.group_id = group_.id_;
            request.member_id = id_;
            request.generation_id_or_member_epoch = epoch_;
            auto& topic = request.topics.emplace_back();
            topic.name = group_.topic_;
            std::map<std::int32_t, std::int64_t> offsets;
            for (std::int32_t partition : held_) {
                std::int64_t offset = offsets[partition] = ++group_.next_offset_;
                topic.partitions.push_back(
                    {.partition_index = partition, .committed_offset = offset});
            }
            auto reply = co_await ask(request, {.max_version = 9});
            if (!reply) {
                // It may come late, over what is committed next.
                may_commit_ = false;
                forget_coordinator();
                co_return;
            }
            for (const auto& answered : reply->response.topics.front().partitions) {
                if (answered.error_code != ErrorCode::none) continue;
                ++group_.commits_;
                auto& most = group_.committed_[answered.partition_index];
                most = std::max(most, offsets[answered.partition_index]);
            }
        }
        static bool is_passing(ErrorCode code) {
            return code == ErrorCode::not_coordinator ||
                   code == ErrorCode::coordinator_not_available ||
                   code == ErrorCode::coordinator_load_in_progress;
        }
        void forget_coordinator() {
            cluster_.forget_coordinator(client::CoordinatorType::group, group_.id_);
            whole_ = true;
        }
        void lose_all() {
            for (std::int32_t partition : held_) {
                auto owner = group_.owners_.find(partition);
                if (owner != group_.owners_.end() && owner->second == id_)
                    group_.owners_.erase(owner);
            }
            held_.clear();
            whole_ = true;
        }

        BeatingGroup& group_;
        env::Shard& shard_;
        client::Cluster& cluster_;
        const bool& leaves_;
        std::string id_;
        std::int32_t epoch_ = 0;
        bool whole_ = true;  // the next heartbeat tells all
        bool may_commit_ = true;
        Uuid topic_id_;
        std::set<std::int32_t> held_;
    };

    void grant(std::int32_t partition, const std::string& to, Time now) {
        ++grants_;
        auto [owner, first] = owners_.try_emplace(partition, to);
        if (first || owner->second == to) return;
        Duration silent = now - last_beat_[owner->second];
        EXPECT_GE(silent.ms(), session.ms())
            << id_ << ": partition " << partition << " goes to " << to << " while " << owner->second
            << " has it, who was heard of " << silent.ms() << " ms ago";
        owner->second = to;
    }

    std::string id_;
    std::string topic_;
    Commits commits_what_;
    bool finished_ = false;
    std::size_t grants_ = 0;
    std::size_t commits_ = 0;
    std::int64_t next_offset_ = 0;
    std::map<std::int32_t, std::string> owners_;
    std::map<std::string, Time> last_beat_;  // of a member: when its last answered one began
    std::map<std::int32_t, std::int64_t> committed_;
};

}  // namespace millrace::server
