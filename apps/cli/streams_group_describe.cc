#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <set>

#include "cli/arguments.h"
#include "cli/group_report.h"
#include "cli/output.h"
#include "cli/streams_group_actions.h"
#include "client/admin_cluster.h"
#include "client/admin_group_offsets.h"
#include "client/admin_offsets.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

using client::StreamsGroupDescription;
using client::TopicPartition;

// A partition of a source that a member reads.
struct LagRow {
    TopicPartition partition;
    std::optional<std::int64_t> offset;
    std::optional<std::int32_t> leader_epoch;
    std::int64_t end = 0;
    std::int64_t lag = 0;
};

constexpr std::size_t least = 15;

// "ACTIVE: 0:[0,1]; 1:[2]; "
std::string tasks_text(const std::vector<client::StreamsTasks>& tasks, std::string_view role) {
    if (tasks.empty()) return "";
    std::string text = fmt::format("{}: ", role);
    for (const auto& each : tasks)
        text += fmt::format("{}:[{}]; ", each.subtopology, fmt::join(each.partitions, ","));
    return text;
}

std::string assignment_text(const client::StreamsAssignment& assignment, std::string_view prefix) {
    auto role = [&](std::string_view name) { return fmt::format("{}{}", prefix, name); };
    return tasks_text(assignment.active, role("ACTIVE")) +
           tasks_text(assignment.standby, role("STANDBY")) +
           tasks_text(assignment.warmup, role("WARMUP"));
}

json::array tasks_json(const std::vector<client::StreamsTasks>& tasks) {
    json::array told;
    for (const auto& each : tasks) {
        told.push_back(json::object{
            {"subtopology", each.subtopology},
            {"partitions", json::array(each.partitions.begin(), each.partitions.end())}});
    }
    return told;
}

json::object to_json(const client::StreamsAssignment& assignment) {
    return {{"active", tasks_json(assignment.active)},
            {"standby", tasks_json(assignment.standby)},
            {"warmup", tasks_json(assignment.warmup)}};
}

std::set<TopicPartition> partitions_read(const StreamsGroupDescription& group) {
    std::set<TopicPartition> partitions;
    for (const auto& member : group.members) {
        for (const auto& tasks : member.assignment.active) {
            auto subtopology = std::ranges::find(group.subtopologies, tasks.subtopology,
                                                 &client::StreamsSubtopology::id);
            if (subtopology == group.subtopologies.end()) continue;
            for (const auto* topics :
                 {&subtopology->source_topics, &subtopology->repartition_source_topics}) {
                for (const std::string& topic : *topics)
                    for (std::int32_t each : tasks.partitions) partitions.insert({topic, each});
            }
        }
    }
    return partitions;
}

Task<Result<std::vector<LagRow>>> lag_rows(client::Admin& admin,
                                           const StreamsGroupDescription& group) {
    std::set<TopicPartition> partitions = partitions_read(group);
    std::vector<LagRow> rows;
    if (partitions.empty()) co_return rows;
    std::map<TopicPartition, std::int64_t> from;
    std::map<TopicPartition, std::int64_t> to;
    for (const auto& each : partitions) {
        from[each] = client::offset_at::earliest;
        to[each] = client::offset_at::latest;
    }
    auto first = co_await client::list_offsets(admin, std::move(from));
    auto last = co_await client::list_offsets(admin, std::move(to));
    ASSIGN_OR_CO_RETURN(auto committed,
                        co_await client::list_group_offsets(admin, group.id, std::nullopt));
    for (const auto& each : partitions) {
        LagRow row{.partition = each, .offset = std::nullopt, .leader_epoch = std::nullopt};
        if (!first.at(each)) co_return fail(first.at(each).error());
        if (!last.at(each)) co_return fail(last.at(each).error());
        auto found = committed.find(each);
        if (found != committed.end() && found->second) {
            row.offset = found->second->offset;
            if (found->second->leader_epoch >= 0) row.leader_epoch = found->second->leader_epoch;
        }
        row.end = last.at(each)->offset;
        row.lag = row.end - row.offset.value_or(first.at(each)->offset);
        rows.push_back(std::move(row));
    }
    co_return rows;
}

