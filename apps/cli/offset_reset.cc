#include "cli/offset_reset.h"

#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/connect.h"
#include "cli/output.h"
#include "cli/reset_plan.h"
#include "cli/times.h"
#include "client/admin_group_offsets.h"
#include "client/admin_offsets.h"
#include "env/shard.h"

namespace millrace::cli {

using client::TopicPartition;
using Offsets = OffsetReset::Offsets;

Task<Result<std::vector<ResetRow>>> OffsetReset::group(std::string id) {
    ASSIGN_OR_CO_RETURN(Offsets offsets, co_await wanted(id));
    if (arguments_.has("execute") && !offsets.empty()) {
        std::map<TopicPartition, client::CommittedOffset> commits;
        for (const auto& [partition, offset] : offsets) commits[partition].offset = offset;
        auto outcomes = co_await client::alter_group_offsets(admin_, id, std::move(commits));
        for (auto& [partition, outcome] : outcomes) {
            if (!outcome) co_return fail(std::move(outcome).error());
        }
    }
    std::vector<ResetRow> rows;
    for (const auto& [partition, offset] : offsets) rows.push_back({id, partition, offset});
    co_return rows;
}

Task<Result<Offsets>> OffsetReset::wanted(const std::string& id) {
    if (arguments_.has("from-file")) co_return co_await from_file(id);
    ASSIGN_OR_CO_RETURN(Offsets committed, co_await committed_offsets(id));
    ASSIGN_OR_CO_RETURN(auto partitions, co_await scope_(id, committed));
    CO_RETURN_IF_ERROR(co_await targets_.check_partitions(partitions));
    if (arguments_.has("to-offset")) {
        Offsets same;
        for (const auto& one : partitions) {
            same[one] = arguments_.number("to-offset").value_or(0);
        }
        co_return co_await targets_.within_log(std::move(same));
    }
    if (arguments_.has("to-earliest")) {
        co_return co_await targets_.listed(partitions, client::offset_at::earliest);
    }
    if (arguments_.has("to-latest")) {
        co_return co_await targets_.listed(partitions, client::offset_at::latest);
    }
    if (arguments_.has("shift-by")) co_return co_await shifted(partitions, committed);
    if (arguments_.has("to-current")) co_return co_await current(partitions, committed);
    ASSIGN_OR_CO_RETURN(Timestamp time, reset_time());
    co_return co_await targets_.at_time(partitions, time);
}

Result<Timestamp> OffsetReset::reset_time() const {
    if (arguments_.has("to-datetime")) return parse_date_time(arguments_.text("to-datetime"));
    ASSIGN_OR_RETURN(std::int64_t back, parse_duration(arguments_.text("by-duration")));
    return admin_.shard().wall_ms() - back;
}

Task<Result<Offsets>> OffsetReset::committed_offsets(const std::string& id) {
    ASSIGN_OR_CO_RETURN(auto outcomes,
                        co_await client::list_group_offsets(admin_, id, std::nullopt));
    Offsets offsets;
    for (auto& [partition, offset] : outcomes) {
        if (!offset) co_return fail(std::move(offset).error());
        offsets[partition] = offset->offset;
    }
    co_return offsets;
}

Task<Result<Offsets>> OffsetReset::shifted(const std::vector<TopicPartition>& partitions,
                                           const Offsets& committed) {
    std::int64_t by = arguments_.number("shift-by").value_or(0);
    Offsets offsets;
    for (const auto& partition : partitions) {
        auto found = committed.find(partition);
        if (found == committed.end()) {
            co_return misuse(
                fmt::format("Cannot shift offset for partition {} since there is "
                            "no current committed offset",
                            to_string(partition)));
        }
        if (__builtin_add_overflow(found->second, by, &offsets[partition])) {
            co_return misuse(fmt::format("--shift-by {} is beyond all offsets", by));
        }
    }
    co_return co_await targets_.within_log(std::move(offsets));
}

// What is committed; the end of the log where nothing is.
Task<Result<Offsets>> OffsetReset::current(const std::vector<TopicPartition>& partitions,
                                           const Offsets& committed) {
    Offsets offsets;
    std::vector<TopicPartition> others;
    for (const auto& partition : partitions) {
        auto found = committed.find(partition);
        if (found == committed.end()) {
            others.push_back(partition);
        } else {
            offsets[partition] = found->second;
        }
    }
    ASSIGN_OR_CO_RETURN(Offsets ends, co_await targets_.listed(others, client::offset_at::latest));
    offsets.merge(ends);
    co_return offsets;
}

Task<Result<Offsets>> OffsetReset::from_file(const std::string& id) {
    std::string_view path = arguments_.text("from-file");
    ASSIGN_OR_CO_RETURN(std::string text, read_named_file(admin_.shard(), path));
    auto groups = arguments_.all("group");
    ASSIGN_OR_CO_RETURN(ResetPlan plan,
                        parse_reset_plan(path, text, groups.size() == 1 ? groups[0] : ""));
    auto found = plan.find(id);
    if (found == plan.end()) {
        output_.error(fmt::format("\nError: No reset plan for group {} found", id));
        co_return Offsets();
    }
    co_return co_await targets_.within_log(found->second);
}

bool may_be_reset(std::string_view group, std::string_view state, Output& output) {
    if (state == "Empty" || state == "Dead") return true;
    output.error(
        fmt::format("\nError: Assignments can only be reset if the group '{}' is inactive, but the "
                    "current state is {}.",
                    group, state));
    return false;
}

}  // namespace millrace::cli
