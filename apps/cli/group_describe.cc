#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <set>

#include "cli/arguments.h"
#include "cli/group_actions.h"
#include "cli/group_report.h"
#include "cli/output.h"
#include "client/admin_cluster.h"
#include "client/admin_group_offsets.h"
#include "client/admin_offsets.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

using client::GroupDescription;
using Committed = client::Outcomes<client::TopicPartition, client::CommittedOffset>;
using EndOffsets = client::Outcomes<client::TopicPartition, client::ListedOffset>;

// Says what is unusual about the state; whether there is a table to show.
bool say_state(const GroupDescription& group, std::size_t rows, Output& output) {
    const std::string& state = group.state;
    if (state == "Dead") {
        output.error(fmt::format("\nError: Consumer group '{}' does not exist.", group.id));
        return false;
    }
    if (state == "Empty") {
        output.error(fmt::format("\nConsumer group '{}' has no active members.", group.id));
    } else if (state != "Stable") {
        output.error(fmt::format("\nWarning: Consumer group '{}' is rebalancing.", group.id));
    }
    return rows > 0;
}

OffsetRow offset_row(const client::TopicPartition& partition, const Committed& committed,
                     const EndOffsets& ends) {
    OffsetRow row{.partition = partition};
    if (auto found = committed.find(partition); found != committed.end() && found->second) {
        row.offset = found->second->offset;
        if (found->second->leader_epoch >= 0) row.leader_epoch = found->second->leader_epoch;
    }
    if (auto found = ends.find(partition); found != ends.end() && found->second) {
        row.end_offset = found->second->offset;
    }
    return row;
}

// Members with the most partitions first, each one's partitions in order; then what nobody reads.
std::vector<OffsetRow> offset_rows(const GroupDescription& group, const Committed& committed,
                                   const EndOffsets& ends) {
    std::vector<const client::MemberDescription*> members;
    for (const auto& member : group.members) {
        if (!member.assignment.empty()) members.push_back(&member);
    }
    std::ranges::sort(members, [](const auto* a, const auto* b) {
        std::size_t of_a = a->assignment.size();
        std::size_t of_b = b->assignment.size();
        return of_a != of_b ? of_a > of_b : a->id < b->id;
    });
    std::vector<OffsetRow> rows;
    std::set<client::TopicPartition> read;
    for (const auto* member : members) {
        std::vector<client::TopicPartition> partitions = member->assignment;
        std::ranges::sort(partitions);
        for (const auto& partition : partitions) {
            OffsetRow row = offset_row(partition, committed, ends);
            row.consumer_id = member->id;
            row.host = member->host;
            row.client_id = member->client_id;
            rows.push_back(std::move(row));
            read.insert(partition);
        }
    }
    for (const auto& [partition, offset] : committed) {
        if (!read.contains(partition)) rows.push_back(offset_row(partition, committed, ends));
    }
    return rows;
}

Task<Result<std::vector<OffsetRow>>> fetch_offset_rows(client::Admin& admin,
                                                       const GroupDescription& group) {
    ASSIGN_OR_CO_RETURN(Committed committed,
                        co_await client::list_group_offsets(admin, group.id, std::nullopt));
    std::map<client::TopicPartition, std::int64_t> asked;
    for (const auto& [partition, offset] : committed) {
        asked[partition] = client::offset_at::latest;
    }
    for (const auto& member : group.members) {
        for (const auto& partition : member.assignment) {
            asked[partition] = client::offset_at::latest;
        }
    }
    EndOffsets ends;
    if (!asked.empty()) ends = co_await client::list_offsets(admin, std::move(asked));
    co_return offset_rows(group, committed, ends);
}