// What is shown of one group; appended to `documents` where it is JSON.
class Description {
  public:
    Description(client::Admin& admin, const Arguments& arguments, Output& output)
        : admin_(admin), arguments_(arguments), output_(output) {}

    Task<Result<>> show(const StreamsGroupDescription& group) {
        if (arguments_.as_json()) co_return co_await show_as_json(group);
        if (arguments_.has("state")) {
            say_empty(group);
            co_return co_await show_state(group);
        }
        if (group.state == "Dead" || group.members.empty()) {
            // Apache's tool says nothing of a group without members but with --state.
            say_empty(group);
            co_return Result<>();
        }
        if (arguments_.has("members")) {
            show_members(group);
            co_return Result<>();
        }
        ASSIGN_OR_CO_RETURN(auto rows, co_await lag_rows(admin_, group));
        show_offsets(group, rows);
        co_return Result<>();
    }
    void finish() {
        if (arguments_.as_json()) output_.json(json::object{{"groups", std::move(documents_)}});
    }

  private:
    void say_empty(const StreamsGroupDescription& group) {
        if (group.state == "Dead") {
            output_.error(fmt::format("\nError: Streams group '{}' does not exist.", group.id));
        } else if (group.state == "Empty") {
            output_.error(
                fmt::format("\nError: Streams group '{}' has no active members.", group.id));
        }
    }

    Task<Result<>> show_state(const StreamsGroupDescription& group) {
        ASSIGN_OR_CO_RETURN(auto cluster, co_await client::describe_cluster(admin_));
        std::string coordinator = fmt::format("unknown ({})", group.coordinator);
        for (const auto& node : cluster.nodes) {
            if (node.id != group.coordinator) continue;
            coordinator = fmt::format("{}:{} ({})", node.address.host, node.address.port, node.id);
        }
        std::size_t group_width = std::max(least, width_of(group.id));
        std::size_t coordinator_width = std::max<std::size_t>(25, width_of(coordinator));
        auto print = [&](std::string_view id, std::string_view node, std::string_view state,
                         std::string_view epoch, std::string_view target,
                         std::string_view members) {
            output_.print("{} {} {} ", padded(id, group_width), padded(node, coordinator_width),
                          padded(state, 25));
            if (arguments_.has("verbose"))
                output_.print("{} {} ", padded(epoch, 15), padded(target, 25));
            output_.line("{}", members);
        };
        print("GROUP", "COORDINATOR (ID)", "STATE", "GROUP-EPOCH", "TARGET-ASSIGNMENT-EPOCH",
              "#MEMBERS");
        print(group.id, coordinator, group.state, std::to_string(group.epoch),
              std::to_string(group.assignment_epoch), std::to_string(group.members.size()));
        co_return Result<>();
    }

    void show_members(const StreamsGroupDescription& group) {
        bool verbose = arguments_.has("verbose");
        std::size_t group_width = std::max(least, width_of(group.id));
        std::size_t id_width = least;
        std::size_t process_width = least;
        std::size_t client_width = least;
        for (const auto& member : group.members) {
            id_width = std::max(id_width, width_of(member.id));
            process_width = std::max(process_width, width_of(member.process_id));
            client_width = std::max(client_width, width_of(member.client_id));
        }
        auto print = [&](const std::vector<std::string>& cells) {
            output_.print("{} ", padded(cells[0], group_width));
            // Kafka's table has no blank between these two.
            if (verbose) output_.print("{} {}", padded(cells[1], 25), padded(cells[2], 15));
            output_.print("{} ", padded(cells[3], id_width));
            if (verbose) output_.print("{} {} ", padded(cells[4], 15), padded(cells[5], 15));
            output_.line("{} {} {}", padded(cells[6], process_width),
                         padded(cells[7], client_width), cells[8]);
        };
        print({"GROUP", "TARGET-ASSIGNMENT-EPOCH", "TOPOLOGY-EPOCH", "MEMBER", "MEMBER-PROTOCOL",
               "MEMBER-EPOCH", "PROCESS", "CLIENT-ID", "ASSIGNMENTS"});
        for (const auto& member : group.members) {
            std::string tasks = assignment_text(member.assignment, "");
            if (verbose) tasks += assignment_text(member.target, "TARGET-");
            print({group.id, std::to_string(group.assignment_epoch),
                   std::to_string(group.topology_epoch), member.id,
                   member.is_classic ? "classic" : "streams", std::to_string(member.epoch),
                   member.process_id, member.client_id, tasks});
        }
    }

