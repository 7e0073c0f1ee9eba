#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/core.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/output.h"
#include "cli/voters.h"
#include "client/admin_cluster.h"
#include "client/client_config.h"
#include "env/shard.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

constexpr Flag flags[] = {
    bootstrap_server(),
    bootstrap_controller(),
    value("command-config", "FILE", "properties of the client; of add-controller, the controller's")
        .file(),
};
constexpr Flag dry_run = on_off("dry-run", "say what would be done");
constexpr Flag describe_flags[] = {
    on_off("status", "tell the leader, the epoch and how far followers are"),
    on_off("replication", "tell where each voter and observer is"),
    on_off("human-readable", "ages instead of times; with --replication"),
};
constexpr Flag add_flags[] = {dry_run};
constexpr Flag remove_flags[] = {
    value("controller-id", "ID", "the controller to remove").letter('i').int32().required(),
    value("controller-directory-id", "ID", "the id of its metadata log directory")
        .letter('d')
        .required(),
    dry_run,
};
constexpr Verb verbs[] = {
    {"describe", "tell the state of the quorum", describe_flags},
    {"add-controller", "make a controller a voter", add_flags},
    {"remove-controller", "make a voter an observer", remove_flags},
};

using client::QuorumDescription;
using client::QuorumReplica;

Result<const QuorumReplica*> leader_of(const QuorumDescription& quorum) {
    auto found = std::ranges::find(quorum.voters, quorum.leader_id, &QuorumReplica::id);
    if (found != quorum.voters.end()) return &*found;
    return fail(ErrorCode::leader_not_available,
                fmt::format("The quorum has no leader among its voters (leader {}): try again.",
                            quorum.leader_id));
}

std::string replica_text(const QuorumDescription& quorum, const QuorumReplica& replica) {
    std::string out = fmt::format("{{\"id\": {}", replica.id);
    if (!replica.directory_id.is_zero()) {
        out += fmt::format(", \"directoryId\": \"{}\"", replica.directory_id.to_string());
    }
    auto node = quorum.nodes.find(replica.id);
    if (node != quorum.nodes.end() && !node->second.empty()) {
        const char* separator = ", \"endpoints\": [";
        for (const auto& listener : node->second) {
            out += fmt::format("{}\"{}\"", separator, endpoint_text(listener));
            separator = ", ";
        }
        out += ']';
    }
    return out + '}';
}

std::string replicas_text(const QuorumDescription& quorum,
                          const std::vector<QuorumReplica>& replicas) {
    std::string out = "[";
    for (const QuorumReplica& replica : replicas) {
        if (out.size() > 1) out += ", ";
        out += replica_text(quorum, replica);
    }
    return out + ']';
}

json::array to_json(const QuorumDescription& quorum, const std::vector<QuorumReplica>& replicas) {
    json::array out;
    for (const QuorumReplica& replica : replicas) {
        json::object one{{"id", replica.id},
                         {"directory_id", replica.directory_id.to_string()},
                         {"log_end_offset", replica.log_end_offset},
                         {"last_fetch_timestamp", replica.last_fetch},
                         {"last_caught_up_timestamp", replica.last_caught_up}};
        json::array endpoints;
        if (auto node = quorum.nodes.find(replica.id); node != quorum.nodes.end()) {
            for (const auto& listener : node->second)
                endpoints.push_back(json::value(endpoint_text(listener)));
        }
        one["endpoints"] = std::move(endpoints);
        out.push_back(std::move(one));
    }
    return out;
}

Result<> print_status(const std::string& cluster_id, const QuorumDescription& quorum,
                      Output& output) {
    ASSIGN_OR_RETURN(const QuorumReplica* leader, leader_of(quorum));
    auto last = std::ranges::min_element(quorum.voters, {}, &QuorumReplica::log_end_offset);
    std::int64_t lag_ms = 0;
    if (last->id != leader->id) {
        bool known = leader->last_caught_up >= 0 && last->last_caught_up >= 0;
        lag_ms = known ? leader->last_caught_up - last->last_caught_up : -1;
    }
    output.line("ClusterId:              {}", cluster_id);
    output.line("LeaderId:               {}", quorum.leader_id);
    output.line("LeaderEpoch:            {}", quorum.leader_epoch);
    output.line("HighWatermark:          {}", quorum.high_watermark);
    output.line("MaxFollowerLag:         {}", leader->log_end_offset - last->log_end_offset);
    output.line("MaxFollowerLagTimeMs:   {}", lag_ms);
    output.line("CurrentVoters:          {}", replicas_text(quorum, quorum.voters));
    output.line("CurrentObservers:       {}", replicas_text(quorum, quorum.observers));
    return {};
}

