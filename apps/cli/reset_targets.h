#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "client/admin.h"
#include "client/topic_partition.h"

namespace millrace::cli {

class Output;

using ResetOffsets = std::map<client::TopicPartition, std::int64_t>;

// Offsets of partitions that the offsets of a group are reset to.
class ResetTargets {
  public:
    ResetTargets(client::Admin& admin, Output& output) : admin_(admin), output_(output) {}

    // They exist and have leaders.
    Task<Result<>> check_partitions(const std::vector<client::TopicPartition>& partitions);
    // At a time of ListOffsets, or one of its named offsets.
    Task<Result<ResetOffsets>> listed(const std::vector<client::TopicPartition>& partitions,
                                      std::int64_t time);
    // The first record from the time on; the end of the log, with a warning, where there is none.
    Task<Result<ResetOffsets>> at_time(const std::vector<client::TopicPartition>& partitions,
                                       Timestamp time);
    // Moves offsets that the log does not have to its nearer end, with a warning.
    Task<Result<ResetOffsets>> within_log(ResetOffsets offsets);

  private:
    client::Admin& admin_;
    Output& output_;
};

}  // namespace millrace::cli
