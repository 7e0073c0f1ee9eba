#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/error_code.h"
#include "records/batch.h"
#include "records/record.h"

namespace millrace::client {

// A partition's log as a leader keeps it, for tests: batches in memory, and of each producer what
// it takes to refuse what is out of order and to know what it has already.
class LogForTests {
  public:
    struct Appended {
        ErrorCode error = ErrorCode::none;
        std::int64_t base_offset = -1;
    };

    Appended append(Bytes bytes, std::size_t max_batch_size) {
        auto batch = BatchView::parse(bytes);
        if (!batch || !batch->verify_crc()) return {ErrorCode::corrupt_message};
        if (bytes.size() > max_batch_size) return {ErrorCode::message_too_large};
        if (batch->has_producer_id()) {
            Appended known = check(*batch);
            if (known.error != ErrorCode::none || known.base_offset >= 0) return known;
        }
        std::int64_t base = end();
        std::vector<std::uint8_t> copy(bytes.begin(), bytes.end());
        set_base_offset(copy, base);
        set_leader_epoch(copy, leader_epoch);
        BatchView stored = BatchView::trusted(copy);
        CHECK(for_each_record(stored, [&](const Record& record) {
                  values.emplace_back(record.value ? as_string(*record.value) : "");
                  keys.emplace_back(record.key ? as_string(*record.key) : "");
              }).has_value());
        batches.push_back(std::move(copy));
        return {ErrorCode::none, base};
    }

    // Whole batches from the one that holds `offset` on, at least one, about `limit` bytes.
    Slice read(std::int64_t offset, std::size_t limit) const {
        Buffer bytes;
        for (const auto& batch : batches) {
            if (BatchView::trusted(batch).last_offset() < offset) continue;
            if (!bytes.empty() && bytes.size() + batch.size() > limit) break;
            bytes.append(Bytes(batch));
        }
        return std::move(bytes).freeze();
    }
    std::int64_t end() const { return static_cast<std::int64_t>(values.size()); }

    std::vector<std::string> values;  // by offset
    std::vector<std::string> keys;
    std::vector<std::vector<std::uint8_t>> batches;
    std::int32_t leader_epoch = 1;

  private:
    struct Batch {
        std::int32_t first = 0;
        std::int32_t last = 0;
        std::int64_t offset = 0;
    };
    struct Producer {
        std::int16_t epoch = -1;
        std::deque<Batch> last_five;
    };

    // An error, an offset that it has already, or neither: the batch is the next one.
    Appended check(const BatchView& batch) {
        auto [at, added] = producers_.try_emplace(batch.producer_id());
        Producer& producer = at->second;
        if (batch.producer_epoch() < producer.epoch) return {ErrorCode::invalid_producer_epoch};
        bool new_epoch = batch.producer_epoch() > producer.epoch;
        if (!new_epoch) {
            for (const Batch& had : producer.last_five)
                if (had.first == batch.base_sequence() && had.last == batch.last_sequence())
                    return {ErrorCode::none, had.offset};
        }
        std::int32_t next = new_epoch || producer.last_five.empty()
                                ? 0
                                : advance_sequence(producer.last_five.back().last, 1);
        if (batch.base_sequence() != next) return {ErrorCode::out_of_order_sequence_number};
        if (new_epoch) producer.last_five.clear();
        producer.epoch = batch.producer_epoch();
        producer.last_five.push_back({batch.base_sequence(), batch.last_sequence(), end()});
        if (producer.last_five.size() > 5) producer.last_five.pop_front();
        return {};
    }

    std::map<std::int64_t, Producer> producers_;
};

}  // namespace millrace::client
