#include "env/sim/acceptor.h"

#include <fmt/core.h>
#include <utility>

#include "env/sim/channel.h"
#include "env/sim/node.h"

namespace millrace::env::sim {
namespace {

bool is_any(std::string_view host) { return host == "::" || host == "0.0.0.0"; }

}  // namespace

Acceptor::Acceptor(Fabric& fabric, Node& node, Address local)
    : fabric_(fabric), node_(node), local_(std::move(local)), number_(fabric.add(*this)) {}

bool Acceptor::hears(std::string_view host, std::uint16_t port) const {
    return port == local_.port && (is_any(local_.host) || host == local_.host);
}

bool Acceptor::full() const { return backlog_.size() >= fabric_.conditions.backlog; }

void Acceptor::offer(std::shared_ptr<Channel> channel) {
    if (waiting_ == nullptr) {
        backlog_.push_back(std::move(channel));
        return;
    }
    waiting_->result = open_server(std::move(channel));
    std::exchange(waiting_, nullptr)->complete();
}

bool Acceptor::begin(AcceptOperation& operation) {
    CHECK(waiting_ == nullptr);
    if (open_ && backlog_.empty()) {
        waiting_ = &operation;
        return true;
    }
    if (open_) {
        operation.result = open_server(std::move(backlog_.front()));
        backlog_.pop_front();
    } else {
        operation.result = fail(ErrorCode::network_exception,
                                fmt::format("the listener on {} is closed", local_.to_string()));
    }
    // As in the real world, what ends at once may let its coroutine go on at once or not.
    if (fabric_.random().chance(0.5)) return false;
    operation.complete();
    return true;
}

void Acceptor::give_up(AcceptOperation& operation) {
    waiting_ = nullptr;
    operation.complete();
}

void Acceptor::drop(bool machine_answers) {
    if (!std::exchange(open_, false)) return;
    fabric_.remove(*this);
    for (const std::shared_ptr<Channel>& each : std::exchange(backlog_, {})) {
        if (machine_answers) {
            each->server().abort();
        } else {
            each->server().vanish();
        }
    }
    if (waiting_ == nullptr) return;
    waiting_->result = fail(ErrorCode::network_exception,
                            fmt::format("the listener on {} is closed", local_.to_string()));
    std::exchange(waiting_, nullptr)->complete();
}

}  // namespace millrace::env::sim
