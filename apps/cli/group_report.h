#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <fmt/format.h>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "client/topic_partition.h"

namespace millrace::cli {

class Output;

// What kafka-consumer-groups tells of one group, and how it looks.
// Tables are Kafka's to the blank: columns of at least 15, 10 for partitions, two line ends between
// groups; a missing cell is "-".

template <typename T>
std::string or_dash(const std::optional<T>& value) {
    return value ? fmt::format("{}", *value) : "-";
}
template <typename T>
boost::json::value or_null(const std::optional<T>& value) {
    return value ? boost::json::value(*value) : boost::json::value(nullptr);
}

// "\nCELL CELL CELL": each cell but the last padded to its width.
void print_row(std::span<const std::string> cells, std::span<const std::size_t> widths,
               Output& output);

// A partition that the group has a committed offset for, or a member that has none.
struct OffsetRow {
    std::optional<client::TopicPartition> partition;
    std::optional<std::int64_t> offset;
    std::optional<std::int32_t> leader_epoch;
    std::optional<std::int64_t> end_offset;
    std::string consumer_id = "-";
    std::string host = "-";
    std::string client_id = "-";

    std::optional<std::int64_t> lag() const {
        if (!offset || *offset == -1 || !end_offset) return std::nullopt;
        return *end_offset - *offset;
    }
};
void print_offsets(std::string_view group, std::span<const OffsetRow> rows, bool verbose,
                   Output& output);
boost::json::value to_json(const OffsetRow& row);

struct MemberRow {
    std::string consumer_id;
    std::string instance_id;  // empty: not static
    std::string host;
    std::string client_id;
    std::vector<client::TopicPartition> assignment;
    std::vector<client::TopicPartition> target;
    std::optional<std::int32_t> epoch;
    std::optional<std::int32_t> target_epoch;
    std::optional<bool> upgraded;  // of a consumer group: whether it speaks the new protocol
};
void print_members(std::string_view group, std::span<const MemberRow> rows, bool verbose,
                   Output& output);
boost::json::value to_json(const MemberRow& row);
// "a:0,1;b:2"
std::string assignment_text(std::vector<client::TopicPartition> partitions);

struct StateRow {
    std::string group;
    std::string coordinator;  // "host:9092  (1)"
    std::string assignor;
    std::string state;
    std::size_t members = 0;
    std::optional<std::int32_t> epoch;
    std::optional<std::int32_t> target_epoch;
};
void print_state(const StateRow& row, bool verbose, Output& output);

// What a reset will have committed, or has.
struct ResetRow {
    std::string group;
    client::TopicPartition partition;
    std::int64_t offset = 0;
};
void print_reset(std::span<const ResetRow> rows, bool any_group, Output& output);
void print_reset_json(std::span<const ResetRow> rows, bool executed, Output& output);
// "topic,partition,offset" a line, with the group in front when there are several.
void print_reset_csv(std::span<const ResetRow> rows, bool with_group, Output& output);

}  // namespace millrace::cli