    void show_offsets(const StreamsGroupDescription& group, const std::vector<LagRow>& rows) {
        std::size_t group_width = std::max(least, width_of(group.id));
        std::size_t topic_width = least;
        for (const LagRow& row : rows)
            topic_width = std::max(topic_width, width_of(row.partition.topic));
        bool verbose = arguments_.has("verbose");
        auto print = [&](const std::vector<std::string>& cells) {
            output_.print("{} {} {} ", padded(cells[0], group_width), padded(cells[1], topic_width),
                          padded(cells[2], 10));
            if (!verbose) {
                output_.line("{}", cells[6]);
                return;
            }
            output_.line("{} {} {} {}", padded(cells[3], 15), padded(cells[4], 15),
                         padded(cells[5], 15), padded(cells[6], 15));
        };
        print({"GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "LEADER-EPOCH", "LOG-END-OFFSET",
               "OFFSET-LAG"});
        for (const LagRow& row : rows) {
            print({group.id, row.partition.topic, std::to_string(row.partition.partition),
                   or_dash(row.offset), or_dash(row.leader_epoch), std::to_string(row.end),
                   std::to_string(row.lag)});
        }
    }

    Task<Result<>> show_as_json(const StreamsGroupDescription& group) {
        json::object document{{"group", group.id},
                              {"state", group.state},
                              {"coordinator", group.coordinator},
                              {"epoch", group.epoch},
                              {"target_epoch", group.assignment_epoch},
                              {"topology_epoch", group.topology_epoch},
                              {"members_count", group.members.size()}};
        if (arguments_.has("members")) {
            json::array members;
            for (const auto& member : group.members) {
                members.push_back(
                    json::object{{"member", member.id},
                                 {"process", member.process_id},
                                 {"client_id", member.client_id},
                                 {"host", member.host},
                                 {"epoch", member.epoch},
                                 {"protocol", member.is_classic ? "classic" : "streams"},
                                 {"tasks", to_json(member.assignment)},
                                 {"target_tasks", to_json(member.target)}});
            }
            document["members"] = std::move(members);
        } else if (!arguments_.has("state")) {
            ASSIGN_OR_CO_RETURN(auto rows, co_await lag_rows(admin_, group));
            json::array offsets;
            for (const LagRow& row : rows) {
                offsets.push_back(json::object{{"topic", row.partition.topic},
                                               {"partition", row.partition.partition},
                                               {"leader_epoch", or_null(row.leader_epoch)},
                                               {"current_offset", or_null(row.offset)},
                                               {"log_end_offset", row.end},
                                               {"lag", row.lag}});
            }
            document["offsets"] = std::move(offsets);
        }
        documents_.push_back(std::move(document));
        co_return Result<>();
    }

    client::Admin& admin_;
    const Arguments& arguments_;
    Output& output_;
    json::array documents_;
};

}  // namespace

Task<Result<>> describe_streams_groups(client::Admin& admin, const Arguments& arguments,
                                       Output& output) {
    ASSIGN_OR_CO_RETURN(auto ids, co_await chosen_streams_groups(admin, arguments, output));
    auto groups = co_await client::describe_streams_groups(admin, std::move(ids));
    for (auto& [id, group] : groups) {
        if (!group) co_return fail(std::move(group).error());
    }
    Description description(admin, arguments, output);
    for (const auto& [id, group] : groups) CO_RETURN_IF_ERROR(co_await description.show(*group));
    description.finish();
    co_return Result<>();
}

}  // namespace millrace::cli
