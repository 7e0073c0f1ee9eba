#include "broker/controller_channel.h"

#include <algorithm>
#include <fmt/core.h>

#include "quorum/peers.h"

namespace millrace::broker {

Result<> ControllerChannel::start() {
    ASSIGN_OR_RETURN(auto options, quorum::controller_pool_options(
                                       config_, fmt::format("{}", config_.node_id())));
    pool_ = std::make_unique<client::ConnectionPool>(shard_, scope_, std::move(options));
    scope_.spawn(leave_former_controllers());
    return {};
}

Error ControllerChannel::not_controller() {
    return {ErrorCode::not_controller, "no active controller is known now"};
}

Duration ControllerChannel::within(Duration timeout) const {
    return std::min(timeout, Duration::milliseconds(config_.controller_socket_timeout_ms()));
}

// With its connection gone, it may be asked again by another one.
Error ControllerChannel::unanswered(Error error, Duration timeout) const {
    if (error.code == ErrorCode::request_timed_out && within(timeout) < timeout)
        error.code = ErrorCode::network_exception;
    return error;
}

Task<Result<ControllerChannel::Connection>> ControllerChannel::connect(client::Lane lane) {
    std::int32_t leader = quorum_.leader_id();
    auto address = quorum_.leader_address();
    if (leader < 0 || !address) co_return fail(not_controller());
    co_return co_await pool_->get(leader, *address, lane);
}

// Whoever waits for an answer of theirs asks the next one.
Task<void> ControllerChannel::leave_former_controllers() {
    for (;;) {
        co_await quorum_.leader_changed(quorum_.leader_id());
        pool_->close_all("another controller is active");
    }
}

}  // namespace millrace::broker
