#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "client/topic_partition.h"

namespace millrace::cli {

// Where groups are to go on, by group.
using ResetPlan =
    std::map<std::string, std::map<client::TopicPartition, std::int64_t>, std::less<>>;

// The lines of --from-file: TOPIC,PARTITION,OFFSET for the one group that is named, or
// GROUP,TOPIC,PARTITION,OFFSET. Errors name the file and the line.
Result<ResetPlan> parse_reset_plan(std::string_view path, std::string_view text,
                                   std::string_view group);

}  // namespace millrace::cli
