// Which connection a request goes over.

#include <algorithm>
#include <fmt/core.h>

#include "base/random.h"
#include "client/cluster.h"
#include "protocol/find_coordinator.h"

namespace millrace::client {
namespace {

// Coordinators that are remembered; past it all are forgotten and asked for again.
constexpr std::size_t most_coordinators = 4096;

}  // namespace

std::string_view name_of(CoordinatorType type) {
    switch (type) {
        case CoordinatorType::group:
            return "group";
        case CoordinatorType::transaction:
            return "transactional id";
        case CoordinatorType::share:
            return "share group partition";
    }
    return "";
}

Task<Result<>> Cluster::know_brokers() {
    if (metadata_->generation() > 0) co_return Result<>{};
    co_return co_await refresh(request_deadline());
}

Task<Cluster::Connected> Cluster::broker(std::int32_t id, Lane lane) {
    CO_RETURN_IF_ERROR(co_await know_brokers());
    if (metadata_->broker(id) == nullptr) CO_RETURN_IF_ERROR(co_await refresh(request_deadline()));
    const BrokerInfo* broker = metadata_->broker(id);
    if (broker == nullptr) {
        std::string known;
        for (const auto& [other, info] : metadata_->brokers()) {
            known += fmt::format("{}{}", known.empty() ? "" : ", ", other);
        }
        co_return fail(
            ErrorCode::broker_not_available,
            fmt::format("broker {} is not running in {}; these are: {}", id, name(), known));
    }
    co_return co_await pool_.get(id, broker->address, lane);
}

// Known brokers, the least loaded first and at random among equals; behind them the bootstrap
// addresses.
std::vector<Cluster::Candidate> Cluster::candidates() {
    struct Ranked {
        Candidate candidate;
        std::uint64_t load = 0;
        std::uint64_t lot = 0;
    };
    std::vector<Ranked> ranked;
    auto add = [&](std::int32_t id, const env::Address& address, std::uint64_t behind) {
        ranked.push_back({{id, address}, behind + pool_.load(id), shard_.random().next()});
    };
    for (const auto& [id, broker] : metadata_->brokers()) add(id, broker.address, 0);
    if (ranked.empty() || options_.rebootstrap) {
        constexpr std::uint64_t behind_brokers = std::uint64_t{1} << 40U;
        std::int32_t id = 0;
        for (const env::Address& address : options_.bootstrap) add(--id, address, behind_brokers);
    }
    std::ranges::sort(ranked, {}, [](const Ranked& r) { return std::pair(r.load, r.lot); });
    std::vector<Candidate> ordered;
    for (Ranked& r : ranked) ordered.push_back(std::move(r.candidate));
    return ordered;
}

Task<Cluster::Connected> Cluster::any() {
    std::string reasons;
    Candidate soonest;
    Time soonest_time = Time::never();
    bool tried = false;
    for (Candidate& candidate : candidates()) {
        Time next = pool_.next_attempt(candidate.id);
        if (next > shard_.now()) {
            if (next < soonest_time) {
                soonest_time = next;
                soonest = std::move(candidate);
            }
            continue;
        }
        tried = true;
        Connected got = co_await pool_.get(candidate.id, candidate.address, Lane::general);
        if (got) co_return got;
        // Nobody else has an answer to what this version of the client cannot speak.
        if (!is_retriable(got.error().code)) co_return got;
        reasons += fmt::format("\n  {}", got.error().message);
    }
    if (!tried) co_return co_await pool_.get(soonest.id, soonest.address, Lane::general);
    co_return fail(ErrorCode::network_exception,
                   fmt::format("no {} of {} can be reached; check that they run and that "
                               "their advertised.listeners can be reached from here:{}",
                               options_.pool.kind, name(), reasons));
}

Task<Cluster::Connected> Cluster::controller() {
    CO_RETURN_IF_ERROR(co_await know_brokers());
    if (metadata_->controller_id() < 0) {
        CO_RETURN_IF_ERROR(co_await refresh(request_deadline()));
    }
    std::int32_t id = metadata_->controller_id();
    if (id < 0) {
        co_return fail(ErrorCode::not_controller,
                       fmt::format("{} has no active controller now", name()));
    }
    co_return co_await broker(id);
}

Task<Result<BrokerInfo>> Cluster::find_coordinator(CoordinatorType type, std::string key) {
    ASSIGN_OR_CO_RETURN(auto connection, co_await any());
    FindCoordinatorRequest request;
    request.key_type = static_cast<std::int8_t>(type);
    ASSIGN_OR_CO_RETURN(std::int16_t version, connection->version_of(ApiKey::find_coordinator));
    constexpr std::int16_t first_with_many = 4;
    if (version >= first_with_many) {
        request.coordinator_keys = {key};
    } else {
        request.key = key;
    }
    ASSIGN_OR_CO_RETURN(auto reply, co_await connection->call(request));
    FindCoordinatorResponse& response = reply.response;
    if (reply.version < first_with_many) {
        response.coordinators.push_back({key, response.node_id, response.host, response.port,
                                         response.error_code, response.error_message});
    }
    if (response.coordinators.size() != 1) {
        co_return fail(
            ErrorCode::coordinator_not_available,
            fmt::format("{} named {} coordinators of {} '{}' instead of one", connection->name(),
                        response.coordinators.size(), name_of(type), key));
    }
    const auto& found = response.coordinators[0];
    if (found.error_code != ErrorCode::none) {
        std::string_view why = name_of(found.error_code);
        if (found.error_message && !found.error_message->empty()) why = *found.error_message;
        co_return fail(found.error_code,
                       fmt::format("no coordinator of {} '{}': {}", name_of(type), key, why));
    }
    co_return BrokerInfo{
        .id = found.node_id,
        .address = {found.host, static_cast<std::uint16_t>(found.port)},
        .rack = std::nullopt,
    };
}

Task<Result<BrokerInfo>> Cluster::coordinator_of(CoordinatorType type, std::string key) {
    if (auto at = coordinators_.find(std::pair(type, key)); at != coordinators_.end()) {
        co_return at->second;
    }
    ASSIGN_OR_CO_RETURN(BrokerInfo found, co_await find_coordinator(type, key));
    if (coordinators_.size() >= most_coordinators) coordinators_.clear();
    coordinators_.insert_or_assign({type, std::move(key)}, found);
    co_return found;
}

Task<Result<std::int32_t>> Cluster::coordinator_id(CoordinatorType type, std::string key) {
    ASSIGN_OR_CO_RETURN(BrokerInfo found, co_await coordinator_of(type, std::move(key)));
    co_return found.id;
}

Task<Cluster::Connected> Cluster::coordinator(CoordinatorType type, std::string key, Lane lane) {
    ASSIGN_OR_CO_RETURN(BrokerInfo found, co_await coordinator_of(type, key));
    Connected got = co_await pool_.get(found.id, found.address, lane);
    // It may have moved because this broker is gone.
    if (!got) forget_coordinator(type, key);
    co_return got;
}

void Cluster::forget_coordinator(CoordinatorType type, std::string_view key) {
    coordinators_.erase({type, std::string(key)});
}

}  // namespace millrace::client
