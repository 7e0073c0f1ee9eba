#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "cli/group_report.h"
#include "cli/reset_targets.h"
#include "client/admin.h"
#include "client/topic_partition.h"

namespace millrace::cli {

class Arguments;
class Output;

// Works out where the groups of one command are to go on, as its flags say (--to-earliest,
// --shift-by, --from-file, ...), and commits it where --execute is given.
class OffsetReset {
  public:
    using Offsets = ResetOffsets;
    // The partitions that are meant, of a group that has committed these offsets.
    using Scope = std::function<Task<Result<std::vector<client::TopicPartition>>>(
        const std::string& group, const Offsets& committed)>;

    OffsetReset(client::Admin& admin, const Arguments& arguments, Output& output, Scope scope)
        : admin_(admin),
          arguments_(arguments),
          output_(output),
          scope_(std::move(scope)),
          targets_(admin, output) {}

    Task<Result<std::vector<ResetRow>>> group(std::string id);

  private:
    Task<Result<Offsets>> wanted(const std::string& id);
    Result<Timestamp> reset_time() const;
    Task<Result<Offsets>> committed_offsets(const std::string& id);
    Task<Result<Offsets>> shifted(const std::vector<client::TopicPartition>& partitions,
                                  const Offsets& committed);
    Task<Result<Offsets>> current(const std::vector<client::TopicPartition>& partitions,
                                  const Offsets& committed);
    Task<Result<Offsets>> from_file(const std::string& id);

    client::Admin& admin_;
    const Arguments& arguments_;
    Output& output_;
    Scope scope_;
    ResetTargets targets_;
};

// Whether a group in this state may be reset; it is told why not.
bool may_be_reset(std::string_view group, std::string_view state, Output& output);

}  // namespace millrace::cli
