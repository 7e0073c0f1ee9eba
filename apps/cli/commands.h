#pragma once

#include "cli/command.h"

// One declaration a tool; each is defined in the file of its name.
namespace millrace::cli::tools {

extern const Command broker_api_versions;
extern const Command cluster;
extern const Command configs;
extern const Command console_consumer;
extern const Command console_producer;
extern const Command console_share_consumer;
extern const Command consumer_groups;
extern const Command consumer_performance;
extern const Command delete_records;
extern const Command e2e_latency;
extern const Command features;
extern const Command get_offsets;
extern const Command groups;
extern const Command leader_election;
extern const Command log_dirs;
extern const Command metadata_quorum;
extern const Command producer_performance;
extern const Command reassign_partitions;
extern const Command replica_verification;
extern const Command share_consumer_performance;
extern const Command share_groups;
extern const Command streams_groups;
extern const Command topics;
extern const Command transactions;
extern const Command verifiable_consumer;
extern const Command verifiable_producer;
extern const Command verifiable_share_consumer;

}  // namespace millrace::cli::tools
