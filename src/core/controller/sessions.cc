#include "core/controller/sessions.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/metadata/image.h"

namespace millrace::controller {

void Sessions::begin(const metadata::Image& image, Time now) {
    brokers_.clear();
    for (const auto& [id, broker] : image.brokers) {
        if (!broker->fenced) brokers_[id] = {.epoch = broker->epoch, .last_heard = now};
    }
}

void Sessions::touch(std::int32_t broker, std::int64_t epoch, std::int64_t metadata_offset,
                     Time now) {
    Session& session = brokers_[broker];
    if (session.epoch != epoch) session = {};
    session.epoch = epoch;
    session.last_heard = now;
    session.heard = true;
    session.lived |= std::exchange(session.gone, false);
    session.metadata_offset = metadata_offset;
}

void Sessions::start_shutdown(std::int32_t broker, std::int64_t offset) {
    Session& session = brokers_[broker];
    if (session.shutdown_offset < 0) session.shutdown_offset = offset;
}

void Sessions::end_shutdown(std::int32_t broker) {
    if (auto at = brokers_.find(broker); at != brokers_.end()) at->second.shutdown_offset = -1;
}

bool Sessions::give_up(std::int32_t broker, std::int64_t epoch, Time since) {
    Session& session = brokers_[broker];
    if (session.epoch != epoch) session = {.epoch = epoch};
    if (session.lived || (session.heard && session.last_heard > since)) return false;
    session.gone = true;
    return true;
}

bool Sessions::is_valid(std::int32_t broker, std::int64_t epoch, Time now) const {
    auto at = brokers_.find(broker);
    return at != brokers_.end() && at->second.epoch == epoch && !at->second.gone &&
           at->second.last_heard + timeout_ > now;
}

std::optional<Time> Sessions::last_heard(std::int32_t broker) const {
    auto at = brokers_.find(broker);
    return at == brokers_.end() ? std::nullopt : std::optional(at->second.last_heard);
}

std::optional<std::int64_t> Sessions::shutdown_offset(std::int32_t broker) const {
    auto at = brokers_.find(broker);
    if (at == brokers_.end() || at->second.shutdown_offset < 0) return std::nullopt;
    return at->second.shutdown_offset;
}

std::int64_t Sessions::lowest_offset(const metadata::Image& image) const {
    std::int64_t lowest = std::numeric_limits<std::int64_t>::max();
    for (const auto& [id, broker] : image.brokers) {
        if (broker->fenced || shutdown_offset(id)) continue;
        auto at = brokers_.find(id);
        lowest = std::min(lowest, at == brokers_.end() ? -1 : at->second.metadata_offset);
    }
    return lowest;
}

std::optional<std::int32_t> Sessions::expired(const metadata::Image& image, Time now) const {
    for (const auto& [id, broker] : image.brokers) {
        if (!broker->fenced && !is_valid(id, broker->epoch, now)) return id;
    }
    return std::nullopt;
}

Time Sessions::next_expiry(const metadata::Image& image) const {
    Time next = Time::never();
    for (const auto& [id, broker] : image.brokers) {
        auto at = brokers_.find(id);
        if (!broker->fenced && at != brokers_.end())
            next = std::min(next, at->second.last_heard + timeout_);
    }
    return next;
}

}  // namespace millrace::controller
