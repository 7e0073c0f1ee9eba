#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/group_actions.h"
#include "cli/group_report.h"
#include "cli/offset_reset.h"
#include "cli/output.h"

namespace millrace::cli {

namespace {

Task<Result<std::vector<client::TopicPartition>>> scope_of(client::Admin& admin,
                                                           const Arguments& arguments,
                                                           const OffsetReset::Offsets& committed) {
    if (!arguments.has("all-topics")) co_return co_await chosen_partitions(admin, arguments);
    std::vector<client::TopicPartition> partitions;
    for (const auto& [partition, offset] : committed) partitions.push_back(partition);
    co_return partitions;
}

void report(const std::vector<ResetRow>& rows, bool any_group, const Arguments& arguments,
            Output& output) {
    if (arguments.as_json()) {
        print_reset_json(rows, arguments.has("execute"), output);
    } else if (arguments.has("export")) {
        print_reset_csv(rows, arguments.all("group").size() != 1, output);
    } else {
        print_reset(rows, any_group, output);
    }
}

}  // namespace

Task<Result<>> reset_offsets(client::Admin& admin, const Arguments& arguments, Output& output) {
    ASSIGN_OR_CO_RETURN(auto ids, co_await chosen_groups(admin, arguments, output));
    bool any_group = !ids.empty();
    auto groups = co_await client::describe_groups(admin, std::move(ids));
    OffsetReset reset(admin, arguments, output,
                      [&](const std::string&, const OffsetReset::Offsets& committed) {
                          return scope_of(admin, arguments, committed);
                      });
    std::vector<ResetRow> rows;
    for (auto& [id, group] : groups) {
        bool missing = !group && group.error().code == ErrorCode::group_id_not_found;
        if (!group && !missing) co_return fail(std::move(group).error());
        if (group && !may_be_reset(id, group->state, output)) continue;
        ASSIGN_OR_CO_RETURN(auto of_group, co_await reset.group(id));
        rows.insert(rows.end(), of_group.begin(), of_group.end());
    }
    report(rows, any_group, arguments, output);
    co_return Result<>();
}

}  // namespace millrace::cli
