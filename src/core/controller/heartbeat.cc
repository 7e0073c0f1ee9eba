#include "core/controller/heartbeat.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/controller/elections.h"
#include "core/controller/sessions.h"
#include "core/controller/state.h"

namespace millrace::controller {
namespace {

enum class Standing : std::uint8_t { fenced, unfenced, controlled_shutdown, shut_down };

// The registration of a broker whose shutdown began under another leader, or that thought better of
// it, still says so; what counts is whether this leader moved its leaderships away.
Standing standing_of(const metadata::Broker& broker, const Sessions& sessions) {
    if (broker.fenced) return Standing::fenced;
    return sessions.shutdown_offset(broker.id) ? Standing::controlled_shutdown : Standing::unfenced;
}

Standing next_standing(const BrokerHeartbeatRequest& request, const metadata::Broker& broker,
                       const State& state, const Sessions& sessions) {
    bool leads = !state.partitions().led_by(broker.id).empty();
    switch (standing_of(broker, sessions)) {
        case Standing::fenced:
            if (request.want_shut_down) return Standing::shut_down;
            return !request.want_fence &&
                           request.current_metadata_offset >= state.registration_offset(broker.id)
                       ? Standing::unfenced
                       : Standing::fenced;
        case Standing::unfenced:
            if (request.want_fence)
                return request.want_shut_down ? Standing::shut_down : Standing::fenced;
            if (!request.want_shut_down) return Standing::unfenced;
            return leads ? Standing::controlled_shutdown : Standing::shut_down;
        default: {
            // It may go when every other broker knows its new leaders.
            std::optional<std::int64_t> moved = sessions.shutdown_offset(broker.id);
            bool all_know = moved && *moved <= sessions.lowest_offset(state.image());
            return leads || !all_know ? Standing::controlled_shutdown : Standing::shut_down;
        }
    }
}

// The partitions of directories that failed lose this replica.
void append_offline_directories(const State& state, const metadata::Broker& broker,
                                const std::vector<Uuid>& offline, metadata::Records& records) {
    auto failed = [&](const Uuid& id) { return std::ranges::find(offline, id) != offline.end(); };
    std::vector<Uuid> online;
    for (const Uuid& id : broker.directories) {
        if (!failed(id)) {
            online.push_back(id);
            continue;
        }
        append_partition_changes(state, {.removed = broker.id}, state.partitions().in_directory(id),
                                 records);
    }
    if (online.size() == broker.directories.size()) return;
    BrokerRegistrationChangeRecord record;
    record.broker_id = broker.id;
    record.broker_epoch = broker.epoch;
    record.log_dirs = std::move(online);
    records.push_back({std::move(record), 2});
}

void append_cordoned_directories(const metadata::Broker& broker,
                                 const std::optional<std::vector<Uuid>>& cordoned,
                                 metadata::Records& records) {
    auto in_any_order = [](std::vector<Uuid> ids) {
        std::ranges::sort(ids);
        return ids;
    };
    if (!cordoned) return;
    if (broker.cordoned_directories &&
        in_any_order(*broker.cordoned_directories) == in_any_order(*cordoned)) {
        return;
    }
    BrokerRegistrationChangeRecord record;
    record.broker_id = broker.id;
    record.broker_epoch = broker.epoch;
    record.cordoned_log_dirs = cordoned;
    records.push_back({std::move(record), 3});
}

void append_transition(const State& state, std::int32_t broker, Standing next,
                       metadata::Records& records) {
    switch (next) {
        case Standing::fenced:
        case Standing::shut_down:
            append_fence(state, broker, records);
            break;
        case Standing::unfenced:
            append_unfence(state, broker, records);
            break;
        case Standing::controlled_shutdown:
            append_controlled_shutdown(state, broker, records);
            break;
    }
}

}  // namespace

Decision<BrokerHeartbeatResponse> decide(const BrokerHeartbeat& command, const State& state,
                                         Inputs in) {
    const BrokerHeartbeatRequest& request = command.request;
    std::int32_t id = request.broker_id;
    Decision<BrokerHeartbeatResponse> decision{.records = {}, .response = {}, .atomic = false};
    if (Result<> known = state.check_broker_epoch(id, request.broker_epoch); !known) {
        decision.response.error_code = known.error().code;
        return decision;
    }
    const metadata::Broker& broker = *state.broker(id);
    in.sessions.touch(id, request.broker_epoch, request.current_metadata_offset, in.now);

    Standing next = next_standing(request, broker, state, in.sessions);
    metadata::Records& records = decision.records;
    if (next != standing_of(broker, in.sessions)) append_transition(state, id, next, records);
    metadata::MetadataVersion version = state.metadata_version();
    if (version.supports_directories())
        append_offline_directories(state, broker, request.offline_log_dirs, records);
    if (version.supports_cordoned_directories())
        append_cordoned_directories(broker, request.cordoned_log_dirs, records);

    if (next == Standing::controlled_shutdown) {
        auto count = static_cast<std::int64_t>(records.size());
        in.sessions.start_shutdown(id, state.next_offset() + count - 1);
    } else if (next != Standing::unfenced) {
        in.sessions.end_shutdown(id);
    }
    decision.response.is_caught_up =
        request.current_metadata_offset >= state.registration_offset(id);
    decision.response.is_fenced = next == Standing::fenced || next == Standing::shut_down;
    decision.response.should_shut_down = next == Standing::shut_down;
    return decision;
}

Decision<Done> decide(const FenceStaleBroker&, const State& state, Inputs in) {
    Decision<Done> decision{.records = {}, .response = {}, .atomic = false};
    if (auto stale = in.sessions.expired(state.image(), in.now)) {
        append_fence(state, *stale, decision.records);
        in.sessions.end_shutdown(*stale);
    }
    return decision;
}

Decision<WasFenced> decide(const FenceGoneBroker& command, const State& state, Inputs in) {
    Decision<WasFenced> decision{.records = {}, .response = {}, .atomic = false};
    const metadata::Broker* broker = state.broker(command.broker);
    bool known = broker != nullptr && broker->epoch == command.epoch && !broker->fenced;
    if (!known || !in.sessions.give_up(command.broker, command.epoch, command.since))
        return decision;
    append_fence(state, command.broker, decision.records);
    in.sessions.end_shutdown(command.broker);
    decision.response.fenced = true;
    return decision;
}

}  // namespace millrace::controller
