#include "broker/partitions/arrivals.h"

namespace millrace::broker {

Arrivals::~Arrivals() { notify(); }

void Arrivals::notify() {
    while (!links_.empty()) links_.front().waiting->arrived();
}

ArrivalWait::ArrivalWait(const std::vector<Arrivals*>& watched)
    : watched_(watched), links_(std::make_unique<Arrivals::Link[]>(watched.size())) {}

bool ArrivalWait::start() {
    for (std::size_t i = 0; i < watched_.size(); ++i) {
        links_[i].waiting = this;
        watched_[i]->links_.push_back(links_[i]);
    }
    return !watched_.empty();
}

void ArrivalWait::arrived() {
    for (std::size_t i = 0; i < watched_.size(); ++i) links_[i].unlink();
    complete();
}

}  // namespace millrace::broker
