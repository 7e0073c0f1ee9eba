#pragma once

#include <map>
#include <string>
#include <string_view>

#include "client/admin_share_groups.h"
#include "client/topic_partition.h"

namespace millrace::cli {

class Output;

// What kafka-share-groups tells of one group, and how it looks: Kafka's tables to the blank.

using ShareOffsets = client::Outcomes<client::TopicPartition, client::ShareOffset>;
void print_share_offsets(std::string_view group, const ShareOffsets& offsets, bool verbose,
                         Output& output);
void print_share_members(const client::ShareGroupDescription& group, bool verbose, Output& output);
// `coordinator` is "host:9092  (1)".
void print_share_state(const client::ShareGroupDescription& group, const std::string& coordinator,
                       bool verbose, Output& output);

}  // namespace millrace::cli
