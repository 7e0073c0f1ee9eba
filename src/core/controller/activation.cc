#include "core/controller/activation.h"

#include <fmt/format.h>
#include <string>
#include <variant>

#include "core/controller/state.h"
#include "core/metadata/bootstrap.h"

namespace millrace::controller {
namespace {

std::int16_t level_in(const metadata::Records& records, std::string_view feature) {
    std::int16_t found = 0;
    for (const metadata::VersionedRecord& record : records) {
        const auto* level = std::get_if<FeatureLevelRecord>(&record.message);
        if (level != nullptr && level->name == feature) found = level->feature_level;
    }
    return found;
}

// The log says it itself from now on, so that all controllers mean the same (KIP-966).
metadata::VersionedRecord min_insync_replicas_record(const State& state) {
    ConfigRecord record;
    record.resource_type = static_cast<std::int8_t>(config::ResourceType::broker);
    record.name = "min.insync.replicas";
    record.value = std::to_string(state.settings().config.min_insync_replicas());
    return {std::move(record), 0};
}

Result<> append_abort(const State& state, metadata::MetadataVersion version,
                      metadata::Records& records) {
    if (!state.transaction_start()) return {};
    if (!version.supports_transactions()) {
        return fail(ErrorCode::invalid_record,
                    fmt::format("the metadata log has an open transaction at offset {}, which "
                                "metadata.version {} cannot have",
                                *state.transaction_start(), version.level()));
    }
    AbortTransactionRecord abort;
    abort.reason = "Controller failover";
    records.push_back({std::move(abort), 0});
    return {};
}

}  // namespace

Result<Decision<Done>> decide(const Activate& command, const State& state, Inputs) {
    Decision<Done> decision;
    metadata::Records& records = decision.records;
    if (state.image().features.metadata_version) {
        RETURN_IF_ERROR(append_abort(state, *state.image().features.metadata_version, records));
        return decision;
    }
    ASSIGN_OR_RETURN(metadata::MetadataVersion version,
                     metadata::bootstrap_version(command.bootstrap));
    RETURN_IF_ERROR(append_abort(state, version, records));
    // Without transactions one batch has to do.
    decision.atomic = !version.supports_transactions();
    if (version.supports_transactions()) {
        BeginTransactionRecord begin;
        begin.name = "Bootstrap records";
        records.push_back({std::move(begin), 0});
    }
    records.insert(records.end(), command.bootstrap.begin(), command.bootstrap.end());
    if (level_in(command.bootstrap, metadata::elr_feature) > 0)
        records.push_back(min_insync_replicas_record(state));
    if (version.supports_transactions()) records.push_back({EndTransactionRecord{}, 0});
    return decision;
}

Decision<Done> decide(const WriteNoOp&, const State&, Inputs) {
    return {.records = {{NoOpRecord{}, 0}}, .response = {}};
}

}  // namespace millrace::controller
