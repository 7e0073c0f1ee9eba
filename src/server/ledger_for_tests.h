#pragma once

#include <algorithm>
#include <charconv>
#include <deque>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "env/shard.h"
#include "server/clients_for_tests.h"

namespace millrace::server {

// What the clients of a topic sent, were told and have read, and what must hold of its logs for
// that. The records' values are "PRODUCER:NUMBER" and padding, numbered in the order of sending.
class Ledger {
  public:
    // `servers`: a line of the clients' configuration.
    Ledger(std::string topic, std::int32_t partitions, std::string servers = {})
        : topic_(std::move(topic)), partitions_(partitions), servers_(std::move(servers)) {}

    const std::string& topic() const { return topic_; }
    std::int32_t partitions() const { return partitions_; }
    std::size_t acknowledged() const { return acknowledged_.size(); }
    std::size_t refused() const { return refused_; }
    std::size_t observed() const { return observed_count_; }
    client::Partitions names() const {
        client::Partitions all;
        for (std::int32_t i = 0; i < partitions_; ++i) all.emplace_back(topic_, i);
        return all;
    }

    // Sends `count` records, more or less steadily, and notes what it is told of each.
    Task<void> produce(env::Shard& shard, int producer, int count, std::string_view lines) {
        co_await with_producer(
            shard, servers_ + std::string(lines), [&](client::Producer& to) -> Task<void> {
                std::deque<Sent> sent;
                for (int i = 0; i < count; ++i) {
                    int number = next_number_[producer]++;
                    auto partition = static_cast<std::int32_t>(
                        shard.random().below(static_cast<std::uint64_t>(partitions_)));
                    std::string value = fmt::format("{}:{} ", producer, number);
                    value.append(shard.random().below(500), 'x');
                    auto delivery = co_await to.send(
                        {.topic = topic_, .partition = partition, .value = as_bytes(value)});
                    if (delivery) {
                        sent.push_back({partition, value, *delivery});
                    } else {
                        note_refused(value, delivery.error());
                    }
                    while (!sent.empty() && sent.front().delivery.done()) settle(sent);
                    if (shard.random().chance(0.5)) continue;
                    co_await env::sleep_for(
                        shard, Duration::microseconds(shard.random().between(0, 100'000)));
                }
                while (!sent.empty()) {
                    Result<client::RecordMetadata> ended = co_await sent.front().delivery.get();
                    (void)ended;  // as settle() reads it
                    settle(sent);
                }
            });
    }
    // Whether a record may fail for good: where the node refuses what it cannot store.
    void allow_refusals() { refusals_allowed_ = true; }

    // Reads from the beginning, in order, all that can be read, until `done()`. What was seen once
    // stays, and the end never goes back.
    Task<void> observe(env::Shard& shard, std::string_view lines, std::function<bool()> done) {
        co_await with_consumer(
            shard, servers_ + std::string(lines), [&](client::Consumer& consumer) -> Task<void> {
                EXPECT_TRUE(consumer.assign(names()));
                for (const auto& each : names()) EXPECT_TRUE(consumer.seek(each, 0));
                std::map<client::TopicPartition, std::int64_t> ends;
                while (!done()) {
                    auto records = co_await consumer.poll(Duration::milliseconds(200));
                    EXPECT_TRUE(records) << (records ? "" : records.error().message);
                    if (!records) co_return;
                    for (const auto& batch : records->batches) note_observed(batch);
                    if (!shard.random().chance(0.2)) continue;
                    auto told = co_await consumer.end_offsets(names());
                    if (!told) continue;  // it is away for longer than a call waits
                    for (const auto& [partition, end] : *told) {
                        EXPECT_GE(end, ends[partition])
                            << to_string(partition) << ": the high watermark went back";
                        ends[partition] = end;
                    }
                }
            });
    }

    // Reads everything and compares it with what was told.
    Task<void> check(env::Shard& shard) {
        contents_.assign(static_cast<std::size_t>(partitions_), {});
        co_await with_consumer(
            shard, servers_ + "auto.offset.reset=earliest\ndefault.api.timeout.ms=120000\n",
            [&](client::Consumer& consumer) -> Task<void> {
                EXPECT_TRUE(consumer.assign(names()));
                auto ends = co_await consumer.end_offsets(names());
                EXPECT_TRUE(ends) << (ends ? "" : ends.error().message);
                if (!ends) co_return;
                std::int64_t total = 0;
                for (const auto& [partition, end] : *ends) total += end;
                Time most = shard.now() + Duration::seconds(300);
                while (total > 0 && shard.now() < most) {
                    auto records = co_await consumer.poll(Duration::seconds(5));
                    EXPECT_TRUE(records) << (records ? "" : records.error().message);
                    if (!records) co_return;
                    total -= static_cast<std::int64_t>(records->count);
                    for (const auto& batch : records->batches) note_content(batch);
                }
                EXPECT_EQ(total, 0) << "records below the high watermark cannot be read";
            });
        if (testing::Test::HasFailure()) co_return;
        check_order();
        check_acknowledged();
        check_observed();
    }
    // As check() has found it.
    std::int64_t end(std::int32_t partition) const {
        auto index = static_cast<std::size_t>(partition);
        return index < contents_.size() ? static_cast<std::int64_t>(contents_[index].size()) : 0;
    }

  private:
    struct Sent {
        std::int32_t partition;
        std::string value;
        client::Delivery delivery;
    };
    struct Place {
        std::int32_t partition;
        std::int64_t offset;  // -1: not told
    };

    void settle(std::deque<Sent>& sent) {
        Sent each = std::move(sent.front());
        sent.pop_front();
        Result<client::RecordMetadata> result = each.delivery.result();
        if (!result) {
            note_refused(each.value, result.error());
            return;
        }
        EXPECT_EQ(result->partition.partition, each.partition);
        acknowledged_[each.value] = {each.partition, result->offset};
    }
    void note_refused(const std::string& value, const Error& error) {
        ++refused_;
        EXPECT_TRUE(refusals_allowed_)
            << name_of_value(value) << ": " << name_of(error.code) << ": " << error.message;
    }
    void note_observed(const client::ConsumedBatch& batch) {
        std::string name = to_string(batch.partition);
        auto& seen = observed_[batch.partition.partition];
        for (const auto& record : batch.records) {
            EXPECT_EQ(record.offset, static_cast<std::int64_t>(seen.size()))
                << name << ": read out of order, or with a gap";
            seen.emplace_back(as_string(*record.value));
            ++observed_count_;
        }
    }
    void note_content(const client::ConsumedBatch& batch) {
        auto& content = contents_.at(static_cast<std::size_t>(batch.partition.partition));
        for (const auto& record : batch.records) {
            EXPECT_EQ(record.offset, static_cast<std::int64_t>(content.size()))
                << to_string(batch.partition) << " has a gap";
            content.emplace_back(as_string(*record.value));
        }
    }
    static std::string_view name_of_value(std::string_view value) {
        return value.substr(0, value.find(' '));
    }
    // Each record at most once, and those of one producer in the order of sending.
    void check_order() const {
        for (std::size_t partition = 0; partition < contents_.size(); ++partition) {
            std::map<std::string, int> last;
            for (const std::string& value : contents_[partition]) {
                std::size_t colon = value.find(':');
                int number = -1;
                std::from_chars(value.data() + colon + 1, value.data() + value.size(), number);
                auto [at, first] = last.try_emplace(value.substr(0, colon), -1);
                EXPECT_GT(number, at->second)
                    << topic_ << "-" << partition << ": " << name_of_value(value)
                    << " is there twice or too late";
                at->second = number;
            }
        }
    }
    void check_acknowledged() const {
        std::map<std::string, Place> found;
        for (std::size_t partition = 0; partition < contents_.size(); ++partition) {
            std::int64_t offset = 0;
            for (const std::string& value : contents_[partition])
                found[value] = {static_cast<std::int32_t>(partition), offset++};
        }
        for (const auto& [value, told] : acknowledged_) {
            auto at = found.find(value);
            if (at == found.end()) {
                ADD_FAILURE() << name_of_value(value) << " was acknowledged at " << topic_ << "-"
                              << told.partition << " offset " << told.offset << " and is lost";
                continue;
            }
            EXPECT_EQ(at->second.partition, told.partition) << name_of_value(value);
            if (told.offset < 0) continue;
            EXPECT_EQ(at->second.offset, told.offset) << name_of_value(value);
        }
    }
    void check_observed() const {
        for (const auto& [partition, seen] : observed_) {
            const auto& content = contents_.at(static_cast<std::size_t>(partition));
            EXPECT_LE(seen.size(), content.size()) << topic_ << "-" << partition;
            for (std::size_t i = 0; i < std::min(seen.size(), content.size()); ++i) {
                EXPECT_EQ(seen[i], content[i])
                    << topic_ << "-" << partition << " offset " << i << " was read and is another";
            }
        }
    }

    std::string topic_;
    std::int32_t partitions_;
    std::string servers_;
    bool refusals_allowed_ = false;
    std::size_t refused_ = 0;
    std::size_t observed_count_ = 0;
    std::map<int, int> next_number_;
    std::map<std::string, Place> acknowledged_;
    std::map<std::int32_t, std::vector<std::string>> observed_;
    std::vector<std::vector<std::string>> contents_;
};

}  // namespace millrace::server
