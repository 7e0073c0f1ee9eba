#include "cli/reassignment_moves.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>

#include "cli/arguments.h"
#include "cli/output.h"
#include "client/admin_cluster.h"
#include "env/shard.h"

namespace millrace::cli {

namespace {

constexpr Duration pause = Duration::milliseconds(100);

// Begins what can be; the replicas whose move has begun.
Task<Result<std::set<Replica>>> begin_moves(client::Admin& admin,
                                            const std::map<Replica, std::string>& directories) {
    std::map<std::int32_t, std::map<client::TopicPartition, std::string>> brokers;
    for (const auto& [replica, path] : directories)
        brokers[replica.broker][replica.partition] = path;
    std::set<Replica> begun;
    for (const auto& [broker, paths] : brokers) {
        auto outcomes = co_await client::alter_replica_log_dirs(admin, broker, paths);
        for (auto& [partition, outcome] : outcomes) {
            if (outcome) begun.insert({broker, partition});
            if (outcome || outcome.error().code == ErrorCode::replica_not_available) continue;
            co_return fail(outcome.error().code, fmt::format("Failed to alter dir for {}: {}",
                                                             to_string(Replica{broker, partition}),
                                                             outcome.error().message));
        }
    }
    co_return begun;
}

}  // namespace

std::string names_of(const client::Outcomes<client::TopicPartition>& outcomes) {
    std::vector<std::string> names;
    for (const auto& [partition, outcome] : outcomes) names.push_back(to_string(partition));
    return fmt::format("{}", fmt::join(names, ","));
}

Result<> all_done(const client::Outcomes<client::TopicPartition>& outcomes,
                  std::string_view sentence) {
    std::vector<std::string> lines{std::string(sentence)};
    ErrorCode code = ErrorCode::none;
    for (const auto& [partition, outcome] : outcomes) {
        if (outcome) continue;
        lines.push_back(outcome.error().message);
        code = outcome.error().code;
    }
    if (lines.size() == 1) return {};
    return fail(code, fmt::format("{}", fmt::join(lines, "\n")));
}

Task<Result<std::map<Replica, ReplicaPlace>>> places_of(
    client::Admin& admin, const std::map<Replica, std::string>& replicas) {
    std::set<std::int32_t> brokers;
    for (const auto& [replica, path] : replicas) brokers.insert(replica.broker);
    auto described = co_await client::describe_log_dirs(
        admin, std::vector<std::int32_t>(brokers.begin(), brokers.end()));
    std::map<Replica, ReplicaPlace> places;
    for (auto& [broker, directories] : described) {
        if (!directories) co_return fail(std::move(directories).error());
        for (const auto& [path, directory] : *directories) {
            for (const auto& [partition, size] : directory.replicas) {
                Replica replica{broker, partition};
                if (!replicas.contains(replica)) continue;
                ReplicaPlace& place = places[replica];
                (size.future ? place.future : place.current) = path;
            }
        }
    }
    co_return places;
}

Task<Result<>> move_directories(client::Admin& admin, const Arguments& arguments, Output& output,
                                std::map<Replica, std::string> directories) {
    Time deadline = admin.shard().now() + Duration::milliseconds(*arguments.number("timeout"));
    while (!directories.empty()) {
        ASSIGN_OR_CO_RETURN(auto begun, co_await begin_moves(admin, directories));
        for (const Replica& replica : begun) {
            if (!arguments.as_json()) {
                output.line(
                    "Successfully started moving log directory to {} for replica {} with broker "
                    "{} ",
                    directories.at(replica), to_string(replica.partition), replica.broker);
            }
            directories.erase(replica);
        }
        if (directories.empty()) break;
        if (admin.shard().now() >= deadline) {
            std::vector<std::string> names;
            for (const auto& [replica, path] : directories) names.push_back(to_string(replica));
            co_return fail(
                ErrorCode::request_timed_out,
                fmt::format("Timed out before log directory move{} could be started for: {}",
                            names.size() == 1 ? "" : "s", fmt::join(names, ",")));
        }
        co_await env::sleep_for(admin.shard(), pause);
    }
    co_return Result<>();
}

}  // namespace millrace::cli
