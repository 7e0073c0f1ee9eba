#pragma once

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "client/admin_group_offsets.h"
#include "env/shard.h"
#include "server/clients_for_tests.h"

namespace millrace::server {

// A consumer group, watched from outside: who was given what in which generation, what was
// delivered to anybody, and what a commit was acknowledged of.
class WatchedGroup {
  public:
    // Of `lines`: the node decides who reads what, and how often members beat.
    static constexpr std::string_view coordinated = "group.protocol=consumer\n";

    WatchedGroup(std::string id, std::string topic, std::string lines = {})
        : id_(std::move(id)),
          topic_(std::move(topic)),
          lines_(fmt::format("group.id={}\nauto.offset.reset=earliest\nenable.auto.commit=false\n"
                             "default.api.timeout.ms=10000\nrequest.timeout.ms=4000\n{}{}",
                             id_, lines.find(coordinated) == std::string::npos ? classic : "",
                             lines)) {}

    const std::string& id() const { return id_; }
    // Ends all members, in order.
    void finish() { finished_ = true; }
    std::size_t generations() const { return owners_.size(); }
    // In the newest generation so many members have so many partitions together.
    bool is_shared(std::size_t partitions, std::size_t members) const {
        if (owners_.empty()) return false;
        std::set<std::string> owners;
        for (const auto& [partition, owner] : owners_.rbegin()->second) owners.insert(owner);
        return owners_.rbegin()->second.size() == partitions && owners.size() == members;
    }
    std::size_t commits() const { return commits_; }

    // One member's life: polls, and commits now and then. It leaves before the others where
    // `leaves` becomes true.
    Task<void> take_part(env::Shard& shard, const bool& leaves = never) {
        co_await with_consumer(shard, lines_, [&](client::Consumer& consumer) -> Task<void> {
            Listener listener(*this, consumer);
            EXPECT_TRUE(consumer.subscribe({topic_}, &listener));
            co_await and_finally(
                shard, [&] { return poll(shard, consumer, leaves); },
                [&]() -> Task<void> { co_await consumer.unsubscribe(); });
        });
    }

    bool has_delivered(std::int32_t partition, std::int64_t end) const {
        auto at = delivered_.find(partition);
        std::size_t count = at == delivered_.end() ? 0 : at->second.size();
        return count >= static_cast<std::size_t>(end);
    }
    void check_delivered(std::int32_t partition, std::int64_t end) const {
        for (std::int64_t offset = 0; offset < end; ++offset) {
            auto at = delivered_.find(partition);
            EXPECT_TRUE(at != delivered_.end() && at->second.contains(offset))
                << id_ << ": offset " << offset << " of partition " << partition
                << " was delivered to no member";
        }
    }
    // What was acknowledged is there.
    Task<void> check_committed(env::Shard& shard) {
        co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
            auto found = co_await client::list_group_offsets(admin, id_, std::nullopt);
            EXPECT_TRUE(found) << (found ? "" : found.error().message);
            if (!found) co_return;
            for (const auto& [partition, offset] : committed_) {
                auto at = found->find(client::TopicPartition{topic_, partition});
                EXPECT_TRUE(at != found->end() && at->second)
                    << id_ << ": the committed offset of partition " << partition << " is lost";
                if (at == found->end() || !at->second) continue;
                EXPECT_GE(at->second->offset, offset)
                    << id_ << ": the committed offset of partition " << partition << " went back";
            }
        });
    }

  private:
    static constexpr bool never = false;
    static constexpr std::string_view classic =
        "session.timeout.ms=6000\nheartbeat.interval.ms=1000\n";

    // Notes what a member is given.
    class Listener final : public client::RebalanceListener {
      public:
        Listener(WatchedGroup& group, client::Consumer& consumer)
            : group_(group), consumer_(consumer) {}
        Task<void> assigned(const client::Partitions& added) override {
            client::Consumer::Membership member = consumer_.membership();
            auto& owners = group_.owners_[member.generation];
            std::set<client::TopicPartition> all(added.begin(), added.end());
            for (const auto& each : consumer_.assignment()) all.insert(each);
            for (const client::TopicPartition& each : all) {
                auto [at, first] = owners.try_emplace(each.partition, member.member_id);
                EXPECT_EQ(at->second, member.member_id)
                    << group_.id_ << ": " << to_string(each) << " has two owners in generation "
                    << member.generation;
            }
            co_await group_.check_found(consumer_, added);
        }
        Task<void> revoked(const client::Partitions&) override { co_return; }

      private:
        WatchedGroup& group_;
        client::Consumer& consumer_;
    };

    Task<void> poll(env::Shard& shard, client::Consumer& consumer, const bool& leaves) {
        while (!finished_ && !leaves) {
            auto records = co_await consumer.poll(Duration::milliseconds(300));
            EXPECT_TRUE(records) << id_ << ": " << (records ? "" : records.error().message);
            if (!records) co_return;
            for (const auto& batch : records->batches) {
                auto& delivered = delivered_[batch.partition.partition];
                for (const auto& record : batch.records) delivered.insert(record.offset);
            }
            if (records->empty() || !shard.random().chance(0.5)) continue;
            client::PartitionOffsets positions = consumer.positions();
            if (!co_await consumer.commit(positions)) continue;
            ++commits_;
            for (const auto& [partition, position] : positions) {
                auto& most = committed_[partition.partition];
                most = std::max(most, position.offset);
            }
        }
    }
    // What a new owner finds is nothing older than what was acknowledged.
    Task<void> check_found(client::Consumer& consumer, client::Partitions partitions) {
        auto acknowledged = committed_;
        auto found = co_await consumer.committed(partitions);
        if (!found) co_return;  // the node is away
        for (const auto& partition : partitions) {
            if (!acknowledged.contains(partition.partition)) continue;
            auto at = found->find(partition);
            EXPECT_TRUE(at != found->end())
                << id_ << " found no offset of " << to_string(partition);
            if (at == found->end()) continue;
            EXPECT_GE(at->second.offset, acknowledged[partition.partition])
                << id_ << ": the committed offset of " << to_string(partition) << " went back";
        }
    }

    std::string id_;
    std::string topic_;
    std::string lines_;
    bool finished_ = false;
    std::size_t commits_ = 0;
    // By generation; with the other protocol, by the epoch in which the member is.
    std::map<std::int32_t, std::map<std::int32_t, std::string>> owners_;
    std::map<std::int32_t, std::set<std::int64_t>> delivered_;
    std::map<std::int32_t, std::int64_t> committed_;
};

}  // namespace millrace::server
