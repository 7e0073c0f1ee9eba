#include "broker/fetchers/broker_links.h"

namespace millrace::broker {

Task<Result<std::shared_ptr<client::BrokerConnection>>> BrokerLinks::connect(std::int32_t broker) {
    std::unique_ptr<Link>& at = links_[broker];
    if (!at) {
        at = std::make_unique<Link>(LeaderLink(shard_, metadata_, config_, broker, client_id_));
    }
    Link& link = *at;
    co_await link.opened.until([&] { return !link.is_opening; });
    struct Opening {
        explicit Opening(Link& l) : link(l) { link.is_opening = true; }
        ~Opening() {
            link.is_opening = false;
            link.opened.notify_all();
        }
        Link& link;
    } opening(link);
    co_return co_await link.link.get(scope_);
}

}  // namespace millrace::broker
