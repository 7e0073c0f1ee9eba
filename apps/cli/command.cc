#include "cli/command.h"

#include "cli/commands.h"

namespace millrace::cli {

namespace {

constexpr const Command* all[] = {
    &tools::broker_api_versions,
    &tools::cluster,
    &tools::configs,
    &tools::console_consumer,
    &tools::console_producer,
    &tools::console_share_consumer,
    &tools::consumer_groups,
    &tools::consumer_performance,
    &tools::delete_records,
    &tools::e2e_latency,
    &tools::features,
    &tools::get_offsets,
    &tools::groups,
    &tools::leader_election,
    &tools::log_dirs,
    &tools::metadata_quorum,
    &tools::producer_performance,
    &tools::reassign_partitions,
    &tools::replica_verification,
    &tools::share_consumer_performance,
    &tools::share_groups,
    &tools::streams_groups,
    &tools::topics,
    &tools::transactions,
    &tools::verifiable_consumer,
    &tools::verifiable_producer,
    &tools::verifiable_share_consumer,
};

}  // namespace

std::span<const Command* const> commands() { return all; }

const Command* find_command(std::string_view name) {
    for (const Command* command : all) {
        if (command->name == name) return command;
    }
    return nullptr;
}

}  // namespace millrace::cli