std::vector<MemberRow> member_rows(const GroupDescription& group) {
    std::vector<MemberRow> rows;
    for (const auto& member : group.members) {
        rows.push_back({.consumer_id = member.id,
                        .instance_id = member.instance_id.value_or(""),
                        .host = member.host,
                        .client_id = member.client_id,
                        .assignment = member.assignment,
                        .target = member.target_assignment,
                        .epoch = member.epoch,
                        .target_epoch = group.assignment_epoch,
                        .upgraded = std::nullopt});
    }
    return rows;
}

template <typename Row>
json::array to_json(const std::vector<Row>& rows) {
    json::array out;
    for (const Row& row : rows) out.push_back(cli::to_json(row));
    return out;
}

enum class View { offsets, members, state };

// What is shown of one group; appended to `document` where it is JSON.
class Description {
  public:
    Description(client::Admin& admin, const Arguments& arguments, Output& output)
        : admin_(admin), output_(output), as_json_(arguments.as_json()) {
        if (arguments.has("members")) view_ = View::members;
        if (arguments.has("state")) view_ = View::state;
        verbose_ = arguments.has("verbose");
    }

    Task<Result<>> prepare() {
        if (view_ != View::state && !as_json_) co_return Result<>();
        ASSIGN_OR_CO_RETURN(cluster_, co_await client::describe_cluster(admin_));
        co_return Result<>();
    }

    Task<Result<>> show(const GroupDescription& group) {
        json::object document{{"group", group.id},
                              {"type", group.type},
                              {"state", group.state},
                              {"assignor", group.assignor},
                              {"coordinator", group.coordinator}};
        if (view_ == View::offsets) {
            ASSIGN_OR_CO_RETURN(auto rows, co_await fetch_offset_rows(admin_, group));
            if (as_json_) {
                document["offsets"] = to_json(rows);
            } else if (say_state(group, rows.size(), output_)) {
                print_offsets(group.id, rows, verbose_, output_);
            }
        } else if (view_ == View::members) {
            std::vector<MemberRow> rows = member_rows(group);
            if (as_json_) {
                document["members"] = to_json(rows);
            } else {
                bool shown = say_state(group, rows.size(), output_);
                if (!shown) rows.clear();
                print_members(group.id, rows, verbose_, output_);
            }
        } else if (!as_json_ && say_state(group, 1, output_)) {
            print_state(state_row(group), verbose_, output_);
        }
        if (as_json_) {
            document["members_count"] = group.members.size();
            documents_.push_back(std::move(document));
        }
        co_return Result<>();
    }

    void finish() {
        if (as_json_) output_.json(json::object{{"groups", std::move(documents_)}});
    }

  private:
    StateRow state_row(const GroupDescription& group) const {
        std::string address = "unknown";
        for (const auto& node : cluster_.nodes) {
            if (node.id == group.coordinator) {
                address = fmt::format("{}:{}", node.address.host, node.address.port);
            }
        }
        return {.group = group.id,
                .coordinator = fmt::format("{}  ({})", address, group.coordinator),
                .assignor = group.assignor,
                .state = group.state,
                .members = group.members.size(),
                .epoch = group.epoch,
                .target_epoch = group.assignment_epoch};
    }

    client::Admin& admin_;
    Output& output_;
    bool as_json_;
    bool verbose_ = false;
    View view_ = View::offsets;
    client::ClusterDescription cluster_;
    json::array documents_;
};

}  // namespace

Task<Result<>> describe_consumer_groups(client::Admin& admin, const Arguments& arguments,
                                        Output& output) {
    ASSIGN_OR_CO_RETURN(auto ids, co_await chosen_groups(admin, arguments, output));
    auto groups = co_await client::describe_groups(admin, std::move(ids));
    for (auto& [id, group] : groups) {
        if (!group) co_return fail(std::move(group).error());
    }
    Description description(admin, arguments, output);
    CO_RETURN_IF_ERROR(co_await description.prepare());
    for (const auto& [id, group] : groups) CO_RETURN_IF_ERROR(co_await description.show(*group));
    description.finish();
    co_return Result<>();
}

}  // namespace millrace::cli