Result<> print_replication(const QuorumDescription& quorum, std::optional<Timestamp> now,
                           Output& output) {
    ASSIGN_OR_RETURN(const QuorumReplica* leader, leader_of(quorum));
    Table table({"NodeId", "DirectoryId", "LogEndOffset", "Lag", "LastFetchTimestamp",
                 "LastCaughtUpTimestamp", "Status"});
    auto time_text = [&](Timestamp time) {
        if (time < 0 || !now) return std::to_string(time);
        return fmt::format("{} ms ago", std::max<Timestamp>(0, *now - time));
    };
    auto add = [&](const QuorumReplica& replica, const char* status) {
        table.add({std::to_string(replica.id), replica.directory_id.to_string(),
                   std::to_string(replica.log_end_offset),
                   std::to_string(leader->log_end_offset - replica.log_end_offset),
                   time_text(replica.last_fetch), time_text(replica.last_caught_up), status});
    };
    add(*leader, "Leader");
    for (const QuorumReplica& voter : quorum.voters) {
        if (voter.id != leader->id) add(voter, "Follower");
    }
    for (const QuorumReplica& observer : quorum.observers) add(observer, "Observer");
    table.print(output, "\t");
    return {};
}

Task<Result<>> describe(client::Admin& admin, const Arguments& arguments, Output& output) {
    ASSIGN_OR_CO_RETURN(auto cluster, co_await client::describe_cluster(admin));
    ASSIGN_OR_CO_RETURN(auto quorum, co_await client::describe_metadata_quorum(admin));
    if (arguments.as_json()) {
        output.json(json::object{{"cluster_id", cluster.cluster_id},
                                 {"leader_id", quorum.leader_id},
                                 {"leader_epoch", quorum.leader_epoch},
                                 {"high_watermark", quorum.high_watermark},
                                 {"voters", to_json(quorum, quorum.voters)},
                                 {"observers", to_json(quorum, quorum.observers)}});
        co_return Result<>();
    }
    if (arguments.has("status")) co_return print_status(cluster.cluster_id, quorum, output);
    std::optional<Timestamp> now;
    if (arguments.has("human-readable")) now = admin.shard().wall_ms();
    co_return print_replication(quorum, now, output);
}

Task<Result<>> add_controller(client::Admin& admin, const Arguments& arguments, Output& output) {
    ASSIGN_OR_CO_RETURN(auto properties,
                        client::read_properties(admin.shard(), arguments.text("command-config")));
    ASSIGN_OR_CO_RETURN(Voter voter, read_voter(admin.shard(), properties));
    bool dry = arguments.has("dry-run");
    if (!dry) CO_RETURN_IF_ERROR(co_await add_voter(admin, voter));
    if (arguments.as_json()) {
        output.json(json::object{{"controller_id", voter.id},
                                 {"directory_id", voter.directory_id.to_string()},
                                 {"dry_run", dry}});
        co_return Result<>();
    }
    output.print("{} controller {} with directory id {} and endpoints: ",
                 dry ? "DRY RUN of adding" : "Added", voter.id, voter.directory_id.to_string());
    const char* separator = "";
    for (const auto& listener : voter.listeners) {
        output.print("{}{}", separator, endpoint_text(listener));
        separator = ", ";
    }
    output.write("\n");
    co_return Result<>();
}

Task<Result<>> remove_controller(client::Admin& admin, const Arguments& arguments, Output& output) {
    auto id = static_cast<std::int32_t>(arguments.number("controller-id").value_or(-1));
    if (id < 0) co_return misuse(fmt::format("Invalid negative --controller-id: {}", id));
    auto directory = Uuid::parse(arguments.text("controller-directory-id"));
    if (!directory) {
        co_return misuse(fmt::format("Failed to parse --controller-directory-id: {}",
                                     directory.error().message));
    }
    bool dry = arguments.has("dry-run");
    if (!dry) CO_RETURN_IF_ERROR(co_await remove_voter(admin, id, *directory));
    if (arguments.as_json()) {
        output.json(json::object{
            {"controller_id", id}, {"directory_id", directory->to_string()}, {"dry_run", dry}});
    } else {
        output.line("{} KRaft controller {} with directory id {}",
                    dry ? "DRY RUN of removing " : "Removed ", id, directory->to_string());
    }
    co_return Result<>();
}

Result<> check(const Arguments& arguments) {
    RETURN_IF_ERROR(check_bootstrap(arguments));
    if (arguments.verb() == "add-controller" && !arguments.has("command-config")) {
        return misuse(
            "add-controller needs the configuration file of the controller it adds: "
            "--command-config");
    }
    if (arguments.verb() != "describe") return {};
    RETURN_IF_ERROR(arguments.exactly_one({"status", "replication"}));
    return arguments.only_with("human-readable", {"replication"});
}

Task<int> run(env::Shard& shard, const Arguments& arguments, Output& output) {
    if (auto checked = check(arguments); !checked) co_return output.fail(checked.error());
    AdminTool tool = arguments.verb() == "describe"         ? describe
                     : arguments.verb() == "add-controller" ? add_controller
                                                            : remove_controller;
    co_return co_await run_with_admin(shard, arguments, output, tool);
}

}  // namespace

const Command tools::metadata_quorum{
    .name = "metadata-quorum",
    .kafka_name = "kafka-metadata-quorum",
    .summary = "tell the state of the controllers' quorum, and change its voters",
    .flags = flags,
    .verbs = verbs,
    .run = run,
};

}  // namespace millrace::cli
