#include "env/sim/dial.h"

#include <fmt/core.h>
#include <utility>

#include "env/sim/acceptor.h"
#include "env/sim/channel.h"
#include "env/sim/world.h"

namespace millrace::env::sim {
Dial::Dial(Fabric& fabric, Node& node, ConnectOperation& operation)
    : fabric_(fabric),
      node_(node),
      operation_(&operation),
      number_(fabric.add(*this)),
      began_(fabric.world().now()) {}

Dial::~Dial() { fabric_.remove(*this); }

void Dial::begin() {
    Time now = fabric_.world().now();
    bool numeric = is_numeric(operation_->to.host);
    // Names are resolved by a helper, and not at once.
    Duration wait = node_.disk().conditions.helper.draw(fabric_.random());
    fabric_.world().at(numeric ? now : now + wait,
                       [self = shared_from_this()] { self->look_up(); });
}

void Dial::look_up() {
    if (operation_ == nullptr) return;
    const std::string& host = operation_->to.host;
    target_ = fabric_.find(node_, host);
    if (target_ == nullptr && !is_numeric(host)) {
        operation_->result =
            fail(ErrorCode::network_exception,
                 fmt::format("the name {} has no address: Name or service not known", host));
        std::exchange(operation_, nullptr)->complete();
        return;
    }
    bool is_name = target_ != nullptr && (host == target_->name() || host == target_->address());
    host_ = is_name ? target_->address() : "127.0.0.1";
    knock();
}

void Dial::knock() {
    if (operation_ == nullptr) return;
    const Node& to = target_ == nullptr ? node_ : *target_;
    fabric_.world().trace().note(Trace::Kind::connect, static_cast<std::uint64_t>(node_.number()),
                                 operation_->to.port);
    fabric_.on_arrival(node_, to, [self = shared_from_this()] { self->arrive(); });
}

void Dial::arrive() {
    if (operation_ == nullptr) return;
    bool heard =
        target_ != nullptr && fabric_.passes(node_, *target_) && fabric_.passes(*target_, node_);
    if (!heard) return lost();
    std::uint16_t port = operation_->to.port;
    Acceptor* acceptor = fabric_.choose_acceptor(*target_, host_, port);
    if (acceptor == nullptr) {
        fabric_.on_arrival(*target_, node_,
                           [self = shared_from_this()] { self->fail_with("Connection refused"); });
        return;
    }
    if (acceptor->full()) return lost();
    std::string own = host_ == "127.0.0.1" ? host_ : node_.address();
    Channel::Party client{node_, {own, fabric_.pick_port(node_)}};
    Channel::Party server{*target_, {host_, port}};
    auto channel = Channel::make(fabric_, std::move(client), std::move(server), acceptor->number());
    fabric_.on_arrival(*target_, node_,
                       [self = shared_from_this(), channel] { self->answered(channel); });
}

void Dial::lost() {
    const Node& to = target_ == nullptr ? node_ : *target_;
    const NetworkConditions& between = fabric_.conditions_of(node_, to);
    Time now = fabric_.world().now();
    if (now - began_ >= between.give_up_after) return fail_with("Connection timed out");
    resend_after_ = resend_after_ == Duration() ? between.resend_after : resend_after_ * 2;
    Time next = std::min(now + resend_after_, began_ + between.give_up_after);
    fabric_.world().at(next, [self = shared_from_this()] { self->knock(); });
}

void Dial::answered(const std::shared_ptr<Channel>& channel) {
    if (operation_ == nullptr) {
        channel->client().abort();
        return;
    }
    if (!channel->client().known()) return fail_with("Connection reset by peer");
    channel->client().confirm_opening();
    operation_->result = open_client(channel);
    std::exchange(operation_, nullptr)->complete();
}

void Dial::fail_with(std::string_view reason) {
    if (operation_ == nullptr) return;
    operation_->result =
        fail(ErrorCode::network_exception,
             fmt::format("connecting to {}: {}", operation_->to.to_string(), reason));
    std::exchange(operation_, nullptr)->complete();
}

}  // namespace millrace::env::sim
