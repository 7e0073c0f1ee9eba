#pragma once

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "client/cluster.h"
#include "client/connection.h"
#include "env/shard.h"
#include "protocol/streams_group_heartbeat.h"
#include "server/clients_for_tests.h"

namespace millrace::server {

// A streams group (KIP-1071) of one stateful subtopology, watched from outside: its members beat by
// raw requests, and an active task goes to the next one only when the last one has given it back,
// or has been silent for the session timeout.
class StreamingGroup {
  public:
    static constexpr Duration session = Duration::seconds(6);

    StreamingGroup(std::string id, std::string topic)
        : id_(std::move(id)), topic_(std::move(topic)) {}

    const std::string& id() const { return id_; }
    std::string changelog() const { return id_ + "-store-changelog"; }
    // All members leave.
    void finish() { finished_ = true; }
    std::size_t grants() const { return grants_; }
    // Active tasks of members whom the coordinator has answered lately.
    std::size_t held(Time now) const {
        std::size_t count = 0;
        for (const auto& [task, owner] : owners_) {
            auto beat = last_beat_.find(owner);
            count += beat != last_beat_.end() && now - beat->second < session ? 1 : 0;
        }
        return count;
    }

    Task<void> take_part(env::Shard& shard) {
        auto config = client_config<client::ConsumerConfig>(
            "request.timeout.ms=4000\nreconnect.backoff.max.ms=500\n");
        client::Cluster cluster(shard, config.cluster());
        Member member(*this, shard, cluster);
        co_await and_finally(shard, [&] { return member.live(); }, [&] { return cluster.close(); });
    }

  private:
    using Request = StreamsGroupHeartbeatRequest;
    using Response = StreamsGroupHeartbeatResponse;

    // A member in one of its lives.
    class Member {
      public:
        Member(StreamingGroup& group, env::Shard& shard, client::Cluster& cluster)
            : group_(group),
              shard_(shard),
              cluster_(cluster),
              id_(Uuid::random(shard.random()).to_string()) {}

        Task<void> live() {
            while (!group_.finished_) {
                if (!co_await beat()) co_await env::sleep_for(shard_, Duration::milliseconds(500));
            }
            lose_all();
            (void)co_await ask({.group_id = group_.id_, .member_id = id_, .member_epoch = -1});
        }

      private:
        Task<Result<client::Reply<Response>>> ask(Request request) {
            auto connected =
                co_await cluster_.coordinator(client::CoordinatorType::group, group_.id_);
            if (!connected) co_return fail(connected.error());
            co_return co_await (*connected)->call(request);
        }
        Request request() const {
            Request request{.group_id = group_.id_, .member_id = id_, .member_epoch = epoch_};
            if (epoch_ == 0) {
                request.rebalance_timeout_ms = 10'000;
                request.process_id = "process-" + id_;
                auto& only = request.topology.emplace().subtopologies.emplace_back();
                only.subtopology_id = "0";
                only.source_topics = {group_.topic_};
                only.state_changelog_topics.emplace_back().name = group_.changelog();
            }
            if (!tells_) return request;
            request.active_tasks.emplace();
            request.standby_tasks.emplace();
            request.warmup_tasks.emplace();
            if (!active_.empty())
                request.active_tasks->push_back({"0", {active_.begin(), active_.end()}});
            if (!standby_.empty())
                request.standby_tasks->push_back({"0", {standby_.begin(), standby_.end()}});
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
            const Response& told = reply->response;
            switch (told.error_code) {
                case ErrorCode::none:
                    break;
                case ErrorCode::fenced_member_epoch:
                case ErrorCode::unknown_member_id:
                case ErrorCode::group_id_not_found:
                    lose_all();
                    epoch_ = 0;
                    co_return true;
                default:
                    EXPECT_TRUE(is_passing(told.error_code)) << name_of(told.error_code);
                    forget_coordinator();
                    co_return false;
            }
            epoch_ = told.member_epoch;
            group_.last_beat_[id_] = began;
            tells_ = false;
            if (!told.active_tasks) co_return false;
            co_return take(*told.active_tasks, *told.standby_tasks);
        }
        static std::set<std::int32_t> partitions_of(const std::vector<Response::TaskIds>& tasks) {
            std::set<std::int32_t> partitions;
            for (const auto& each : tasks)
                partitions.insert(each.partitions.begin(), each.partitions.end());
            return partitions;
        }
        bool take(const std::vector<Response::TaskIds>& active,
                  const std::vector<Response::TaskIds>& standby) {
            std::set<std::int32_t> next = partitions_of(active);
            std::set<std::int32_t> next_standby = partitions_of(standby);
            bool changed = next != active_ || next_standby != standby_;
            for (std::int32_t task : active_)
                if (!next.contains(task)) group_.owners_.erase(task);
            for (std::int32_t task : next) {
                EXPECT_FALSE(next_standby.contains(task)) << "active and standby here";
                if (!active_.contains(task)) group_.grant(task, id_, shard_.now());
            }
            active_ = std::move(next);
            standby_ = std::move(next_standby);
            tells_ = changed;  // what it has now is told at once
            return changed;
        }
        static bool is_passing(ErrorCode code) {
            return code == ErrorCode::not_coordinator ||
                   code == ErrorCode::coordinator_not_available ||
                   code == ErrorCode::coordinator_load_in_progress;
        }
        void forget_coordinator() {
            cluster_.forget_coordinator(client::CoordinatorType::group, group_.id_);
            tells_ = true;
        }
        void lose_all() {
            for (std::int32_t task : active_) {
                auto owner = group_.owners_.find(task);
                if (owner != group_.owners_.end() && owner->second == id_)
                    group_.owners_.erase(owner);
            }
            active_.clear();
            standby_.clear();
            tells_ = true;
        }

        StreamingGroup& group_;
        env::Shard& shard_;
        client::Cluster& cluster_;
        std::string id_;
        std::int32_t epoch_ = 0;
        bool tells_ = true;  // the next heartbeat tells what it has
        std::set<std::int32_t> active_;
        std::set<std::int32_t> standby_;
    };

    void grant(std::int32_t task, const std::string& to, Time now) {
        ++grants_;
        auto [owner, first] = owners_.try_emplace(task, to);
        if (first || owner->second == to) return;
        Duration silent = now - last_beat_[owner->second];
        EXPECT_GE(silent.ms(), session.ms())
            << id_ << ": task " << task << " goes to " << to << " while " << owner->second
            << " has it, who was heard of " << silent.ms() << " ms ago";
        owner->second = to;
    }

    std::string id_;
    std::string topic_;
    bool finished_ = false;
    std::size_t grants_ = 0;
    std::map<std::int32_t, std::string> owners_;
    std::map<std::string, Time> last_beat_;  // of a member: when its last answered one began
};

}  // namespace millrace::server
