#include "broker/lifecycle.h"

#include <algorithm>
#include <fmt/core.h>

#include "broker/log.h"
#include "core/controller/broker_registration.h"
#include "core/controller/heartbeat.h"

namespace millrace::broker {
namespace {

// How soon a heartbeat follows another one that may change something.
constexpr Duration soon = Duration::milliseconds(10);

// A broker that stops gives up on controllers that cannot be reached.
constexpr Duration longest_without_answer = Duration::seconds(5);

// Refusals of a registration that end by themselves.
bool may_change(ErrorCode code) {
    return is_retriable(code) || code == ErrorCode::duplicate_broker_registration;
}

// The controller has forgotten this life of the broker.
bool is_unknown(ErrorCode code) {
    return code == ErrorCode::broker_id_not_registered || code == ErrorCode::stale_broker_epoch;
}

// What a broker and a controller tell alike: where they are heard, and what they support.
template <typename Request>
void introduce(Request& request, const std::vector<config::Endpoint>& advertised) {
    for (const config::Endpoint& endpoint : advertised) {
        request.listeners.push_back(
            {.name = endpoint.listener,
             .host = endpoint.host,
             .port = endpoint.port,
             .security_protocol = static_cast<std::int16_t>(endpoint.protocol)});
    }
    for (const auto& [name, range] : metadata::supported_features()) {
        request.features.push_back({.name = std::string(name),
                                    .min_supported_version = range.min,
                                    .max_supported_version = range.max});
    }
}

}  // namespace

Lifecycle::Lifecycle(env::Shard& shard, Controllers& controllers, MetadataCache& metadata,
                     const Node& node, const config::BrokerConfig& config,
                     LogDirectories& directories)
    : shard_(shard),
      controllers_(controllers),
      metadata_(metadata),
      node_(node),
      config_(config),
      directories_(directories),
      scope_(shard) {}

Task<Result<>> Lifecycle::start(std::vector<config::Endpoint> advertised) {
    Time deadline =
        shard_.now() + Duration::milliseconds(config_.initial_broker_registration_timeout_ms());
    CO_RETURN_IF_ERROR(co_await register_until(deadline, advertised));
    scope_.spawn(send_heartbeats());
    bool unfenced =
        co_await env::with_deadline(shard_, deadline, changed_.until([this] { return !fenced_; }));
    if (unfenced) co_return Result<>{};
    co_return fail(ErrorCode::broker_not_available,
                   fmt::format("the controller has not unfenced broker {} within "
                               "initial.broker.registration.timeout.ms",
                               node_.id));
}

// An earlier life of this broker may not be over for the controller yet.
Task<Result<>> Lifecycle::register_until(Time deadline,
                                         const std::vector<config::Endpoint>& advertised) {
    for (Duration pause = soon;; pause = std::min(pause * 2, Duration::seconds(1))) {
        Result<> registered = co_await register_broker(advertised);
        bool again = !registered && may_change(registered.error().code);
        if (!again || shard_.now() + pause >= deadline) co_return registered;
        LOG_WARN("{}; trying again", registered.error().message);
        co_await env::sleep_for(shard_, pause);
    }
}

Task<Result<>> Lifecycle::register_controller(const std::vector<config::Endpoint>& advertised) {
    // Nothing is known before the quorum's first records have come; and a version that does not
    // know controllers may be raised.
    co_await metadata_.until([](const metadata::Image& image) {
        const auto& version = image.features.metadata_version;
        return version && version->supports_controller_registration();
    });
    ControllerRegistrationRequest request;
    request.controller_id = node_.id;
    request.incarnation_id = node_.incarnation;
    introduce(request, advertised);
    controller::RegisterController command{.request = std::move(request)};
    auto response = co_await controllers_.submit(std::move(command));
    if (!response) co_return fail(response.error());
    if (response->error_code == ErrorCode::none) co_return Result<>{};
    co_return fail(response->error_code,
                   fmt::format("controller {} cannot be registered: {}", node_.id,
                               response->error_message.value_or("")));
}

Task<Result<>> Lifecycle::register_broker(const std::vector<config::Endpoint>& advertised) {
    BrokerRegistrationRequest request{
        .broker_id = node_.id, .cluster_id = node_.cluster_id, .incarnation_id = node_.incarnation};
    introduce(request, advertised);
    request.rack =
        config_.broker_rack() ? std::optional<std::string>(*config_.broker_rack()) : std::nullopt;
    request.log_dirs = directories_.online_ids();
    // The epoch before, when every directory says that it ended cleanly in it.
    std::optional<std::int64_t> previous;
    for (const auto& directory : directories_.all()) {
        std::int64_t epoch = directory->broker_epoch().value_or(-1);
        previous = previous && *previous != epoch ? -1 : epoch;
    }
    request.previous_broker_epoch = previous.value_or(-1);
    auto response = co_await controllers_.submit(controller::RegisterBroker{
        .request = request, .version = BrokerRegistrationRequest::max_version});
    if (!response) co_return fail(response.error());
    if (response->error_code != ErrorCode::none) {
        co_return fail(response->error_code,
                       fmt::format("the controller has not registered broker {}: {}", node_.id,
                                   meaning_of(response->error_code)));
    }
    epoch_ = response->broker_epoch;
    LOG_INFO("broker {} is registered with epoch {}", node_.id, epoch_);
    co_return Result<>{};
}

Task<void> Lifecycle::send_heartbeats() {
    for (int failures = 0;;) {
        failures = co_await send_heartbeat() ? 0 : failures + 1;
        co_await env::with_deadline(
            shard_, shard_.now() + pause_after(failures),
            [](Condition& hurry) -> Task<void> { co_await hurry.wait(); }(hurry_));
    }
}

// Who waits for an answer that changes something asks again soon, but not without end.
Duration Lifecycle::pause_after(int failures) const {
    auto interval = Duration::milliseconds(config_.broker_heartbeat_interval_ms());
    if (!fenced_ && !wants_to_stop_) return interval;
    constexpr int most_doublings = 10;
    return std::min(soon * (1 << std::min(failures, most_doublings)), interval);
}

// False: it changed nothing.
Task<bool> Lifecycle::send_heartbeat() {
    BrokerHeartbeatRequest request = heartbeat();
    auto response = co_await controllers_.submit(
        controller::BrokerHeartbeat{.request = request},
        Duration::milliseconds(config_.broker_heartbeat_interval_ms()));
    ErrorCode error = response ? response->error_code : response.error().code;
    if (!response) {
        if (!unreachable_since_) unreachable_since_ = shard_.now();
        changed_.notify_all();
    }
    // It has nothing that could be handed over.
    if (wants_to_stop_ && is_unknown(error)) {
        may_stop_ = true;
        changed_.notify_all();
    }
    if (error != ErrorCode::none) {
        LOG_WARN("heartbeat of broker {} failed: {}", node_.id, name_of(error));
        co_return false;
    }
    heard(request, *response);
    co_return true;
}

BrokerHeartbeatRequest Lifecycle::heartbeat() const {
    BrokerHeartbeatRequest request{.broker_id = node_.id,
                                   .broker_epoch = epoch_,
                                   .current_metadata_offset = metadata_.image()->offset,
                                   .want_shut_down = wants_to_stop_};
    for (const auto& [id, told] : failed_directories_) request.offline_log_dirs.push_back(id);
    // Before it has caught up, the configuration may be an old one.
    if (caught_up_ && supports_cordons()) {
        request.cordoned_log_dirs = directories_.cordoned_ids(config_);
    }
    return request;
}

void Lifecycle::heard(const BrokerHeartbeatRequest& request,
                      const BrokerHeartbeatResponse& response) {
    unreachable_since_.reset();
    fenced_ = response.is_fenced;
    may_stop_ = response.should_shut_down;
    caught_up_ |= response.is_caught_up;
    for (const Uuid& id : request.offline_log_dirs) failed_directories_[id] = true;
    cordons_told_ = request.cordoned_log_dirs.value_or(std::vector<Uuid>());
    changed_.notify_all();
}

Task<void> Lifecycle::tell_failure(Uuid directory) {
    failed_directories_[directory] = false;
    hurry_.notify_all();
    co_await changed_.until([&] { return failed_directories_[directory]; });
}

bool Lifecycle::supports_cordons() const {
    const auto& version = metadata_.image()->features.metadata_version;
    return version && version->supports_cordoned_directories();
}

void Lifecycle::tell_cordons() {
    if (!caught_up_ || !supports_cordons()) return;
    if (directories_.cordoned_ids(config_) != cordons_told_) hurry_.notify_all();
}

Task<void> Lifecycle::shut_down(Time deadline) {
    if (epoch_ < 0 || !config_.controlled_shutdown_enable()) co_return;
    wants_to_stop_ = true;
    hurry_.notify_all();
    auto nobody_answers = [this] {
        return unreachable_since_ && shard_.now() - *unreachable_since_ >= longest_without_answer;
    };
    co_await env::with_deadline(shard_, deadline,
                                changed_.until([&] { return may_stop_ || nobody_answers(); }));
    if (!may_stop_) LOG_WARN("the controller has not let broker {} go in time", node_.id);
}

}  // namespace millrace::broker
